"""The project's errors, and how the command lines print them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager


class ArtError(Exception):
    """Base of the project's own errors: the message says what is wrong, where, and what would be right."""


class ConfigError(ArtError):
    """A configuration that cannot be run; the message names the key, the value and what is allowed."""


class RecordError(ArtError):
    """A file that is missing or has the wrong content; the message names file and line."""


@contextmanager
def printed(program: str) -> Iterator[None]:
    """Print an ``ArtError`` or ``OSError`` as one message and exit with status 1.

    Any other exception is a fault of the program and keeps its traceback.
    """
    try:
        yield
    except (ArtError, OSError) as error:
        print(f"{program}: {error}", file=sys.stderr)
        raise SystemExit(1) from None
