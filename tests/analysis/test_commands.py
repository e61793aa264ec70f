"""Tests the commands on a small results tree: columns, values, errors, the same bytes when repeated."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from runpy import run_module
from types import ModuleType

import pandas as pd
import pytest
from typer.testing import CliRunner

from analysis.cli import app
from analysis.load import read_csv
from analysis.registry import FIGURES, TABLES
from art.files import write_json
from art.store.records import StepRecord

STEP = [name for name in StepRecord.model_fields if name not in ("seconds", "detail")]
COLUMNS = {
    "accuracy": "model,task,method,kind,decoding,seeds,n,accuracy,low,high,low_bca,high_bca",
    "comparisons": "model,task,decoding,method,baseline,n,difference,low,high,p_exact,p_bootstrap,p_holm,"
    "only_method,only_baseline,mde",
    "png": "model,task,method,seed,role,encoder,bytes,start_bytes,raw_bytes,ratio,growth,accuracy,gain",
    "png_steps": "model,task,method,seed,step,bytes,growth,ratio",
    "learning": ",".join(("model,task,method,kind,seed", *STEP, "seconds_rollout,seconds_forward,seconds_backward"))
    + ",seconds_validation,detail_distance_max",
    "cost": "model,task,method,kind,seed,trained_numbers,prefix_tokens,steps,updates,completions,prompt_tokens,"
    "completion_tokens,seconds_total,seconds_training,seconds_backward,seconds_forward,seconds_rollout,peak_memory_bytes,"
    "ratio_to_reference",
    "distance": "model,task,method,seed,max_distance,measured_max,measured_mean,psnr,accuracy,low,high",
    "versions": "name,value,runs",
}


def run(*arguments: str | Path) -> str:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output
    return result.output


def fail(*arguments: str | Path) -> str:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code != 0
    return " ".join(result.output.split())


def options(root: Path, out: Path) -> tuple[str | Path, ...]:
    return ("--config", root / "config.json", "--results", root, "--out", out)


@pytest.fixture(scope="module")
def measured(fake: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("results")
    fake.write_results(root, fake.mapping())
    run("measure", *options(root, root / "analysis"))
    return root


@pytest.fixture
def tree(measured: Path, tmp_path: Path) -> Path:
    """A copy of the results that a test may damage."""
    return Path(shutil.copytree(measured, tmp_path / "results"))


@pytest.mark.parametrize("name", COLUMNS)
def test_tidy_files_have_their_columns(measured: Path, name: str) -> None:
    frame = read_csv(measured / "analysis" / f"{name}.csv")
    assert ",".join(frame.columns) == COLUMNS[name]
    assert len(frame) > 0


def test_one_file_alone_is_the_same_as_all_together(measured: Path, tmp_path: Path) -> None:
    run("measure", "comparisons", "png", *options(measured, tmp_path))
    for name in ("comparisons", "png"):
        assert (tmp_path / f"{name}.csv").read_bytes() == (measured / "analysis" / f"{name}.csv").read_bytes()


def test_a_further_task_leaves_other_intervals_alone(fake: ModuleType, measured: Path, tmp_path: Path) -> None:
    tasks = {"arithmetic": {"scorer": "numeric"}, "tools": {"scorer": "tool_call"}}
    fake.write_results(tmp_path, fake.mapping(tasks=tasks))
    run("measure", "accuracy", *options(tmp_path, tmp_path / "analysis"))
    both = read_csv(tmp_path / "analysis/accuracy.csv")
    pd.testing.assert_frame_equal(
        both[both["task"] == "arithmetic"].reset_index(drop=True), read_csv(measured / "analysis/accuracy.csv")
    )


def test_tables_in_three_formats_and_again_the_same(measured: Path, tmp_path: Path) -> None:
    for folder in ("one", "two"):
        run("tables", *options(measured, tmp_path / folder))
    for name in TABLES:
        for suffix in ("csv", "tex", "md"):
            one, two = ((tmp_path / folder / f"{name}.{suffix}").read_bytes() for folder in ("one", "two"))
            assert one == two and one
    table = pd.read_csv(tmp_path / "one/accuracy.csv")
    assert list(table.columns) == ["Model", "Method", "Seeds", "arithmetic, % (n = 60)"]
    assert list(table["Method"][:3]) == ["ART", "ART bound32", "LoRA"]
    latex = (tmp_path / "one/comparisons_baseline.tex").read_text()
    assert r"$<$0.001" in latex and latex.startswith(r"\begin{tabular}{lllllllllll}")
    assert "| ART | 0.1 | 0.9, 0.95 |" in (tmp_path / "one/hyperparameters.md").read_text()


@pytest.mark.parametrize("name", FIGURES)
def test_figures_have_the_same_bytes_again(measured: Path, tmp_path: Path, name: str) -> None:
    for folder in ("one", "two"):
        run("figure", name, *options(measured, tmp_path / folder))
    for suffix in ("pdf", "png"):
        one, two = ((tmp_path / folder / f"{name}.{suffix}").read_bytes() for folder in ("one", "two"))
        assert one == two


def test_figures_and_tables_of_several_seeds_and_of_controls_alone(fake: ModuleType, tmp_path: Path) -> None:
    several, controls = tmp_path / "several", tmp_path / "controls"
    fake.write_results(several, fake.mapping(seeds=[0, 1]), items=20)
    untrained = {"no_image": {"kind": "no_image"}, "random_image": {"kind": "random_image", "draws": 2}}
    plain = {"baseline": "no_image", "reference": "random_image", "resamples": 100}
    data = fake.mapping(methods=untrained, analysis=plain, evaluation={"samples": 0})
    fake.write_results(controls, data, items=20)
    for root in (several, controls):
        run("measure", *options(root, root / "analysis"))
        run("tables", *options(root, root / "tables"))
    for name in FIGURES:
        run("figure", name, *options(controls, controls / "figures"))
    run("figure", "learning", *options(several, several / "figures"))
    assert (read_csv(several / "analysis/accuracy.csv").query("method == 'art'")["seeds"] == 2).all()


def test_other_items_are_refused_with_both_files(tree: Path) -> None:
    path = tree / "runs/tiny-1m/arithmetic/lora/seed0/items.jsonl"
    lines = path.read_text().splitlines()
    path.write_text("\n".join(line.replace("arithmetic-7", "other-7") for line in lines) + "\n")
    message = fail("measure", "accuracy", *options(tree, tree / "again"))
    assert "lora/seed0/items.jsonl" in message and "art/seed0/items.jsonl" in message
    assert not (tree / "again").exists()


def test_a_malformed_line_is_named(tree: Path) -> None:
    path = tree / "runs/tiny-1m/arithmetic/lora/seed0/items.jsonl"
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines[:2], '{"id": 3', *lines[3:]]) + "\n")
    assert "lora/seed0/items.jsonl:3" in fail("measure", "accuracy", *options(tree, tree / "x"))


def test_a_record_of_another_run_is_refused(tree: Path) -> None:
    path = tree / "runs/tiny-1m/arithmetic/lora/seed0/run.json"
    write_json(path, json.loads(path.read_text()) | {"seed": 5})
    assert "lora/seed0/run.json: belongs to" in fail("measure", "cost", *options(tree, tree / "x"))


@pytest.mark.parametrize(
    ("section", "change", "what", "file"),
    [
        ("training", {"steps": 13}, "learning", "run.json"),
        ("training", {"steps": 13}, "png_steps", "run.json"),
        ("training", {"steps": 13}, "accuracy", "evaluation.json"),
        ("evaluation", {"temperature": 0.5}, "comparisons", "evaluation.json"),
    ],
)
def test_results_of_other_settings_are_refused(
    tree: Path, section: str, change: dict[str, object], what: str, file: str
) -> None:
    config = json.loads((tree / "config.json").read_text())
    config[section] |= change
    write_json(tree / "config.json", config)
    message = fail("measure", what, *options(tree, tree / "x"))
    assert f"runs/tiny-1m/arithmetic/art/seed0: {file} was made with other settings" in message and "rerun" in message
    assert not (tree / "x").exists()


def test_a_truncated_picture_is_named(tree: Path) -> None:
    path = tree / "runs/tiny-1m/arithmetic/art/seed0/artifact/image.png"
    path.write_bytes(path.read_bytes()[:-30])
    message = fail("measure", "png", *options(tree, tree / "x"))
    assert "art/seed0/artifact/image.png" in message and "truncated" in message


def test_unknown_names_list_the_allowed_ones(tree: Path) -> None:
    out = options(tree, tree / "x")
    assert "png_growth" in fail("figure", "nonsense", *out)
    assert "unknown 'nonsense'; allowed: accuracy, comparisons" in fail("measure", "cost", "nonsense", *out)
    assert "unknown 'nonsense'; allowed: accuracy" in fail("tables", "accuracy", "nonsense", *out)


@pytest.mark.parametrize(
    ("missing", "command"),
    [
        ("config.json", ("measure", "versions")),
        ("config.json", ("tables", "cost")),
        ("config.json", ("figure", "cost")),
        ("config.json", ("search",)),
        ("analysis/cost.csv", ("tables", "cost")),
        ("analysis/cost.csv", ("figure", "cost")),
        ("runs/tiny-1m/arithmetic/art/seed0/run.json", ("search",)),
        ("seeds/arithmetic.png", ("measure", "png")),
    ],
)
def test_a_missing_input_is_one_line_and_status_1(tree: Path, missing: str, command: tuple[str, ...]) -> None:
    (tree / missing).unlink()
    result = CliRunner().invoke(app, [*command, *(str(option) for option in options(tree, tree / "x"))])
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith(f"analysis: {tree / missing}: cannot be read") and result.stderr.count("\n") == 1


def test_a_fault_of_the_program_keeps_its_traceback(measured: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fault(*_: object) -> None:
        raise ValueError("of the program")

    monkeypatch.setattr("analysis.measures.versions", fault)
    result = CliRunner().invoke(app, ["measure", "versions", "--config", str(measured / "config.json")])
    assert isinstance(result.exception, ValueError) and str(result.exception) == "of the program"


def test_the_module_runs_under_its_own_name(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["x", "--help"])
    with pytest.raises(SystemExit) as done:
        run_module("analysis", run_name="__main__")
    assert done.value.code == 0 and "Usage: python -m analysis" in capsys.readouterr().out


def test_completions_and_updates_are_counted(measured: Path) -> None:
    frame = read_csv(measured / "analysis" / "cost.csv").set_index("method")
    assert (frame.loc[["art", "lora", "soft_prompt"], "completions"] == 12 * 16 * 8).all()
    assert frame.loc["art", "updates"] == 12 * 4 and frame.loc["no_image", "completions"] == 0
