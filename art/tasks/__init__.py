"""Problem files of the tasks: generated ones, those of published data sets, those of a local file."""
