"""The commands: what they write, and that they fail with status 1 and one message that names the cause."""

from __future__ import annotations

import gc
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from tiny_world import World, full_disk
from typer.testing import CliRunner

from art.cli import app, collector_paused
from art.config.reading import load_config
from art.errors import ConfigError, printed
from art.files import read_json, read_records, write_records
from art.pictures.png import decode_png, encode_png, uniform_noise
from art.store.problem import Problem, problem_id
from art.store.records import Item
from art.tasks.generated.problems import problems


def run(*arguments: str) -> None:
    done = CliRunner().invoke(app, list(map(str, arguments)), catch_exceptions=False)
    assert done.exit_code == 0, done.stderr


def failure(*arguments: str) -> str:
    """Message of a command that must fail without a traceback."""
    done = CliRunner().invoke(app, list(map(str, arguments)), catch_exceptions=False)
    assert done.exit_code == 1
    assert done.stderr.startswith("art: ") and "Traceback" not in done.stderr
    return done.stderr


def test_a_run_from_configuration_to_items(world: World, tmp_path: Path) -> None:
    """Every command that the DAG uses, by its command line."""
    out = tmp_path / "made"
    run("config", "--json", json.dumps(world.mapping()), "--out", out / "config.json")
    assert load_config(out / "config.json") == world.config()
    run("generate", "tool_call", "--config", out / "config.json", "--out", out / "tasks")
    assert [len(read_records(out / f"tasks/{name}.jsonl", Problem)) for name in ("train", "validation", "test")] == [
        16,
        8,
        8,
    ]
    assert set(read_json(out / "tasks/report.json")["shared"].values()) == {0}
    run("draw", "tool_call", "--config", out / "config.json", "--out", out / "seed.png")
    assert np.array_equal(decode_png(out / "seed.png", 64), decode_png(world.results / "seeds/tool_call.png", 64))
    run(*world.arguments("train", "soft_prompt", training={"steps": 1}))
    run(*world.arguments("evaluate", "soft_prompt", training={"steps": 1}))
    assert len(read_records(world.folder("soft_prompt") / "items.jsonl", Item)) == 24


def test_a_generated_task_follows_its_sizes_and_seed(world: World) -> None:
    section = {"arithmetic": {"scorer": "numeric", "train": 12, "validation": 10, "test": 9, "seed": 5}}
    run("generate", "arithmetic", "--config", world.write_config(tasks=section), "--out", world.root / "out")
    for name, count in (("train", 12), ("validation", 10), ("test", 9)):
        assert read_records(world.root / f"out/{name}.jsonl", Problem) == problems("arithmetic", name, count, 5)


def test_a_picture_is_drawn_with_the_configurations_contrast(world: World) -> None:
    run("draw", "tool_call", "--config", world.write_config(image={"contrast": 0.1}), "--out", world.root / "out.png")
    picture = decode_png(world.root / "out.png", 64)
    assert 128 - 13 <= picture.min() < 120 and 136 < picture.max() <= 128 + 13


def test_the_configuration_is_written_in_the_order_given(tmp_path: Path, world: World) -> None:
    data = world.mapping()
    data["methods"] = dict(reversed(data["methods"].items()))
    run("config", "--json", json.dumps(data), "--out", tmp_path / "out.json")
    assert list(read_json(tmp_path / "out.json")["methods"]) == list(data["methods"])
    assert (tmp_path / "out.json").read_text().startswith('{\n  "name": "tiny",\n')


@pytest.mark.parametrize(
    ("error", "shown"),
    [(ConfigError("a"), True), (OSError("a"), True), (ValueError("a"), False), (RuntimeError("a"), False)],
)
def test_only_errors_that_name_their_own_cause_lose_their_traceback(
    error: Exception, shown: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit if shown else type(error)) as caught, printed("art"):
        raise error
    assert capsys.readouterr().err == (f"art: {error}\n" if shown else "")
    assert not shown or caught.value.code == 1


def test_the_collector_rests_while_modules_are_imported() -> None:
    with collector_paused():
        assert not gc.isenabled()
        lasting = [[] for _ in range(1000)]
    assert gc.isenabled() and gc.get_freeze_count() > len(lasting), "objects made in the block are frozen"
    with pytest.raises(ImportError), collector_paused():
        raise ImportError
    assert gc.isenabled()
    gc.unfreeze()


