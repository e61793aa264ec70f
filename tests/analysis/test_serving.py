"""Tests the measures, tables and figure of serving checks, with numbers computed by hand."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from fake_results import mapping, write_check, write_results, write_serving
from PIL import Image
from typer.testing import CliRunner

from analysis import serving
from analysis.cli import app
from analysis.load import Experiment, read_csv
from art.config.experiment import Config
from art.config.reading import load_config, parse_config
from art.errors import RecordError
from art.files import read_records, write_json, write_records
from art.store.records import Item, LoadRecord, ServedItem

METHODS = {
    "no_image": {"kind": "no_image"},
    "art": {"kind": "art"},
    "art_vllm": {"kind": "art", "engine": {"kind": "vllm"}},
    "lora": {"kind": "lora"},
    "random_image": {"kind": "random_image", "draws": 2},
}
SERVING = {"problems": 20, "variants": [1, 4], "requests": 8, "repeats": 3}
NAMES = ("served", "serving_load", "gap")


def command(*arguments: str | Path) -> None:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output


def options(root: Path, out: Path) -> tuple[str | Path, ...]:
    return ("--config", root / "config.json", "--results", root, "--out", out)


@pytest.fixture(scope="module")
def checked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Measured results of two seeds, with a serving check."""
    root = tmp_path_factory.mktemp("served")
    config, _ = write_results(root, mapping(methods=METHODS, serving=SERVING, seeds=[3, 1]))
    write_serving(root, config)
    command("measure", *NAMES, *options(root, root / "analysis"))
    return root


@pytest.fixture
def tree(checked: Path, tmp_path: Path) -> Path:
    """A copy of the results that a test may damage."""
    return Path(shutil.copytree(checked, tmp_path / "results"))


def settings(root: Path) -> Config:
    return load_config(root / "config.json")


def test_answers_beside_the_evaluations(checked: Path) -> None:
    frame = read_csv(checked / "analysis/served.csv")
    assert list(frame.columns) == serving.SERVED
    assert list(frame["method"]) == list(METHODS)
    assert list(frame["seed"]) == [0, 3, 3, 3, 0], "the first seed or draw is served"
    assert set(frame["engine"]) == {"transformers"}, "one engine evaluates all"
    for row in frame.itertuples():
        path = checked / f"runs/tiny-1m/arithmetic/{row.method}/seed{row.seed}/items.jsonl"
        scores = [item.score for item in read_records(path, Item) if item.decoding == "greedy"][:20]
        assert row.n == 20 and row.accuracy_evaluated == pytest.approx(sum(scores) / 20)
        change = (1 - 2 * scores[0]) / 20  # the first of 20 answers has another score
        assert row.difference == pytest.approx(change)
        assert row.accuracy_served == pytest.approx(sum(scores) / 20 + change)
        assert (row.score_differs, row.text_differs) == (pytest.approx(0.05), pytest.approx(0.1))
        # One problem of 20 differs; a resample holds it k times, k being binomial with mean 1: 95 % lie in 0 to 3.
        assert sorted(abs(round(20 * edge)) for edge in (row.low, row.high)) == [0, 3]
        assert row.p_exact == 1.0


def answered(root: Path, served: list[Item], evaluated: list[Item], analysis: dict[str, Any]) -> pd.DataFrame:
    """The rows of two controls with these served and evaluated answers, in an experiment that vLLM evaluates."""
    methods = {"no_image": {"kind": "no_image"}, "plain": {"kind": "seed_image"}}
    settings = {"reference": "plain"} | analysis
    data = mapping(methods=methods, serving={"problems": 8}, engine={"kind": "vllm"}, analysis=settings)
    config = parse_config(data, "test")
    write_check(root, config, "tiny-1m", "arithmetic")
    for method in methods:
        write_records(root / f"runs/tiny-1m/arithmetic/{method}/seed0/items.jsonl", evaluated)
    answers = [ServedItem(**item.model_dump(), method=method) for item in served for method in methods]
    write_records(root / "serving/tiny-1m/arithmetic/served.jsonl", answers)
    return serving.served(Experiment(config, root))


def item(name: str, score: int, completion: str = "x", decoding: str = "greedy") -> Item:
    return Item(id=name, decoding=decoding, sample=0, completion=completion, score=score, tokens=5)


def test_answers_are_paired_by_id_with_the_greedy_ones(tmp_path: Path) -> None:
    """Ten problems are evaluated, eight served in another order: three are gained, one lost, five have another text."""
    scores = dict(zip("abcdefghij", (1, 0, 0, 1, 1, 0, 0, 1, 0, 1), strict=True))
    evaluated = [item(name, score) for name, score in scores.items()]
    evaluated += [item(name, 1 - score, "z", "sampled") for name, score in scores.items()]
    gained, lost = "bcf", "a"
    served = [
        item(name, int(name in gained or scores[name] > (name in lost)), "xy"[name in "abcfd"]) for name in "fedcbagh"
    ]
    frame = answered(tmp_path, served, evaluated, {"confidence": 0.7, "resamples": 4000})
    row = frame.iloc[1]
    assert (row["method"], row["kind"], row["seed"], row["engine"]) == ("plain", "seed_image", 0, "vllm")
    names = ["n", "accuracy_served", "accuracy_evaluated", "difference", "score_differs", "text_differs"]
    assert row[names].tolist() == [8, 6 / 8, 4 / 8, 2 / 8, 4 / 8, 5 / 8]
    assert row["p_exact"] == 2 * (1 + 4) / 16
    assert (row["low"], row["high"]) == (0.0, 0.5)  # gains less losses of a resample: quantiles 0 and 4 of 8


