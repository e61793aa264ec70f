"""Follows the how-tos of docs/ literally, block by block, in a copy of the project with a tiny untrained model."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest
from dag_project import COPIED
from PIL import Image, ImageChops

from art.files import read_records
from art.store.problem import Problem

ROOT = Path(__file__).parents[2]


class Block(NamedTuple):
    """A fenced block: its language, the file to write it to (if it names one) and its text."""

    language: str
    file: str | None
    text: str


def blocks(page: str) -> list[Block]:
    """The fenced blocks of a page, in order."""
    found = re.findall(r"^```(\w+)(?: file=(\S+))?\n(.*?)^```$", (ROOT / page).read_text(), re.M | re.S)
    return [Block(language, file or None, text) for language, file, text in found]


class Follower:
    """Follows a page in a copy of the project."""

    def __init__(self, root: Path, checkpoint: Path) -> None:
        self.root = root
        for name in COPIED:
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            if (ROOT / name).is_dir():
                shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy2(ROOT / name, root / name)
        shutil.copytree(checkpoint, root / "checkpoints/tiny-1m")

    def follow(self, page: str) -> None:
        """Write the named files, apply the patches, run the commands; any failure fails the test."""
        for block in blocks(page):
            if block.file is not None:
                path = self.root / block.file
                assert not path.exists(), f"{page}: {block.file} exists already"
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(block.text)
            elif block.language == "diff":
                self.run("git apply --recount -", block.text)
            elif block.language == "sh":
                self.run(block.text)
            else:
                pytest.fail(f"{page}: a block of {block.language} that is neither a file nor a command:\n{block.text}")

    def run(self, commands: str, given: str | None = None) -> None:
        """Run shell commands with the code of the copy and the programs of this environment."""
        clean = {key: value for key, value in os.environ.items() if not key.startswith(("SNAKEMAKE", "PYTEST", "GIT_"))}
        path = os.pathsep.join([str(Path(sys.executable).parent), clean.get("PATH", "")])
        settings = {"PATH": path, "PYTHONPATH": str(self.root), "OMP_NUM_THREADS": "1"}
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", commands],
            cwd=self.root,
            env=clean | settings | {"GIT_CEILING_DIRECTORIES": str(self.root.parent)},
            input=given,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{commands}\n{done.stdout}"

    def json(self, path: str) -> dict:
        """A JSON file of the copy."""
        return json.loads((self.root / path).read_text())


@pytest.fixture
def follower(tmp_path: Path, tiny_checkpoint: Path) -> Follower:
    return Follower(tmp_path / "project", tiny_checkpoint)


def test_add_a_task(follower: Follower) -> None:
    follower.follow("docs/add-a-task.md")
    tasks = follower.root / "results/doubles/tasks/doubles"
    splits = {name: read_records(tasks / f"{name}.jsonl", Problem) for name in ("train", "validation", "test")}
    assert {name: len(problems) for name, problems in splits.items()} == {"train": 32, "validation": 8, "test": 16}
    assert len({problem.id for problems in splits.values() for problem in problems}) == 56
    assert set(follower.json("results/doubles/tasks/doubles/report.json")["shared"].values()) == {0}
    record = follower.json("results/doubles/runs/tiny-1m/doubles/art/seed0/evaluation.json")
    assert record["task"] == "doubles" and record["completion_tokens"] > 0


def test_add_a_method(follower: Follower) -> None:
    follower.follow("docs/add-a-method.md")
    run = "results/frame/runs/tiny-1m/arithmetic/frame/seed0"
    record = follower.json(f"{run}/run.json")
    assert record["kind"] == "frame" and record["trained_numbers"] == 3 * (64**2 - 56**2)
    assert follower.json(f"{run}/evaluation.json")["prefix_tokens"] == 4 + 2
    with (
        Image.open(follower.root / "results/frame/seeds/arithmetic.png") as seed,
        Image.open(follower.root / run / "artifact/image.png") as trained,
    ):
        middle = (4, 4, 60, 60)
        assert ImageChops.difference(seed, trained).getbbox() is not None
        assert ImageChops.difference(seed.crop(middle), trained.crop(middle)).getbbox() is None


def test_add_a_model(follower: Follower) -> None:
    follower.follow("docs/add-a-model.md")
    runs = "results/mine/runs/mine/arithmetic"
    for method, section in (
        ("no_image", {"family": "qwen3_5", "path": "checkpoints/mine"}),
        ("art", {"family": "qwen2_vl", "path": "checkpoints/untrained-qwen2-vl"}),
    ):
        record = follower.json(f"{runs}/{method}/seed0/evaluation.json")
        assert section.items() <= record["config"]["models"]["mine"].items() and record["completion_tokens"] > 0


def test_add_a_figure(follower: Follower) -> None:
    follower.follow("docs/add-a-figure.md")
    figures = follower.root / "results/entropy/paper/figures"
    with Image.open(figures / "entropy.png") as drawn:
        assert min(drawn.size) > 200
    assert (figures / "entropy.pdf").stat().st_size > 1000
    text = (follower.root / "results/entropy/analysis/learning.csv").read_text()
    assert ",entropy," in text.splitlines()[0] and len(text.splitlines()) > 2


@pytest.mark.parametrize(
    "page",
    [
        "README.md",
        "config/README.md",
        "results/README.md",
        *sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md")),
    ],
)
def test_links_and_paths_lead_somewhere(page: str) -> None:
    text = (ROOT / page).read_text()
    for target in re.findall(r"\]\((?!https?:)([^)#]+)(?:#[^)]*)?\)", text):
        assert (ROOT / page).parent.joinpath(target).exists(), target
    made = {block.file for block in blocks(page)}
    for path in re.findall(r"`((?:art|analysis|config|workflow|tests|docs|profiles)/[\w./-]+\.\w+)`", text):
        assert path in made or (ROOT / path).exists(), path
