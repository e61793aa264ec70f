"""The project's own tasks for the embedded default: one module a generator, see ``art.tasks.generated.drawn``."""
