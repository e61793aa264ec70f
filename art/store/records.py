"""Schemas of what a run, an evaluation and a serving check write."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from art.files import Record
from art.store.problem import VeiledRecord


class Item(VeiledRecord):
    """One line of ``items.jsonl``: one completion of one test problem."""

    id: str
    decoding: Literal["greedy", "sampled"]
    sample: int = Field(ge=0, description="0 for greedy; the sample's number otherwise")
    completion: str
    extracted: str | None = Field(None, description="the answer as the scorer read it; null when there is none")
    score: int = Field(ge=0, le=1)
    tokens: int = Field(ge=0, description="completion tokens, end token included")


class Mismatch(Record):
    """Log-probability mismatch between an engine and the policy, over sampled tokens."""

    tokens: int
    mean: float = Field(description="mean absolute difference, nats per token")
    maximum: float
    effective: float = Field(description="effective sample size of the importance weights, as a share of the tokens")

    def step_fields(self) -> dict[str, float]:
        """The same numbers, as fields of a ``StepRecord``."""
        return {
            "gap_tokens": self.tokens,
            "gap_mean": self.mean,
            "gap_max": self.maximum,
            "effective_share": self.effective,
        }


class StepRecord(Record):
    """One line of ``train.jsonl``: one optimisation step (or the state before the first, step 0)."""

    step: int = Field(ge=0)
    reward: float | None = Field(None, description="mean training reward of the sampled completions")
    accuracy: float | None = Field(None, description="share of sampled completions that score 1")
    updates: int | None = Field(
        None, description="optimiser updates of the step; loss, gradient_norm and ratio_clipped are means over them"
    )
    loss: float | None = None
    gradient_norm: float | None = None
    ratio_clipped: float | None = Field(None, description="share of tokens whose ratio was clipped")
    entropy: float | None = Field(None, description="mean negative log-probability of the sampled tokens (nats)")
    gap_mean: float | None = Field(
        None, description="mean absolute difference of the policy's and the engine's log-probabilities (nats per token)"
    )
    gap_max: float | None = Field(None, description="largest absolute difference")
    gap_tokens: int | None = Field(None, description="tokens that were compared: those of the kept groups")
    effective_share: float | None = Field(
        None, description="effective sample size of the untruncated importance weights, as a share of the tokens"
    )
    groups: int | None = Field(None, description="groups sampled, resamples included")
    groups_dropped: int | None = Field(None, description="groups left out because all rewards were equal")
    prompt_tokens: int | None = Field(None, description="prompt tokens of the step, prefix included")
    completion_tokens: int | None = None
    seconds: dict[str, float] | None = Field(None, description="wall time by phase: rollout, forward, backward, ...")
    validation_accuracy: float | None = Field(None, description="greedy accuracy on the validation problems")
    detail: dict[str, float] | None = Field(None, description="numbers that the method reports, e.g. image distance")

    @property
    def mismatch(self) -> Mismatch | None:
        """The step's log-probability mismatch; None where the policy itself sampled."""
        if self.gap_tokens is None:
            return None
        return Mismatch(
            tokens=self.gap_tokens, mean=self.gap_mean, maximum=self.gap_max, effective=self.effective_share
        )


class RunRecord(Record):
    """``run.json`` (training) and ``evaluation.json``: what is needed to trust and repeat a result."""

    command: str
    model: str
    task: str
    method: str
    kind: str
    seed: int
    digest: str = Field(description="hash of the settings that the result depends on")
    config: dict[str, Any] = Field(description="the resolved configuration")
    versions: dict[str, str]
    revision: str | None = Field(description="git revision of the project, '+' appended when the tree was dirty")
    device: str
    engine: str | None = Field(
        None, description="the engine that sampled, with its version; null where nothing was sampled"
    )
    threads: int = Field(description="threads that torch computes on; 1 for a control, which needs no torch")
    seconds: dict[str, float] = Field(description="wall time by phase; 'total' is the whole process, start-up included")
    peak_memory_bytes: int
    trained_numbers: int
    prefix_tokens: int = Field(description="tokens that the method puts before the question")
    prompt_tokens: int = Field(description="prompt tokens processed, prefix included")
    completion_tokens: int = Field(description="tokens sampled")
    steps: int


class ServedItem(Item):
    """One line of ``served.jsonl``: a test problem, answered by a server to the plain OpenAI client."""

    method: str


class LoadRecord(Record):
    """One line of ``load.jsonl``: requests to a server, measured together; every completion has full length."""

    kind: Literal["no_image", "image", "adapter"]
    variants: int = Field(ge=0, description="number of different images, or adapters, that the requests used in turn")
    repeat: int = Field(ge=0)
    requests: int
    prompt_tokens: int
    completion_tokens: int
    seconds: float = Field(description="from the first request to the last answer")
    first_token_seconds: float = Field(description="median over requests, from sending one to its first token")


class GapRecord(Mismatch):
    """One line of ``gap.jsonl``: log-probability mismatch between the server and the policy, over sampled tokens."""

    method: str


class ServingRecord(Record):
    """``serving.json``: how the other files of a serving check were made."""

    model: str
    task: str
    digest: str = Field(description="hash of the settings that the check depends on")
    server: str
    versions: dict[str, str]
    device: str
    start_seconds: float = Field(description="time until the server was ready")
    cached: dict[str, float] = Field(description="hit rate of the server's caches, by cache")