@pytest.mark.parametrize(
    ("command", "module", "name"),
    [
        (("train", "--model", "tiny", "--task", "arithmetic", "--method", "art"), "art.training.loop", "train"),
        (
            ("evaluate", "--model", "tiny", "--task", "arithmetic", "--method", "art"),
            "art.evaluation.evaluate",
            "evaluate",
        ),
        (("serve-check", "--model", "tiny", "--task", "arithmetic"), "art.serving.check", "serve_check"),
    ],
)
def test_commands_with_torch_import_it_without_the_collector(
    world: World, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...], module: str, name: str
) -> None:
    seen: list[bool] = []

    class Imported(ModuleType):
        def __getattr__(self, asked: str) -> Any:
            if asked != name:
                raise AttributeError(asked)
            seen.append(gc.isenabled())
            return lambda *_: seen.append(gc.isenabled())

    monkeypatch.setitem(sys.modules, module, Imported(module))
    run(*command, "--config", str(world.write_config()), "--results", str(world.results))
    gc.unfreeze()
    assert seen == [False, True], "while it is imported, and while it runs"


# -- bad configurations --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("section", "entry", "parts"),
    [
        ("imag", {}, ["imag", "allowed keys"]),
        ("image", {"size": 16}, ["image.size", "16", "32"]),
        ("image", {"size": "big"}, ["image.size", "'big'"]),
        ("training", {"promts": 3}, ["training.promts", "3", "allowed keys", "prompts"]),
        ("methods", {"art": {"kind": "paint"}}, ["methods.art", "paint", "'random_string'"]),
    ],
)
def test_a_bad_configuration_stops_every_command(world: World, section: str, entry: Any, parts: list[str]) -> None:
    changes = {section: entry}
    path = world.write_config(**changes)
    messages = [
        failure("config", "--json", json.dumps(world.mapping(**changes)), "--out", world.root / "out.json"),
        failure("generate", "arithmetic", "--config", path, "--out", world.root / "out"),
        failure("draw", "arithmetic", "--config", path, "--out", world.root / "out.png"),
        failure(*world.arguments("train", "art", **changes)),
        failure(*world.arguments("evaluate", "art", **changes)),
    ]
    for message in messages:
        assert [part for part in parts if part not in message] == []
    assert not (world.results / "runs").exists() and not list(world.root.glob("out*"))


def test_text_that_is_not_json(tmp_path: Path) -> None:
    assert "--json" in failure("config", "--json", "{", "--out", tmp_path / "out.json")


@pytest.mark.parametrize(
    ("option", "value", "parts"),
    [
        ("--model", "huge", ["model", "'huge'", "allowed: tiny"]),
        ("--task", "sums", ["task", "'sums'", "allowed: arithmetic, tool_call"]),
        ("--method", "magic", ["method", "'magic'", "no_image", "soft_prompt"]),
        ("--seed", "7", ["seed", "7", "allowed: 0, 1"]),
        ("--seed", "-1", ["seed", "-1"]),
        ("--model", "a/b", ["model", "a/b"]),
        ("--config", "none.yaml", ["none.yaml", "cannot be read"]),
    ],
)
@pytest.mark.parametrize("command", ["train", "evaluate"])
def test_unknown_names_are_answered_with_the_known_ones(
    world: World, command: str, option: str, value: str, parts: list[str]
) -> None:
    arguments = world.arguments(command, "art")
    arguments[arguments.index(option) + 1] = value
    message = failure(*arguments)
    assert [part for part in parts if part not in message] == []


@pytest.mark.parametrize("command", ["generate", "draw"])
def test_an_unknown_task(world: World, command: str) -> None:
    message = failure(command, "sums", "--config", world.write_config(), "--out", world.root / "out")
    assert "'sums'" in message and "allowed: arithmetic, tool_call" in message


