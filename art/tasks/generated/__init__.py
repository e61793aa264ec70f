"""The tasks of the default configuration: one module per generator, see ``art.tasks.generated.drawn``."""
