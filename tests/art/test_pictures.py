from itertools import combinations

import numpy as np
import pytest

from art.images import distance
from art.pictures import draw

TASKS = ("arithmetic", "tool_call", "multiple_choice", "another")


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("size", [32, 96, 128, 256])
def test_same_picture_every_time(task: str, size: int) -> None:
    levels = draw(task, size)
    assert levels.shape == (size, size, 3) and levels.dtype == np.uint8
    assert (levels == draw(task, size)).all()
    assert len(np.unique(levels.reshape(-1, 3), axis=0)) > 20


def test_pictures_differ() -> None:
    pictures = [draw(task, 64) for task in TASKS]
    assert all(distance(a, b).mean > 20 for a, b in combinations(pictures, 2))


def test_a_picture_looks_the_same_at_every_size() -> None:
    for task in TASKS:
        halved = draw(task, 256).reshape(128, 2, 128, 2, 3).mean(axis=(1, 3))
        assert np.abs(halved - draw(task, 128)).mean() < 6


def test_every_letter_is_ticked_once() -> None:
    """The seed picture of multiple choice must not favour a letter: each colour of a ticked box appears alike."""
    levels = draw("multiple_choice", 256)
    counts = []
    for column in range(4):
        x = round((0.2 + 0.163 * column) * 256)
        corner = levels[:, x - 14]
        boxes = [corner[round((0.385 + 0.155 * row) * 256)] for row in range(4)]
        counts.append(sum(np.ptp(box.astype(int)) > 60 for box in boxes))
    assert counts == [1, 1, 1, 1]


@pytest.mark.parametrize("size", [0, -32, 100])
def test_impossible_size_is_refused(size: int) -> None:
    with pytest.raises(ValueError, match=f"{size} is not a positive multiple of 32"):
        draw("arithmetic", size)
