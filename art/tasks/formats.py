"""Reads published files record by record: JSON lines, JSON, CSV and Parquet, told apart by their file endings."""

from __future__ import annotations

import codecs
import csv
import itertools
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from art.errors import RecordError
from art.files import read_json

Row = dict[str, Any]


def rows(path: Path) -> Iterator[tuple[str, Row]]:
    """Each record with its place, "file:line" or "file: record 7"; only a JSON list must fit into memory.

    Raises:
        RecordError: the file cannot be read or has another format, or a record (named) is not an object.
    """
    form = _FORMS.get(path.suffix)
    if form is None:
        raise RecordError(f"{path}: unknown file ending; allowed: {', '.join(_FORMS)}")
    try:
        for place, row in form(path):
            if not isinstance(row, dict):
                raise RecordError(f"{place}: not an object with keys")
            yield place, row
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise RecordError(f"{path}: cannot be read: {error}") from None


def _json_lines(path: Path) -> Iterator[tuple[str, Any]]:
    with path.open("rb") as stream:  # in bytes only line feeds end a line, not U+2028 or the like
        for number, line in enumerate(stream, start=1):
            try:
                yield f"{path}:{number}", json.loads(line.decode("utf-8-sig" if number == 1 else "utf-8"))
            except json.JSONDecodeError as error:
                raise RecordError(f"{path}:{number}: not JSON: {error}") from None


def _json(path: Path) -> Iterator[tuple[str, Any]]:
    """One JSON list; or JSON lines, since some data sets name those .json as well."""
    with path.open("rb") as stream:
        listed = stream.read(1000).removeprefix(codecs.BOM_UTF8).lstrip()[:1] == b"["
    if not listed:
        yield from _json_lines(path)
        return
    yield from ((f"{path}: record {number}", row) for number, row in enumerate(read_json(path), start=1))


def _csv(path: Path) -> Iterator[tuple[str, Any]]:
    with path.open(encoding="utf-8-sig", newline="") as stream:
        for number, row in enumerate(csv.DictReader(stream, strict=True), start=1):
            place = f"{path}: record {number}"
            if None in row or None in row.values():
                raise RecordError(f"{place}: not as many fields as the first line has names")
            yield place, row


def _parquet(path: Path) -> Iterator[tuple[str, Any]]:
    import duckdb  # half a second to import

    try:
        with duckdb.connect(config={"threads": 1}) as database:
            found = database.execute("select * from read_parquet(?)", [str(path)])
            names = [column[0] for column in found.description]
            values = itertools.chain.from_iterable(iter(lambda: found.fetchmany(1000), []))
            for number, row in enumerate(values, start=1):
                yield f"{path}: record {number}", dict(zip(names, row, strict=True))
    except duckdb.Error as error:
        raise RecordError(f"{path}: not Parquet: {error}") from None


_FORMS: dict[str, Callable[[Path], Iterator[tuple[str, Any]]]] = {
    ".jsonl": _json_lines,
    ".json": _json,
    ".csv": _csv,
    ".parquet": _parquet,
}
