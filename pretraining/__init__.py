"""How the shipped reference models were made: corpus, recipe, training, model card.

A model of 1 to 4 million parameters that is pretrained on this corpus can solve the tasks, but without a cue it often
answers in another manner (a guess, another format, a refusal).  The methods compete for this headroom.
"""
