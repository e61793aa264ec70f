"""Published data sets: one module a data set, each with ``read`` and ``origin``, see ``art.tasks.candidate``."""
