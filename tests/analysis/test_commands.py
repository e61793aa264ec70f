"""The commands on a small results tree: columns, values, errors, the same bytes again."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from typer.testing import CliRunner

from analysis.cli import app
from analysis.figures import figure_names
from analysis.load import read_csv
from analysis.statistics import holm
from analysis.tables import TABLES
from art.records import StepRecord, write_json

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
    """A copy that a test may damage."""
    return Path(shutil.copytree(measured, tmp_path / "results"))


@pytest.mark.parametrize("name", COLUMNS)
def test_tidy_files_have_their_columns(measured: Path, name: str) -> None:
    frame = read_csv(measured / "analysis" / f"{name}.csv")
    assert ",".join(frame.columns) == COLUMNS[name]
    assert len(frame) > 0


def test_accuracy_is_the_mean_of_the_items(measured: Path) -> None:
    frame = read_csv(measured / "analysis" / "accuracy.csv").set_index(["method", "decoding"])
    path = measured / "runs/tiny-1m/arithmetic/art/seed0/items.jsonl"
    items = [json.loads(line) for line in path.read_text().splitlines()]
    for decoding in ("greedy", "sampled"):
        expected = np.mean([item["score"] for item in items if item["decoding"] == decoding])
        row = frame.loc[("art", decoding)]
        assert row["accuracy"] == pytest.approx(expected)
        assert row["low"] < expected < row["high"]
        assert row["n"] == 60
    assert frame.loc[("random_image", "greedy"), "seeds"] == 3


def test_comparisons_are_consistent(measured: Path) -> None:
    frame = read_csv(measured / "analysis" / "comparisons.csv")
    assert set(frame["baseline"]) == {"no_image", "lora"}
    assert not ((frame["baseline"] == "lora") & (frame["method"] == "no_image")).any()
    assert np.allclose(frame["only_method"] - frame["only_baseline"], frame["n"] * frame["difference"])
    several = frame["method"].str.startswith("random_")
    assert (frame["p_exact"].isna() == several).all() and frame["p_bootstrap"].notna().all()
    for _, family in frame.groupby(["decoding", "baseline"]):
        assert np.allclose(family["p_holm"], holm(family["p_exact"].fillna(family["p_bootstrap"])))
    art = frame.set_index(["method", "baseline", "decoding"]).loc[("art", "no_image", "greedy")]
    assert art["p_holm"] < 0.001 and art["low"] > 0 and art["p_bootstrap"] < 0.01


def test_growth_and_gain(measured: Path) -> None:
    frame = read_csv(measured / "analysis" / "png.csv")
    assert np.allclose(frame["growth"], frame["bytes"] / frame["start_bytes"])
    assert (frame["raw_bytes"] == 32 * 32 * 3).all()
    assert (frame.loc[frame["role"] == "seed", "growth"] == 1).all()
    accuracy = read_csv(measured / "analysis" / "accuracy.csv").set_index(["method", "decoding"])["accuracy"]
    trained = frame[(frame["method"] == "art") & (frame["encoder"] == "png")].iloc[0]
    assert trained["gain"] == pytest.approx(accuracy["art", "greedy"] - accuracy["no_image", "greedy"])
    artefact = measured / "runs/tiny-1m/arithmetic/art/seed0/artifact/image.png"
    steps = read_csv(measured / "analysis" / "png_steps.csv").query("method == 'art'")
    assert list(steps["step"]) == [0, 3, 6, 9, 12]
    assert steps["growth"].iloc[0] == 1
    assert steps["bytes"].iloc[-1] == trained["bytes"]
    assert Image.open(artefact).size == (32, 32)


def test_distance_keeps_to_the_bound(measured: Path) -> None:
    frame = read_csv(measured / "analysis" / "distance.csv").set_index("method")
    assert pd.isna(frame.loc["art", "max_distance"])
    assert frame.loc["art_bound32", "measured_max"] <= frame.loc["art_bound32", "max_distance"] == 32


def test_cost_ratio_is_of_the_steps_to_the_reference(measured: Path) -> None:
    frame = read_csv(measured / "analysis" / "cost.csv").set_index("method")
    assert frame.loc["lora", "seconds_training"] == pytest.approx(12)  # without start-up and validation
    assert frame.loc["lora", "seconds_total"] == pytest.approx(40)
    assert frame.loc["lora", "ratio_to_reference"] == 1
    assert frame.loc["art", "ratio_to_reference"] == pytest.approx(0.6)
    assert pd.isna(frame.loc["no_image", "ratio_to_reference"])


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


@pytest.mark.parametrize("name", figure_names())
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
    for name in figure_names():
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


def test_a_missing_completion_is_refused(tree: Path) -> None:
    path = tree / "runs/tiny-1m/arithmetic/lora/seed0/items.jsonl"
    path.write_text("\n".join(path.read_text().splitlines()[:-1]) + "\n")
    assert "arithmetic-59 has 1 sampled completions, not 2" in fail("measure", "accuracy", *options(tree, tree / "x"))


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
    assert "png_growth" in fail("figure", "nonsense", *options(tree, tree / "x"))
    assert "accuracy" in fail("measure", "nonsense", *options(tree, tree / "x"))


def test_completions_and_updates_are_counted(measured: Path) -> None:
    frame = read_csv(measured / "analysis" / "cost.csv").set_index("method")
    assert (frame.loc[["art", "lora", "soft_prompt"], "completions"] == 12 * 16 * 8).all()
    assert frame.loc["art", "updates"] == 12 * 4 and frame.loc["no_image", "completions"] == 0
