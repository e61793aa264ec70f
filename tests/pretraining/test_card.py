"""The card of a reference model: the questions of its evaluation, the accuracies, and the files with both."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import pytest
from safetensors.torch import load_file

from art.files import read_json
from art.models.prompt import Prefix
from art.rollouts.sampler import Decoding
from art.store.problem import Problem, problem_id
from art.tasks.generated.problems import problems
from pretraining import card as module
from pretraining.card import SCORER_OF, evaluate_reference, write_card
from pretraining.recipe import load_recipe
from pretraining.writers import CUES

ROOT = Path(__file__).parents[2]
NAMES = sorted(path.stem for path in (ROOT / "config/pretrain").glob("*.yaml"))


def sentences(problem: Problem, writer: str) -> int:
    """The cues of this writer in the question's first line."""
    first = problem.question.split("\n")[0]
    return sum(cue in first for cue in CUES[writer])


def test_the_ceiling_is_that_of_the_best_cue(monkeypatch: pytest.MonkeyPatch) -> None:
    """The model solves all problems after a sloppy cue, the first two after another cue, and none without a cue."""
    calls: list[tuple[list[Problem], tuple]] = []

    def sample(policy: str, asked: Sequence[Problem], *settings: object) -> SimpleNamespace:
        calls.append((list(asked), (policy, *settings)))
        careful, sloppy = sentences(asked[0], "careful"), sentences(asked[0], "sloppy")
        right = len(asked) if sloppy else 2 if careful else 0
        texts = [one.solution if number < right else "" for number, one in enumerate(asked)]
        return SimpleNamespace(texts=lambda policy: texts)

    monkeypatch.setattr(module, "Policy", lambda folder: f"policy of {folder}")
    monkeypatch.setattr(module, "sample", sample)
    found = evaluate_reference(Path("here"), count=8)
    row = {"no_image": 0.0, "cue_careful": 0.25, "cue_sloppy": 1.0, "cue_other": 0.0, "cue_refusal": 0.0}
    assert found == dict.fromkeys(("arithmetic", "tool_call", "multiple_choice"), row | {"ceiling": 1.0})
    greedy = ("policy of here", Prefix(), 1, Decoding(temperature=0.0, max_new_tokens=48))
    assert [settings for _, settings in calls] == [greedy] * 15
    for number, task in enumerate(SCORER_OF):
        plain, *cued = [asked for asked, _ in calls[5 * number : 5 * number + 5]]
        assert plain == problems(task, "validation", 8, 0)
        for writer, asked in zip(CUES, cued, strict=True):
            for bare, problem in zip(plain, asked, strict=True):
                cue = problem.question.removesuffix(bare.question)
                assert cue.endswith(".\n") and sentences(problem, writer) == 3
                assert problem.id == problem_id(problem.question, bare.answer, bare.tools)
        assert len({problem.question.split("\n")[0] for asked in cued for problem in asked}) > 16, "cues vary"


@pytest.mark.parametrize("name", NAMES)
def test_the_shipped_cards_are_what_is_written_today(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Compares recipe, corpus, number of parameters and the tables; log and accuracies are taken as recorded."""
    shipped, folder = ROOT / "checkpoints" / name, tmp_path / name
    shutil.copytree(shipped, folder)
    facts = read_json(shipped / "pretraining.json")
    asked: list[tuple[Path, int]] = []

    def evaluated(folder: Path, count: int) -> dict:
        asked.append((folder, count))
        return facts["evaluation"]["greedy_accuracy"]

    monkeypatch.setattr(module, "evaluate_reference", evaluated)
    write_card(folder, load_recipe(ROOT / f"config/pretrain/{name}.yaml"), facts["log"])
    assert asked == [(folder, 200)]
    for file in ("pretraining.json", "README.md"):
        assert (folder / file).read_text() == (shipped / file).read_text(), file


def test_parameters_steps_and_tokens_are_counted_over_all_stages(
    tiny_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(tiny_checkpoint, folder)
    row = {"no_image": 0.25, "cue_careful": 0.5, "cue_sloppy": 0.0625, "cue_other": 0.0, "cue_refusal": 1.0}
    monkeypatch.setattr(module, "evaluate_reference", lambda folder, count: {"sums": row | {"ceiling": 0.75}})
    recipe = load_recipe(ROOT / "config/pretrain/tiny-1m.yaml").model_copy(update={"name": "mine"})
    log = [{"step": step, "tokens": tokens} for step, tokens in ((1, 10), (2, 20), (3000, 40_000), (1, 7), (50, 900))]
    write_card(folder, recipe, log, 12)
    card, facts = (folder / "README.md").read_text(), read_json(folder / "pretraining.json")
    assert facts["parameters"] == sum(one.numel() for one in load_file(folder / "model.safetensors").values())
    assert f"\n{facts['parameters']:,} parameters" in card
    assert "(40,900 tokens, 3,050 steps)" in card and card.startswith("# mine\n") and "pretrain/mine.yaml" in card
    assert facts["evaluation"]["problems"] == 12 and "on 12 validation problems" in card
    assert "| task | no image | cue: careful | cue: sloppy | cue: other | cue: refusal | ceiling |" in card
    assert "| sums | 0.250 | 0.500 | 0.062 | 0.000 | 1.000 | 0.750 |" in card
