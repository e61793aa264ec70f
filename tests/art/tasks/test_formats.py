"""Records of published files, each with its place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import pytest

from art.errors import RecordError
from art.tasks.formats import rows


@pytest.mark.parametrize(
    ("name", "content", "places", "records"),
    [
        ("a.jsonl", '{"a": "\u2028"}\n{"a": 2}\n', [":1", ":2"], [{"a": "\u2028"}, {"a": 2}]),
        ("a.json", '{"a": 1}\n{"a": 2}', [":1", ":2"], [{"a": 1}, {"a": 2}]),
        ("a.json", ' \n [{"a": 1},\n {"a": 2}]', [": record 1", ": record 2"], [{"a": 1}, {"a": 2}]),
        ("a.jsonl", '\ufeff{"a": 1}\n{"a": "\ufeff"}', [":1", ":2"], [{"a": 1}, {"a": "\ufeff"}]),
        ("a.json", '\ufeff{"a": 1}\n', [":1"], [{"a": 1}]),
        ("a.json", '\ufeff[{"a": 1}]', [": record 1"], [{"a": 1}]),
        ("a.csv", '\ufeffa,b\r\n"x\r\ny","1"\r\n2,""\r\n', [": record 1", ": record 2"],
         [{"a": "x\r\ny", "b": "1"}, {"a": "2", "b": ""}]),
    ],
)  # fmt: skip
def test_records_with_their_places(
    tmp_path: Path, name: str, content: str, places: list[str], records: list[dict[str, Any]]
) -> None:
    path = tmp_path / name
    path.write_bytes(content.encode())
    assert list(rows(path)) == [(f"{path}{place}", row) for place, row in zip(places, records, strict=True)]


def test_a_parquet_file_is_read_to_its_end(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    duckdb.execute(f"copy (select range as n from range(2500)) to '{path}' (format parquet)")
    assert list(rows(path)) == [(f"{path}: record {n + 1}", {"n": n}) for n in range(2500)]


@pytest.mark.parametrize("name", ["a.jsonl", "a.json", "a.csv", "a.parquet"])
def test_a_file_that_is_not_there_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(RecordError, match=rf"{tmp_path}/{name}: "):
        list(rows(tmp_path / name))
