"""Absurdly long completions cost little time."""

from __future__ import annotations

import time

import pytest

from art.scoring import numeric


@pytest.mark.parametrize(
    "completion",
    [
        "Answer: " + "9" * 100_000,
        "Answer: 1/" + "9" * 100_000,
        "Answer: 1e999999999",
        "Answer: 1e-" + "9" * 50,
        "Answer: " + " " * 997 + "123",  # the line is cut within the number
        "Answer:" + " " * 100_000 + "x",
        "Answer: -" + " " * 100_000 + "$" + " " * 100_000 + "5",
        "Answer" + " " * 100_000 + "x",
        "answer is" * 4_000,
        "Answer: " * 4_000,
        "\\boxed{" * 4_000,
        "####\n" * 4_000,
        "#### " * 4_000,
        "Answer: " + "1 * (" * 4_000,
        "Answer: " + "1=" * 4_000,
        "Answer: 1" + ",111" * 4_000,
        "Answer: 1" + "*" * 4_000,
        "Answer: 1 or " + "\\(" * 4_000,
        "\\boxed{" * 150_000,
    ],
)
def test_absurd_lengths_cost_little(completion: str) -> None:
    start = time.process_time()
    assert numeric.extract(completion) in (None, "1")
    assert time.process_time() - start < 2  # quadratic time would take minutes
