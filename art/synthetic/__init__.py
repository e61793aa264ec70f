"""The project's own world: three procedural tasks, a pretraining corpus and pictures, for the embedded default.

A 1-4 M parameter model that is pretrained on this corpus knows how to solve the tasks but, left alone, often answers
in another manner (a guess, another format, a refusal).  That headroom is what ART, LoRA and soft prompts compete for.
"""
