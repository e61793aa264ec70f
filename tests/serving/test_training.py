"""Training, evaluation and the serving check with the real vLLM, and the kill of a real server."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from serving_world import ServingWorld

from analysis import serving as measures
from analysis.load import Experiment
from art.config.reading import parse_config
from art.evaluation.evaluate import evaluate
from art.files import read_json, read_records
from art.methods.controls import make_control
from art.models.device import wait_for_gpu
from art.pictures.png import decode_png
from art.serving.check import serve_check
from art.store.clock import Clock
from art.store.records import Item, RunRecord, StepRecord
from art.store.workspace import Workspace
from art.training.loop import Trainer, TrainingError, train
from art.training.session import opened

VLLM = {"engine": {"kind": "vllm"}}
SERVER = {"engine": {"kind": "server"}}


def steps(world: ServingWorld, method: str) -> list[StepRecord]:
    return read_records(world.folder(method) / "train.jsonl", StepRecord)


def test_two_passes_train_and_evaluate(serving_world: ServingWorld) -> None:
    """vLLM samples, and the frozen policy computes the gradient; the artifact is the usual one."""
    config, key = serving_world.config(**VLLM), serving_world.key("art")
    train(config, key, serving_world.results)
    evaluate(config, key, serving_world.results)
    log = steps(serving_world, "art")
    assert [step.step for step in log] == [0, 1, 2]
    for step in log[1:]:
        assert 0 < step.gap_mean < 0.02 and step.gap_mean <= step.gap_max
        assert 0.95 < step.effective_share <= 1
        assert {"rollout", "correction", "forward", "backward"} <= step.seconds.keys()
        assert "weight_sync" not in step.seconds
    start, made = (
        decode_png(path, 128)
        for path in (serving_world.results / "seeds/arithmetic.png", serving_world.folder("art") / "artifact/image.png")
    )
    assert (start != made).any()
    for name in ("run", "evaluation"):
        record = RunRecord.model_validate(read_json(serving_world.folder("art") / f"{name}.json"))
        assert record.engine.startswith("vllm 0.")
    assert len(read_records(serving_world.folder("art") / "items.jsonl", Item)) == 48


def gone(group: int, seconds: float = 10.0) -> bool:
    """Whether all processes of a group end; waits a while for them."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.1)
    return False


def test_a_killed_server_ends_the_run_and_the_next_one_goes_on(serving_world: ServingWorld) -> None:
    """kill -9 of the server in the middle of step 2; LoRA's adapter must be loaded into the new server."""
    config, key = serving_world.config(**SERVER), serving_world.key("lora")
    with opened(Workspace(config, key, serving_world.results), Clock(wait_for_gpu)) as session:
        trainer, server, load = Trainer(session), session.engine._child, session.engine.load_adapter

        def kill_before_the_second_step(folder) -> None:
            load(folder)
            if len(trainer.log) == 2:  # the state before the first step, and step 1
                os.kill(server.process.pid, signal.SIGKILL)
                server.process.wait()

        session.engine.load_adapter = kill_before_the_second_step
        with pytest.raises(TrainingError) as stopped:
            trainer.run()
    assert gone(server.process.pid), "its engine core and workers have ended as well"
    said = str(stopped.value)
    assert "step 2" in said and "cannot be reached" in said and "exit status -9" in said and "state.safetensors" in said
    assert (serving_world.folder("lora") / "progress/state.safetensors").exists()
    assert not (serving_world.folder("lora") / "run.json").exists()
    train(config, key, serving_world.results)
    log = steps(serving_world, "lora")
    assert [step.step for step in log] == [0, 1, 2]
    assert log[2].seconds["weight_sync"] > 0 and all(step.gap_mean < 0.05 for step in log[1:])


HOLDS = """
import sys
from pathlib import Path
from serving_world import CHECKPOINT
from art.config.sections import EngineSection, ModelSection
from art.models.policy import Policy
from art.rollouts.engines import EngineContext, open_engine

model = ModelSection(path=str(CHECKPOINT), device="cpu")
engine = open_engine(EngineContext(model, Policy(CHECKPOINT), EngineSection(kind="vllm"), None, 0, Path("nowhere")))
print("ready", *(process.pid for process in engine._processes), flush=True)
sys.stdin.read()
"""


def test_the_processes_of_vllm_end_with_ours() -> None:
    """kill -9 of a process that holds an engine leaves neither its core nor its workers."""
    import psutil

    folders = os.pathsep.join([*sys.path, str(Path(__file__).parent)])
    words, environment = [sys.executable, "-c", HOLDS], {**os.environ, "PYTHONPATH": folders}
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment) as holder:
        said = next(line for line in holder.stdout if line.startswith("ready"))
        theirs = [psutil.Process(int(number)) for number in said.split()[1:]]
        assert len(theirs) >= 2, "a core and a worker"
        holder.kill()
        left = psutil.wait_procs(theirs, timeout=10)[1]
        for process in left:
            process.kill()
        assert not [process for process in left if process.status() != psutil.STATUS_ZOMBIE]


def test_every_artifact_is_served(serving_world: ServingWorld) -> None:
    """The check of all methods, and the numbers that the tables take from it."""
    data = serving_world.mapping()
    data["serving"] = {"problems": 48, "variants": [1, 2], "requests": 6, "concurrency": 4, "repeats": 2}
    data["tasks"] = {"arithmetic": data["tasks"]["arithmetic"]}
    config = parse_config(data, "test")
    results = serving_world.results
    for method in ("no_image", "art", "lora", "soft_prompt"):
        key = serving_world.key(method)
        made = make_control if method == "no_image" else train
        made(config, key, results)
        evaluate(config, key, results)
    serve_check(config, "tiny", "arithmetic", results)
    served = measures.served(Experiment(config, results)).set_index("method")
    assert list(served.index) == ["no_image", "art", "lora", "soft_prompt"] and set(served["n"]) == {48}
    assert (served["text_differs"] < 0.5).all()
    load = measures.serving_load(Experiment(config, results))
    conditions = list(zip(load["kind"], load["variants"], strict=True))
    assert conditions == [("no_image", 0), ("image", 1), ("image", 2), ("adapter", 1), ("adapter", 2)]
    assert set(load["repeats"]) == {2} and set(load["completion_tokens"]) == {6 * 36}
    picture = load.set_index("kind")["prompt_tokens"]
    assert np.unique(picture["image"] - picture["no_image"]) == [6 * (16 + 2)], (
        "16 visual tokens and two marks a request"
    )
    gap = measures.gap(Experiment(config, results))
    assert (gap["tokens"] > 1000).all() and (gap["mean"] < 0.03).all()
    assert isinstance(gap, pd.DataFrame) and torch.get_num_threads() == 1
