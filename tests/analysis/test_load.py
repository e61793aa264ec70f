"""Tests the reading of scores, records and CSV files; expected numbers are counted by hand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pandas as pd
import pytest

from analysis.load import Experiment, load_scores, read_csv, write_csv
from art.config.digests import evaluation_digest
from art.config.experiment import Config, RunKey
from art.config.reading import parse_config
from art.errors import RecordError
from art.files import write_json, write_records
from art.store.records import Item

METHODS: dict[str, dict[str, Any]] = {"plain": {"kind": "no_image"}, "picture": {"kind": "art"}}


def item(name: str, score: int, sample: int = 0, decoding: str = "greedy") -> Item:
    return Item(id=name, decoding=decoding, sample=sample, completion="x", score=score, tokens=1)


def sampled(**scores: list[int]) -> list[Item]:
    return [item(name, score, number, "sampled") for name, row in scores.items() for number, score in enumerate(row)]


def greedy(**scores: int) -> list[Item]:
    return [item(name, score) for name, score in scores.items()]


def write(fake: ModuleType, root: Path, items: Callable[[RunKey], list[Item]]) -> Config:
    """Write evaluations of two models, two tasks, a control and a method with seeds 3 and 1, with these items."""
    data = fake.mapping(
        models={name: {"path": "nowhere"} for name in ("m2", "m1")},
        tasks={name: {"scorer": "numeric"} for name in ("t2", "t1")},
        methods=METHODS,
        seeds=[3, 1],
        analysis={"baseline": "plain", "reference": "picture"},
    )
    config = parse_config(data, "test")
    for run in config.grid():
        scored = evaluation_digest(config, run.model, run.task, run.method)
        fake.write_record(root, config, run, command="evaluation", digest=scored)
        write_records(root / run.folder / "items.jsonl", items(run))
    return config


def test_items_are_paired_by_id_and_seeds_keep_their_order(fake: ModuleType, tmp_path: Path) -> None:
    by_seed = {0: greedy(b=0, a=1, c=1), 3: greedy(c=0, a=1, b=1), 1: greedy(a=0, c=1, b=0)}
    config = write(fake, tmp_path, lambda run: by_seed[run.seed])
    cell = load_scores(config, tmp_path)["m1", "t1", "greedy"]
    assert cell.samples == 1 and cell.seeds == {"plain": [0], "picture": [3, 1]}
    assert {name: rows.tolist() for name, rows in cell.scores.items()} == {  # columns a, b, c
        "plain": [[1, 0, 1]],
        "picture": [[1, 1, 0], [0, 0, 1]],
    }


def test_samples_are_averaged_within_their_decoding(fake: ModuleType, tmp_path: Path) -> None:
    items = [*sampled(a=[1, 1, 0, 0], b=[0, 0, 0, 1]), *greedy(b=1, a=0)]
    cells = load_scores(write(fake, tmp_path, lambda _: items), tmp_path)
    names = [(model, task, way) for model in ("m2", "m1") for task in ("t2", "t1") for way in ("greedy", "sampled")]
    assert list(cells) == names, "the config's order"
    assert cells["m2", "t1", "sampled"].samples == 4 and cells["m2", "t1", "greedy"].samples == 1
    assert cells["m2", "t1", "sampled"].scores["plain"].tolist() == [[0.5, 0.25]]
    assert cells["m2", "t1", "greedy"].scores["plain"].tolist() == [[0, 1]]


def test_tasks_have_items_and_samples_of_their_own(fake: ModuleType, tmp_path: Path) -> None:
    by_task = {"t1": greedy(a=1, b=0), "t2": [*greedy(z=1), *sampled(z=[1, 0])]}
    cells = load_scores(write(fake, tmp_path, lambda run: by_task[run.task]), tmp_path)
    assert cells["m1", "t1", "greedy"].scores["plain"].shape == (1, 2)
    assert [key for key in cells if key[2] == "sampled"] == [("m2", "t2", "sampled"), ("m1", "t2", "sampled")]


USUAL = [*greedy(a=1, b=0, c=1, d=1), *sampled(a=[1, 0], b=[1, 1], c=[0, 0], d=[1, 0])]


@pytest.mark.parametrize(
    ("items", "message"),
    [
        (
            [*greedy(a=1, y=0, c=1, x=1), *USUAL[4:]],
            "greedy: 4 items x 1 completions, not the 4 x 1 of {first} (first id that only one file has: b)",
        ),
        (USUAL[1:], "greedy: 3 items x 1 completions, not the 4 x 1 of {first} (first id that only one file has: a)"),
        (
            [*USUAL[:4], *sampled(a=[1] * 3, b=[1] * 3, c=[1] * 3, d=[1] * 3)],
            "sampled: 4 items x 3 completions, not the 4 x 2 of {first} (same ids)",
        ),
        (USUAL[:4], "holds no sampled completions, but other runs of the task do"),
        (USUAL[4:], "holds no greedy completions, but other runs of the task do"),
        (USUAL[:-1], "item d has 1 sampled completions, not 2"),
        ([*USUAL[:4], *USUAL[4:], item("d", 1, 1, "sampled")], "item d has 3 sampled completions, not 2"),
    ],
)
def test_other_items_than_those_of_the_first_file_are_refused(
    fake: ModuleType, tmp_path: Path, items: list[Item], message: str
) -> None:
    """The run that differs belongs to another model than the first file."""
    odd = RunKey(model="m1", task="t1", method="picture", seed=1)
    config = write(fake, tmp_path, lambda run: items if run == odd else USUAL)
    with pytest.raises(RecordError) as caught:
        load_scores(config, tmp_path)
    first = tmp_path / "runs/m2/t1/plain/seed0/items.jsonl"
    assert str(caught.value) == f"{tmp_path / odd.folder}/items.jsonl: {message.format(first=first)}"


def test_a_sample_that_is_there_twice_is_refused(fake: ModuleType, tmp_path: Path) -> None:
    twice = [*USUAL[:-1], item("d", 1, 0, "sampled")]  # each item still has two samples
    config = write(fake, tmp_path, lambda _: twice)
    with pytest.raises(RecordError, match=r"plain/seed0/items\.jsonl: item .* sampled completions"):
        load_scores(config, tmp_path)


def test_trained_images_are_known_by_their_artifact_and_not_by_a_name(fake: ModuleType, tmp_path: Path) -> None:
    """An artifact of another kind that is an image with trained parameters is one; without them it is an image only."""
    config = write(fake, tmp_path, lambda _: USUAL)
    for run in config.grid():
        fake.write_record(tmp_path, config, run)
    expected = [(model, task, "picture", seed) for model in ("m2", "m1") for task in ("t2", "t1") for seed in (3, 1)]
    experiment = Experiment(config, tmp_path)
    assert [tuple(run.model_dump().values()) for run in experiment.trained_images()] == expected
    images = [run for run, _ in experiment.images()]
    other = next(run for run in config.grid() if run not in images)
    path = tmp_path / other.folder / "artifact/artifact.json"
    write_json(path, {"kind": "frame", "image_size": 64, "trained_numbers": 5})
    assert other in experiment.trained_images()
    write_json(path, {"kind": "frame", "image_size": 64})
    assert other not in experiment.trained_images() and other in [run for run, _ in experiment.images()]


def test_numbers_are_written_in_full_with_plain_line_ends(tmp_path: Path) -> None:
    write_csv(pd.DataFrame({"model": ["m"], "low": [0.1 + 0.2], "p": [None]}), tmp_path / "new/x.csv")
    assert (tmp_path / "new/x.csv").read_bytes() == b"model,low,p\nm,0.30000000000000004,\n"
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["x.csv"]


def test_a_table_that_cannot_be_written_leaves_the_old_one(tmp_path: Path) -> None:
    class Broken:
        def to_csv(self, path: Path, **_: object) -> None:
            path.write_text("half")
            raise RuntimeError("no more")

    (tmp_path / "x.csv").write_text("old")
    with pytest.raises(RuntimeError):
        write_csv(Broken(), tmp_path / "x.csv")
    assert (tmp_path / "x.csv").read_text() == "old"


@pytest.mark.parametrize(
    "column", ["model", "task", "method", "kind", "decoding", "baseline", "role", "encoder", "source", "engine"]
)
def test_names_stay_text(tmp_path: Path, column: str) -> None:
    for names in (["007", "1e3", "1"], ["NA", "None", "m"]):
        write_csv(pd.DataFrame({column: names, "seed": [1, 2, 3]}), tmp_path / "x.csv")
        frame = read_csv(tmp_path / "x.csv")
        assert frame[column].tolist() == names and frame["seed"].tolist() == [1, 2, 3]


def test_empty_fields_are_missing(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("model,gain,psnr\nm,,nan\nm,0.5,1\n")
    frame = read_csv(tmp_path / "x.csv")
    assert frame.isna().to_numpy().tolist() == [[False, True, True], [False, False, False]]
    assert frame["psnr"][1] == 1


@pytest.mark.parametrize("content", [None, ""])
def test_a_table_that_cannot_be_read_is_named(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "x.csv").write_text(content)
    with pytest.raises(RecordError, match=r"x\.csv: cannot be read: \S"):
        read_csv(tmp_path / "x.csv")