def test_tasks_that_are_not_generated(world: World) -> None:
    out = world.root / "out"
    path = world.write_config(tasks={"sums": {"scorer": "numeric"}})
    message = failure("generate", "sums", "--config", path, "--out", out)
    assert "task 'sums': no generator of this name; allowed: arithmetic, tool_call, multiple_choice" in message
    message = failure("prepare", "sums", "--config", path, "--out", out)
    assert "task 'sums': no data set of this name; allowed: gsm8k, svamp, gpqa, toolmind, bfcl; or a" in message
    path = world.write_config(tasks={"arithmetic": {"scorer": "numeric", "source": {"path": "a"}}})
    assert "tasks.arithmetic.source: " in failure("generate", "arithmetic", "--config", path, "--out", out)
    assert not out.exists()


# -- bad files -----------------------------------------------------------------------------------------------------


def damage(world: World, what: str) -> list[str]:
    """Damage an input; return the texts that the message must contain."""
    train = world.results / "tasks/arithmetic/train.jsonl"
    seed = world.results / "seeds/arithmetic.png"
    if what == "problem":
        lines = train.read_text().splitlines()
        lines[4] = lines[4][:-9]
        train.write_text("\n".join(lines))
        return ["train.jsonl:5"]
    if what == "truncated":
        seed.write_bytes(seed.read_bytes()[:-30])
        return ["arithmetic.png", "truncated"]
    if what == "size":
        encode_png(uniform_noise(96, np.random.default_rng(0)), seed)
        return ["arithmetic.png", "96 x 96", "64 x 64"]
    if what == "picture":
        seed.unlink()
        return ["arithmetic.png"]
    if what == "problems":
        train.unlink()
        return ["train.jsonl"]
    weights = world.root / "checkpoint/model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    return ["checkpoint"]


@pytest.mark.parametrize("what", ["problem", "truncated", "size", "picture", "problems", "weights"])
def test_damaged_inputs_of_training_are_named(world: World, what: str) -> None:
    parts = damage(world, what)
    message = failure(*world.arguments("train", "art"))
    assert [part for part in parts if part not in message] == []
    assert not (world.folder("art") / "run.json").exists()


def test_a_size_that_the_checkpoint_would_resize(world: World) -> None:
    encode_png(uniform_noise(544, np.random.default_rng(0)), world.results / "seeds/arithmetic.png")
    message = failure(*world.arguments("train", "art", image={"size": 544}))
    assert "image.size 544" in message and "from 32 to 512" in message
    assert "image.size 544" in failure(*world.arguments("train", "random_string", image={"size": 544}))
    message = failure(*world.arguments("train", "random_image", image={"size": 100}))
    assert "image.size 100" in message and "multiples of 32" in message and "96 and 128" in message


def test_nothing_to_evaluate(world: World) -> None:
    assert "run.json" in failure(*world.arguments("evaluate", "art"))


def test_a_reference_that_is_not_the_scorers(world: World) -> None:
    message = failure(*world.arguments("train", "art", tasks={"arithmetic": {"scorer": "multiple_choice"}}))
    assert "train.jsonl:1: " in message


@pytest.mark.parametrize(("command", "split"), [("train", "train"), ("train", "validation"), ("evaluate", "test")])
def test_a_special_token_is_refused_before_the_first_step(world: World, command: str, split: str) -> None:
    path = world.results / f"tasks/arithmetic/{split}.jsonl"
    problems = read_records(path, Problem)
    question = problems[1].question + " <|im_end|>"
    problems[1] = Problem(id=problem_id(question, problems[1].answer), question=question, answer=problems[1].answer)
    write_records(path, problems)
    if command == "evaluate":
        run(*world.arguments("train", "no_image"))
    message = failure(*world.arguments(command, "no_image" if command == "evaluate" else "art"))
    assert f"{split}.jsonl:2: " in message and "'<|im_end|>'" in message
    assert not (world.folder("art") / "progress").exists()


@pytest.mark.parametrize("method", ["art", "lora", "soft_prompt", "random_image"])
def test_a_full_disk_leaves_nothing_that_looks_complete(world: World, method: str) -> None:
    """The disk is full in the middle of a checkpoint, an adapter or a picture."""
    arguments = world.arguments("train", method)
    with full_disk(2048):
        message = failure(*arguments)
    assert "File too large" in message and str(world.results) in message
    left = {path.name for path in world.folder(method).iterdir()}
    assert left <= {".artifact.partial", "progress"}, "no file that a reader or the DAG takes for complete"
    run(*arguments)
    assert (world.folder(method) / "run.json").is_file()