def test_settings_of_the_analysis_and_the_method_decide_the_resamples(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    served, evaluated = ([item(f"q{i}", int(rng.random() < 0.5)) for i in range(200)] for _ in range(2))
    changes = ({}, {}, {"seed": 1}, {"resamples": 150}, {"confidence": 0.6})
    frames = [answered(tmp_path, served, evaluated, {"resamples": 100} | change) for change in changes]
    ends = [tuple(frame.loc[1, ["low", "high"]]) for frame in frames]
    assert ends[0] == ends[1] and len(set(ends)) == 4
    assert tuple(frames[0].loc[0, ["low", "high"]]) != ends[0], "each method has its own resamples"


def test_every_model_and_task_has_its_rows_in_the_configs_order(tmp_path: Path) -> None:
    names = {"models": ("m2", "m1"), "tasks": ("t2", "t1")}
    data = mapping(
        models={name: {"path": "nowhere"} for name in names["models"]},
        tasks={name: {"scorer": "numeric"} for name in names["tasks"]},
        methods={"no_image": {"kind": "no_image"}, "lora": {"kind": "lora"}},
        serving={"problems": 8},
    )
    config, _ = write_results(tmp_path, data, items=8)
    write_serving(tmp_path, config)
    for build in (serving.served, serving.serving_load, serving.gap):
        frame = build(Experiment(config, tmp_path))
        cells = list(dict.fromkeys(zip(frame["model"], frame["task"], strict=True)))
        assert cells == [(model, task) for model in names["models"] for task in names["tasks"]]


def test_a_ratio_is_within_a_repeat_whatever_the_order_of_the_file(tree: Path) -> None:
    path = tree / "serving/tiny-1m/arithmetic/load.jsonl"
    records = read_records(path, LoadRecord)
    bare = [record for record in records if record.kind == "no_image"]
    write_records(path, [*reversed(bare), *(record for record in records if record.kind != "no_image")])
    pd.testing.assert_frame_equal(
        serving.serving_load(Experiment(settings(tree), tree)),
        read_csv(tree / "analysis/serving_load.csv"),
        check_dtype=False,
    )


def test_what_serving_costs(checked: Path) -> None:
    frame = read_csv(checked / "analysis/serving_load.csv")
    assert list(frame.columns) == serving.LOAD
    kinds = list(zip(frame["kind"], frame["variants"], strict=True))
    assert kinds == [("no_image", 0), ("image", 1), ("image", 4), ("adapter", 1), ("adapter", 4)]
    rows = {key: frame.iloc[number] for number, key in enumerate(kinds)}
    assert (frame["repeats"] == 3).all() and (frame["requests"] == 8).all()
    assert (frame["completion_tokens"] == 600).all()
    assert [rows[key]["prompt_tokens"] for key in (("no_image", 0), ("image", 1), ("adapter", 1))] == [200, 328, 200]
    # 600 tokens take 2, 3, 4 s without an image; 2.5, 3, 5 s with one image; 4, 3, 8 s with four.
    ends = ("", "_low", "_high", "_ratio", "_ratio_low", "_ratio_high")
    for key, wanted in {
        ("no_image", 0): (200, 150, 300, 1, 1, 1),
        ("image", 1): (200, 120, 240, 0.8, 0.8, 1),  # ratios 0.8, 1, 0.8
        ("image", 4): (150, 75, 200, 0.5, 0.5, 1),  # ratios 0.5, 1, 0.5; not 150 / 200
        ("adapter", 1): (100, 75, 150, 0.5, 0.5, 0.5),
        ("adapter", 4): (600 / 9, 50, 100, 1 / 3, 1 / 3, 1 / 3),
    }.items():
        found = rows[key][[f"rate{end}" for end in ends]].tolist()
        assert found == pytest.approx(list(wanted)), key
    found = rows["image", 4][[f"first_token{end}" for end in ends]].tolist()
    assert found == pytest.approx([0.8, 0.4, 0.9, 4.0, 3.0, 4.0])  # ratios 4, 4, 3


def test_how_far_log_probabilities_lie_apart(checked: Path) -> None:
    frame = read_csv(checked / "analysis/gap.csv")
    assert list(frame.columns) == serving.GAP
    server = frame[frame["source"] == "server"]
    assert list(server["method"]) == list(METHODS) and list(server["tokens"]) == [1000, 1001, 1002, 1003, 1004]
    assert set(server["mean"]) == {0.002} and set(server["maximum"]) == {0.25} and set(server["effective"]) == {0.999}
    training = frame[frame["source"] != "server"]
    assert list(training["method"]) == ["art_vllm", "art_vllm"], "only where the engine is not the policy itself"
    assert list(training["source"]) == ["training, seed 3", "training, seed 1"]
    # Step k of 1 to 12 has 100 k tokens and a mismatch of k / 100: sum k^2 = 650, sum k = 78.
    for row in training.itertuples():
        assert row.tokens == 7800 and row.mean == pytest.approx(0.01 * 650 / 78)
        assert row.maximum == pytest.approx(0.5 + 0.1 * 12) and row.effective == pytest.approx(1 - 0.01 * 650 / 78)


def test_a_check_of_other_settings_is_refused(tree: Path) -> None:
    data = json.loads((tree / "config.json").read_text())
    for change in ({"serving": data["serving"] | {"repeats": 4}}, {"evaluation": {"max_new_tokens": 9}}):
        config = parse_config(data | change, "test")
        for build in (serving.served, serving.serving_load, serving.gap):
            with pytest.raises(RecordError, match=r"serving/tiny-1m/arithmetic: serving\.json was made with other"):
                build(Experiment(config, tree))
    same = parse_config(data | {"analysis": data["analysis"] | {"resamples": 100}}, "test")
    assert len(serving.served(Experiment(same, tree))) == len(METHODS)


def test_other_problems_are_refused(tree: Path) -> None:
    path = tree / "serving/tiny-1m/arithmetic/served.jsonl"
    answers = read_records(path, ServedItem)
    strange = [one.model_copy(update={"id": "strange"}) if one.method == "lora" else one for one in answers]
    for wrong in (strange, [one for one in answers if one.method != "lora"]):
        write_records(path, wrong)
        message = r"served\.jsonl: lora: no answers, or answers to problems that are not in .*lora/seed3/items\.jsonl"
        with pytest.raises(RecordError, match=message):
            serving.served(Experiment(settings(tree), tree))


def test_a_missing_check_is_named(tree: Path) -> None:
    (tree / "serving/tiny-1m/arithmetic/serving.json").unlink()
    with pytest.raises(RecordError, match=r"serving/tiny-1m/arithmetic/serving\.json: cannot be read"):
        serving.gap(Experiment(settings(tree), tree))


def test_tables_say_the_same(checked: Path, tmp_path: Path) -> None:
    command("tables", *NAMES, *options(checked, tmp_path))
    served, load, gap = (pd.read_csv(tmp_path / f"{name}.csv", keep_default_na=False) for name in NAMES)
    assert list(served["Method"]) == ["no image", "ART", "ART vllm", "LoRA", "random image"]
    assert set(served["Score differs, %"]) == {5.0} and set(served["Text differs, %"]) == {10.0}
    assert all(cell.lstrip("+\u2212").startswith("5.0 [") for cell in served["Difference, points"])
    assert list(load["Variants"]) == ["\u2013", "1", "4", "1", "4"]
    assert list(load["Prompt tokens / request"]) == [25.0, 41.0, 41.0, 25.0, 25.0]
    assert list(load["Tokens / s"])[1:3] == ["200 [120, 240]", "150 [75, 200]"]
    assert list(load["Tokens / s, ratio"])[:3] == ["1.00 [1.00, 1.00]", "0.80 [0.80, 1.00]", "0.50 [0.50, 1.00]"]
    assert [cell.split()[0] for cell in load["First token, ratio"]] == ["1.00", "2.00", "4.00", "1.33", "3.50"]
    assert load["First token, ratio"][2] == "4.00 [3.00, 4.00]"
    assert list(gap["Measured in"]) == ["server"] * 5 + ["training, seed 3", "training, seed 1"]
    assert list(gap["Mean mismatch, nats"]) == [0.002] * 5 + [0.0833] * 2


def test_the_figure_of_serving(checked: Path, tmp_path: Path) -> None:
    for folder in ("one", "two"):
        command("figure", "serving", *options(checked, tmp_path / folder))
    one, two = ((tmp_path / folder / "serving.pdf").read_bytes() for folder in ("one", "two"))
    assert one == two
    assert Image.open(tmp_path / "one/serving.png").width >= 800


def test_without_serving_there_are_no_rows_but_headings(checked: Path, tmp_path: Path) -> None:
    root = Path(shutil.copytree(checked, tmp_path / "plain"))
    shutil.rmtree(root / "serving")
    data = json.loads((root / "config.json").read_text())
    del data["methods"]["art_vllm"]
    write_json(root / "config.json", data | {"serving": None})
    command("measure", *NAMES, *options(root, root / "analysis"))
    command("tables", *NAMES, *options(root, root / "tables"))
    command("figure", "serving", *options(root, root / "figures"))
    for name in NAMES:
        assert len(read_csv(root / f"analysis/{name}.csv")) == 0
        assert (root / f"analysis/{name}.csv").read_text().splitlines() == (
            (checked / f"analysis/{name}.csv").read_text().splitlines()[:1]
        )
        assert pd.read_csv(root / f"tables/{name}.csv").columns[0] == "Model"
