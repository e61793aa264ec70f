"""The errors that name their own cause, and the one way in which the command lines print them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager


class ArtError(Exception):
    """Base of the project's own errors: the message says what is wrong, where, and what would be right."""


class ConfigError(ArtError):
    """A configuration that cannot be run; the message names the key, the value and what is allowed."""


class RecordError(ArtError):
    """A file that does not hold what it should; the message names file and line."""


@contextmanager
def printed(program: str) -> Iterator[None]:
    """Print an error that names its own cause (ours, and the system's) as one message; exit with status 1.

    Anything else is a fault of the program and keeps its traceback.
    """
    try:
        yield
    except (ArtError, OSError) as error:
        print(f"{program}: {error}", file=sys.stderr)
        raise SystemExit(1) from None
