"""Tests that the paper is typeset from the files of an experiment, and from nothing else."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from fake_results import mapping, write_results, write_serving
from paper_words import said

from analysis.paper import typeset as compile_paper
from art.config.reading import parse_config
from art.errors import ConfigError

ROOT = Path(__file__).parents[2]


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def typeset(folder: Path) -> subprocess.CompletedProcess[str]:
    arguments = ("--source", "paper/paper.typ", "--config", "results/config.json", "--out", "paper/paper.pdf")
    return run(folder, "analysis.paper", *arguments)


def make(root: Path, data: dict[str, Any], figures: Path | None = None) -> Path:
    """A project folder with results, tables and figures of an invented experiment.

    With ``figures`` (another such folder), its figures are copied instead of drawn.
    """
    shutil.copytree(ROOT / "paper", root / "paper", ignore=shutil.ignore_patterns("tables", "figures", "*.pdf"))
    config, _ = write_results(root / "results", data)
    if config.serving is not None:
        write_serving(root / "results", config)
    names = [path.stem for path in (ROOT / "analysis/figures").glob("[!_]*.py") if path.stem != "style"]
    drawn = [("figure", name) for name in names if figures is None]
    for arguments in (("measure",), ("tables",), *drawn):
        done = run(root, "analysis", *arguments)
        assert done.returncode == 0, done.stderr
    if figures is not None:
        shutil.copytree(figures / "paper/figures", root / "paper/figures")
    return root


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project's own kind of experiment: a shipped model, a generated task."""
    data = mapping(models={"tiny-1m": {"path": "checkpoints/tiny-1m"}})
    return make(tmp_path_factory.mktemp("paper"), data)


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory, folder: Path) -> Path:
    """Another kind: a model and data sets from the hub, one local file, plain pixels, greedy answers only."""
    data = mapping(
        models={"qwen": {"path": "Qwen/Qwen3.5-0.8B", "revision": "2fc06364" * 5}},
        tasks={
            "gsm8k": {"scorer": "numeric", "source": {"repository": "openai/gsm8k", "revision": "e53f0488" * 5}},
            "gpqa": {"scorer": "multiple_choice", "source": {"path": "data/gpqa_extended.csv"}},
            "doubles": {"scorer": "numeric"},
        },
        methods={
            "no_image": {"kind": "no_image"},
            "lora": {"kind": "lora"},
            "lora_r32": {"kind": "lora", "rank": 32},
            "art": {"kind": "art", "basis": "pixel", "start": "grey"},
        },
        image={"size": 256},
        training={"steps": 2, "snapshot_every": 1, "max_resamples": 0},
        evaluation={"samples": 0, "presence_penalty": 1.0},
    )
    return make(tmp_path_factory.mktemp("hub"), data, figures=folder)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, folder: Path) -> Path:
    """The project's own kind of experiment, with a serving check."""
    data = mapping(
        models={"tiny-1m": {"path": "checkpoints/tiny-1m"}},
        methods={
            "no_image": {"kind": "no_image"},
            "art": {"kind": "art"},
            "art_vllm": {"kind": "art", "engine": {"kind": "vllm"}},
            "lora": {"kind": "lora"},
        },
        serving={"problems": 20, "variants": [1, 4], "repeats": 3},
    )
    return make(tmp_path_factory.mktemp("served"), data, figures=folder)


def test_serving_is_a_section_where_something_is_served(folder: Path, served: Path) -> None:
    with_it, without = said(served), said(folder)
    for words in (
        "Over 4 artifacts (of the first seed of each method), greedy accuracy",
        "differs from the evaluation\u2019s by \u22125.0 to +5.0 points",
        "With 1 image the server makes 0.80 [0.80, 1.00] times as many tokens per second as without",
        "With 4 images the server makes 0.50 [0.50, 1.00] times",
        "With 1 adapter the server makes 0.50 [0.50, 0.50] times",
        "With 4 adapters the server makes 0.33 [0.33, 0.33] times",
        "medians and ranges, over 3 repeats, of the ratio within a repeat",
        "equal length and 16 requests at a time",
        "and the score differs for 5.0 % of the problems",
        "by 0.0020 to 0.0833 nats a token on average and by up to 1.70",
    ):
        assert words in with_it, words
    assert "vLLM" not in without and "through the server" not in without
    for project in (folder, served):
        done = typeset(project)
        assert done.returncode == 0, done.stderr


