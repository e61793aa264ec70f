"""Published data sets: one module per data set, each with ``read`` and ``origin``, see ``art.tasks.candidate``."""
