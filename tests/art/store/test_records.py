"""Bounds of the records' fields."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from art.files import (
    Record,
)
from art.store.records import Item, LoadRecord, StepRecord

GREEDY = {"id": "x", "decoding": "greedy", "sample": 0, "completion": "", "score": 1, "tokens": 0}
LOAD = {"kind": "image", "variants": 0, "repeat": 0} | dict.fromkeys(
    ("requests", "prompt_tokens", "completion_tokens", "seconds", "first_token_seconds"), 1
)


@pytest.mark.parametrize(
    ("kind", "good", "key", "bad"),
    [
        (Item, GREEDY, "score", 2),
        (Item, GREEDY, "score", -1),
        (Item, GREEDY, "score", 0.5),
        (Item, GREEDY, "sample", -1),
        (Item, GREEDY, "tokens", -1),
        (Item, GREEDY, "decoding", "beam"),
        (StepRecord, {"step": 0}, "step", -1),
        (LoadRecord, LOAD, "variants", -1),
        (LoadRecord, LOAD, "repeat", -1),
        (LoadRecord, LOAD, "kind", "text"),
    ],
)
def test_a_value_out_of_range_is_no_record(kind: type[Record], good: dict[str, Any], key: str, bad: Any) -> None:
    record = kind(**good)
    with pytest.raises(ValidationError, match=key):
        kind(**good | {key: bad})
    with pytest.raises(ValidationError, match="frozen"):
        setattr(record, key, good[key])
