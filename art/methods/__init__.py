"""The methods that are compared; each reduces to a prefix before the question or an adapter over the weights."""