def test_the_text_is_about_this_experiment(folder: Path, hub: Path) -> None:
    ours, theirs = said(folder), said(hub)
    for words in ("is a reference model of this project", "arithmetic (generated by this project; 2000 training"):
        assert words in ours
    for words in (
        "Images are smaller",
        "Patch basis",
        "Bound",
        "newly drawn problems at most 1 time a step",
        "completions per pr",
    ):
        assert words in ours and words not in theirs
    for words in (
        "1 model (qwen) and 3 tasks (gsm8k, gpqa and doubles)",
        "qwen, Qwen/Qwen3.5-0.8B on the hub at commit 2fc063642fc0.",
        "gsm8k (openai/gsm8k on the hub at commit e53f0488e53f; 2000 training",
        "gpqa (from data/gpqa_extended.csv; 2000 training",
        "doubles (2000 training",
        "Training starts at almost even grey.",
        "at most 48 new tokens and a presence penalty of 1.",
        "Against lora, ART is",
    ):
        assert words in theirs, words
    assert not re.search(r"\b(tiny|small|laptop|generated|reference models?|corpus|\(none\))\b", theirs)


@pytest.mark.parametrize("settings", [{"kind": "grpo", "kl_weight": 0.01}, {"kind": "supervised"}])
def test_the_objective_is_this_experiments(hub: Path, tmp_path: Path, settings: dict[str, Any]) -> None:
    shutil.copytree(hub, tmp_path / "other")
    path = tmp_path / "other/results/config.json"
    config = parse_config(json.loads(path.read_text()) | {"objective": settings}, "test")
    path.write_text(config.model_dump_json())
    words = said(tmp_path / "other")
    assert ("GRPO maximises" in words) == (settings["kind"] == "grpo")
    assert ("likelihood of the tokens of the problems\u2019 solutions" in words) == (settings["kind"] == "supervised")
    assert "DAPO" not in words


def test_same_inputs_same_bytes_and_other_data_another_paper(folder: Path) -> None:
    pdf, data = folder / "paper/paper.pdf", folder / "results/analysis/accuracy.csv"
    assert typeset(folder).returncode == 0
    first = pdf.read_bytes()
    assert typeset(folder).returncode == 0
    assert pdf.read_bytes() == first and first.startswith(b"%PDF")
    original = data.read_text()
    header, row, *rest = original.splitlines()
    cells = row.split(",")
    cells[header.split(",").index("accuracy")] = "0.123456"
    data.write_text("\n".join([header, ",".join(cells), *rest]) + "\n")
    assert typeset(folder).returncode == 0
    data.write_text(original)
    assert pdf.read_bytes() != first


def test_missing_data_is_named(folder: Path) -> None:
    data = folder / "results/analysis/cost.csv"
    kept = data.read_text()
    data.unlink()
    done = typeset(folder)
    data.write_text(kept)
    assert done.returncode == 1 and "cost.csv" in done.stderr and "Traceback" not in done.stderr


def test_the_source_is_told_the_folders_of_the_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("own").mkdir()
    Path("own/config.json").write_text(parse_config(mapping(results="here/x", paper="there"), "test").model_dump_json())
    Path("own/one.typ").write_text(
        f'#assert.eq(sys.inputs, (results: "{tmp_path}/here/x", paper: "{tmp_path}/there"))\n'
        "#assert.eq(datetime.today().year(), 1970)\nWord"
    )
    compile_paper(Path("own/one.typ"), Path("own/config.json"), Path("made/one.pdf"))
    assert Path("made/one.pdf").read_bytes().startswith(b"%PDF")
    assert [path.name for path in Path("made").iterdir()] == ["one.pdf"]
    with pytest.raises(ConfigError):
        compile_paper(Path("own/one.typ"), Path("own/none.json"), Path("made/two.pdf"))


def test_no_result_is_typed_by_hand() -> None:
    text = (ROOT / "paper/paper.typ").read_text()
    results = text[text.index("\n= Results") : text.index("\n= Statistics")]
    prose = [line for line in results.splitlines() if not re.match(r"\s*(#|let |else|if |for |\})", line)]
    assert prose and not re.search(r"(?<![\w-])\d+(\.\d+)?\s*%|\d\.\d", "\n".join(prose))
