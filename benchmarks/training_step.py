"""Measures step time and peak memory of one trained method at a configuration's sizes, with random weights.

``for method in art lora soft_prompt; do python -m benchmarks.training_step qwen3.5-0.8b $method; done``

The steps are those of ``art.training.loop`` (rollout, reward, forward, backward, optimiser), by default at the sizes of
config/paper.yaml.  Every completion has the full length and no group is dropped, so the result is an upper bound on the
time of a step.  Each process measures one method, because the peak memory of a process does not go down.  The result is
a JSON file, from which a dry run of the workflow estimates hours (``art.config.estimate``).
"""

from __future__ import annotations

import itertools
import re
import statistics
import tempfile
from pathlib import Path
from typing import Annotated, Any

import torch
import typer

from art.config.estimate import MEASURED, sizes
from art.config.experiment import Config, RunKey
from art.config.reading import load_config, parse_config
from art.files import write_json, write_records
from art.models.device import machine_of, wait_for_gpu
from art.pictures.png import encode_png, reduce_contrast
from art.pictures.seeds import draw
from art.scoring.judgement import Judgement
from art.store.clock import Clock
from art.store.problem import Problem, problem_id
from art.store.run_record import versions
from art.store.workspace import Workspace
from art.training.loop import Trainer
from art.training.session import opened
from benchmarks.checkpoint import write_checkpoint

WARM_UP = 1
TASK, ENDLESS = "gsm8k", 10**6


class Alternating:
    """A scorer that judges every second completion as correct, so that no group has equal rewards."""

    def __init__(self) -> None:
        self.turn = itertools.cycle((0, 1))

    def judge(self, completion: str, problem: Problem) -> Judgement:
        score = next(self.turn)
        return Judgement(None, score, float(score))


def measure(settings: Config, name: str, method: str, scale: int, question: int, repeats: int) -> dict[str, Any]:
    """Run the steps and return the record to write.

    Args:
        settings: the configuration; the sections image, objective, training and that of the method matter.
        name, scale: the model and the divisor of its dimensions, see ``write_checkpoint``.
        question: length of every question in tokens.
        repeats: number of measured steps, after one step of warm-up.
    """
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        config = _experiment(settings, method, write_checkpoint(name, root / "checkpoint", scale))
        _write_inputs(root, config, question)
        key = RunKey(model="model", task=TASK, method=method, seed=0)
        with opened(Workspace(config, key, root), Clock(wait_for_gpu)) as session:
            session.scorer = Alternating()
            trainer = Trainer(session)
            trainer.policy.forbidden[trainer.policy.end_tokens] = -torch.inf
            for step in range(WARM_UP + repeats):
                if step == WARM_UP and torch.cuda.is_available():
                    torch.cuda.reset_peak_memory_stats()
                trainer.step(step)
            machine = machine_of(trainer.policy.device)
    steps = [record.seconds or {} for record in trainer.log[WARM_UP:]]
    last = trainer.log[-1]
    return {
        "model": name,
        "scale": scale,
        "method": settings.methods[method].model_dump(mode="json", exclude={"models", "tasks"}),
        "sizes": sizes(settings),
        "visual_tokens": trainer.policy.preprocessor.tokens(settings.image.size),
        "prompt_tokens": (last.prompt_tokens or 0) / settings.training.prompts,
        "completion_tokens": last.completion_tokens,
        "updates": last.updates,
        "trained_numbers": trainer.method.count_parameters(),
        "device": machine.device,
        "dtype": str(trainer.policy.model.dtype).removeprefix("torch."),
        "versions": versions() | {"cuda": torch.version.cuda},
        "steps": steps,
        "seconds": {phase: statistics.median(step[phase] for step in steps) for phase in steps[0]},
        "step_seconds": statistics.median(sum(step.values()) for step in steps),
        "peak_memory_bytes": machine.peak_memory_bytes,
    }


def _experiment(settings: Config, method: str, checkpoint: Path) -> Config:
    """The configuration with one model, task and method; its training neither validates nor stores anything."""
    data = settings.model_dump(mode="json")
    data |= {
        "seeds": [0],
        "models": {"model": {"path": str(checkpoint)}},
        "tasks": {TASK: {"scorer": "numeric"}},
        "methods": {method: data["methods"][method] | {"models": None, "tasks": None}},
        "analysis": {"baseline": method, "reference": method},
    }
    data["training"] |= {"steps": ENDLESS, "validate_every": ENDLESS}
    return parse_config(data, "benchmark")


def _write_inputs(root: Path, config: Config, question: int) -> None:
    # Each digit is one token.
    texts = [f"{number:0{question}d}" for number in range(config.training.prompts)]
    problems = [Problem(id=problem_id(text, "1"), question=text, answer="1") for text in texts]
    for split in ("train", "validation"):
        write_records(root / "tasks" / TASK / f"{split}.jsonl", problems)
    picture = reduce_contrast(draw(TASK, config.image.size), config.image.contrast)
    encode_png(picture, root / "seeds" / f"{TASK}.png")


def main(
    model: Annotated[str, typer.Argument(help="qwen3.5-0.8b or qwen3.5-2b")],
    method: Annotated[str, typer.Argument(help="a trained method of the configuration")],
    config: Annotated[Path, typer.Option(help="configuration with the sizes and settings")] = Path("config/paper.yaml"),
    scale: Annotated[int, typer.Option(help="divisor of the model's dimensions, for a trial")] = 1,
    question: Annotated[int, typer.Option(help="tokens per question")] = 128,
    repeats: Annotated[int, typer.Option(min=1, help="number of measured steps")] = 3,
    out: Annotated[Path, typer.Option(help="folder for the JSON file")] = MEASURED,
) -> None:
    """Measure, and write OUT/DEVICE_MODEL_METHOD.json."""
    found = measure(load_config(config), model, method, scale, question, repeats)
    part = "" if scale == 1 else f"-1of{scale}"
    device = re.sub(r"\W+", "-", found["device"]).strip("-").lower()
    name = f"{device}_{model}{part}_{method}.json"
    write_json(out / name, found)
    print(f"{out / name}: {found['step_seconds']:.2f} s a step, {found['peak_memory_bytes'] / 2**30:.1f} GiB")


if __name__ == "__main__":
    typer.run(main)
