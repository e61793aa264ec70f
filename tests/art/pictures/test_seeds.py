from itertools import combinations

import numpy as np
import pytest

from art.pictures.png import distance
from art.pictures.seeds import draw

# Mean colours of 8 x 8 squares of each picture at size 256, row by row, in hex.
MEANS = {
    "arithmetic": (
        "fcb64ce5be5e84967584a47d8293738aa87eeaa449fcb24af9a240b1af7182a88eb0cea48aab8670a4919b915fffc656"
        "fec052afa56b589c9a67a69e68a79f5495989a9864faa947fbab46b1b1729ac3c293bdbe90b8b99c858b8d947fdcc09e"
        "fec052b1af718bb5b783afb381aaae9e848a94a299f8c08ff1a856a3ac8b81aaae79a4a9769ea4a47980988d5ffebe51"
        "eddbbcabc6b88ab2b4a2c6c46c7bbca58187999562fbae48f8b26be7b1576585725b80725b84745b8172c49048fdbd51"
    ),
    "tool_call": (
        "5c3cbc6744cb774eba6945ca6341c65148b35236ae442b986c47c6b97875ee9c43e5974b7f6ca34d98b9488cb74a2fa1"
        "7e52b1fea731a3666cdc8c3fc39e604e99bd478ab74e32a77f52b0fba536af6e61e2903dca85676549cb5538b14e32a7"
        "6b46c8b37479e89a4adc9055754cbc6240c5846fc65d45ab5e3dbf7758d16f4ac4704ecc917adab3a8dfa091d38b7fb9"
        "5c41b38476b5d1cde9aeabc58579b059459b5e4d9c45308c5036a4958ac07163a35235ad4e32a7462c9b432a963c2588"
    ),
    "multiple_choice": (
        "27b19a81cfba5b8e8d53667553808480cdb837bca40da38e51bca7f7a4b0fbccaad4c9bda6c3e5c5a6e16bafa612b399"
        "54c6aef1c8c3f9cea2ead6bdd5dddedac9d76db1a418a18e50b8a4ece5d2f5d9b7f2d8b6f0e9d6e0d2d470b7a899a8a7"
        "53c1abf0e9d6f1ead7efe8d5f3ecdab994debfcda3d0c15453c2acf4889ef0decfebe4d2f0e9d6ebe3caf8d15e3ca376"
        "50b8a4f1e4d3f1ead7d4dcdcb5cde5f2ddad8fad6411b09732bca396bdb098bdb08cb8b379adb588aca03f9b900faa93"
    ),
    "another": (
        "1827481a294b4c444b5d5d605d565b4d454c1826441726471826446b625e45849e6fa3af6b7b8d45849e6b625d1a294b"
        "4d454c45849e41908f95b7a899746f41908f45849e4c444b5c565b6a7b8d98756fcb9d7ecb9d7d94b6a86ea4b05c5d60"
        "5d5d5f6fa3af95b5a7ca9c7dcb9d7d99746f6b7b8d5d565b4c444b45849e41908f99746f95b6a741908f45849e4d454c"
        "1a294b6b625e45849e6b7b8d6fa3af45849e6b625e1826441827481826444d454d5d565b5d5d604c444b1a294b182748"
    ),
}
TASKS = tuple(MEANS)


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


@pytest.mark.parametrize("task", TASKS)
def test_pictures_stay_as_they_are(task: str) -> None:
    """Runs are compared across versions, so another Pillow may change edges only slightly."""
    squares = draw(task, 256).reshape(8, 32, 8, 32, 3).mean(axis=(1, 3))
    drawn = np.frombuffer(bytes.fromhex(MEANS[task]), dtype=np.uint8).reshape(8, 8, 3)
    assert np.abs(squares - drawn).max() < 1.5


def test_a_picture_looks_the_same_at_every_size() -> None:
    for task in TASKS:
        halved = draw(task, 256).reshape(128, 2, 128, 2, 3).mean(axis=(1, 3))
        assert np.abs(halved - draw(task, 128)).mean() < 6


def test_every_letter_is_ticked_once() -> None:
    """The seed picture of multiple choice must not favour a letter: each column has one ticked box."""
    levels = draw("multiple_choice", 256)
    counts = []
    for column in range(4):
        x = round((0.2 + 0.163 * column) * 256)
        corner = levels[:, x - 14]
        boxes = [corner[round((0.385 + 0.155 * row) * 256)] for row in range(4)]
        counts.append(sum(np.ptp(box.astype(int)) > 60 for box in boxes))
    assert counts == [1, 1, 1, 1]


@pytest.mark.parametrize("size", [0, -32, 48, 100])
def test_impossible_size_is_refused(size: int) -> None:
    with pytest.raises(ValueError, match=f"{size} is not a positive multiple of 32"):
        draw("arithmetic", size)
