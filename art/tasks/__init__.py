"""Makes the problem files of the tasks: from a generator, a published data set or a local file."""
