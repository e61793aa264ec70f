"""How the shipped reference models were made: corpus, recipe, training, model card.

A model of 1 to 4 million parameters that is pretrained on this corpus knows how to solve the tasks but, left alone,
often answers in another manner (a guess, another format, a refusal).  That headroom is what the methods compete for.
"""
