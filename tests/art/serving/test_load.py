"""What is measured on a server, by the artifacts that it serves."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from art.models.prompt import Prefix
from art.pictures.png import encode_png, uniform_noise
from art.serving.load import conditions
from art.serving.served import Served
from art.store.artifact import Artifact


def served(folder: Path, kind: str, image: bool = True, trained: int = 0, rank: int | None = None) -> Served:
    place = folder / kind
    if image:
        encode_png(uniform_noise(32, np.random.default_rng(len(kind))), place / "image.png")
    artifact = Artifact(kind=kind, image_size=32 if image else None, trained_numbers=trained)
    return Served(kind, artifact, Prefix(), rank, "base", place)


def shown(folder: Path, *artifacts: Served) -> set[str]:
    """The kinds whose picture is the first variant."""
    found = [one for one in conditions("base", artifacts, [1, 2]) if one.kind == "image"]
    if not found:
        return set()
    ((_, first),), both = found[0].requests, found[1].requests
    assert both[0][1] == first and both[1][1] != first, "the second variant is another picture"
    alone = {
        one.method: conditions("base", [one], [1])[1].requests[0][1] for one in artifacts if one.artifact.image_size
    }
    return {kind for kind, parts in alone.items() if parts == first}


def test_the_first_trained_image_is_shown_whatever_its_kind(tmp_path: Path) -> None:
    bare, noise = served(tmp_path, "no_image", image=False), served(tmp_path, "random_image")
    frame, art = served(tmp_path, "frame", trained=5), served(tmp_path, "art", trained=5)
    assert shown(tmp_path, bare, noise, frame, art) == {"frame"}
    assert shown(tmp_path, bare, noise) == {"random_image"}, "without a trained one the first image"
    assert shown(tmp_path, bare) == set()


@pytest.mark.parametrize(("rank", "kinds"), [(None, ["no_image"]), (4, ["no_image", "adapter", "adapter"])])
def test_adapters_are_measured_where_there_is_one(tmp_path: Path, rank: int | None, kinds: list[str]) -> None:
    found = conditions("base", [served(tmp_path, "lora", image=False, trained=9, rank=rank)], [1, 3])
    assert [one.kind for one in found] == kinds
    assert [name for name, _ in found[-1].requests] == (["copy-0", "copy-1", "copy-2"] if rank else ["base"])
