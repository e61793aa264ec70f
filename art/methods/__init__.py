"""The methods that are compared; each reduces to a prefix before the question and an overlay on the weights."""
