"""Reading and writing files: atomic renames, JSON, JSON lines of typed records."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from pydantic import (
    BaseModel,
    ConfigDict,
    ValidationError,
)

from art.errors import RecordError


class Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


AnyRecord = TypeVar("AnyRecord", bound=Record)


def read_records(path: Path, kind: type[AnyRecord]) -> list[AnyRecord]:
    """Read a JSON-lines file.

    Raises:
        RecordError: the file is missing or empty, or a line is not JSON or does not fit the schema (file:line).
    """
    records: list[AnyRecord] = []
    for number, line in numbered_lines(path):
        try:
            records.append(kind.model_validate_json(line))
        except ValidationError as error:
            raise invalid(f"{path}:{number}", error) from None
    if not records:
        raise RecordError(f"{path}: holds no {kind.__name__}")
    return records


def read_record(path: Path, kind: type[AnyRecord]) -> AnyRecord:
    """Read a JSON file that is one record.

    Raises:
        RecordError: the file is missing, is not JSON (the message gives line and column) or does not fit the schema
            (the message gives the key).
    """
    try:
        return kind.model_validate_json(_text(path))
    except ValidationError as error:
        raise invalid(str(path), error) from None


def invalid(where: str, error: ValidationError) -> RecordError:
    """The error for the first fault of a record; ``where`` is its file, or file:line."""
    fault = error.errors()[0]
    key = ".".join(str(part) for part in fault["loc"])
    return RecordError(f"{where}: {key + ': ' if key else ''}{fault['msg']}")


def numbered_lines(path: Path) -> list[tuple[int, str]]:
    """Lines of a text file with their numbers from 1.

    Only line feeds end a line: JSON may contain U+2028 and similar characters, at which ``str.splitlines`` would cut.

    Raises:
        RecordError: the file is missing or not UTF-8.
    """
    text = _text(path)
    return list(enumerate(text.removesuffix("\n").split("\n"), start=1)) if text else []


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")  # some editors write a byte order mark
    except (OSError, UnicodeDecodeError) as error:
        raise RecordError(f"{path}: cannot be read: {error}") from None


def write_records(path: Path, records: Iterable[Record]) -> None:
    """Write a JSON-lines file atomically."""
    with atomic_path(path) as partial, partial.open("w", encoding="utf-8") as stream:
        for record in records:
            stream.write(record.model_dump_json(exclude_none=True) + "\n")


def write_json(path: Path, value: Any) -> None:
    """Write indented JSON atomically; keys keep their order, and figures and tables follow it."""
    with atomic_path(path) as partial:
        partial.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def read_json(path: Path) -> Any:
    """Read JSON; raises RecordError naming the file."""
    try:
        return json.loads(_text(path))
    except json.JSONDecodeError as error:
        raise RecordError(f"{path}: cannot be read as JSON: {error}") from None


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary sibling of ``path``; on success flush it to disk and rename it into place."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        yield partial
        _flush(partial)
        partial.replace(path)
        _flush(path.parent)
    except OSError as error:
        error.filename = error.filename or str(path)  # the error of a full disk names no file
        raise
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Yield a temporary sibling folder to fill; on success it is flushed and renamed to ``path``."""
    partial = path.with_name(f".{path.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    yield partial
    for written in (*partial.rglob("*"), partial):
        _flush(written)
    shutil.rmtree(path, ignore_errors=True)
    partial.rename(path)
    _flush(path.parent)


def _flush(path: Path) -> None:
    """Flush a file's content, or a folder's entries, to the disk, so that a power cut cannot undo a rename."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
