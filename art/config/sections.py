"""The sections of a configuration: types, bounds, defaults."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from art.config.registry import ENGINES, FAMILIES, SCORERS, OneOf

SLUG = r"^[A-Za-z0-9][A-Za-z0-9._-]*$"

Slug = Annotated[str, Field(pattern=SLUG)]

# Folders go into commands, into Snakemake's patterns and into typst: only what all of them read as it is.
Folder = Annotated[str, Field(pattern=r"^[\w./+=@%][\w./+=@%-]*$")]

# The generators of random numbers that we use take seeds below 2^63.
Seed = Annotated[int, Field(ge=0, lt=2**63)]

Fraction = Annotated[float, Field(ge=0.0, le=1.0)]


Split = Literal["train", "validation", "test"]


class Section(BaseModel):
    """Base of all sections: immutable, unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class ModelSection(Section):
    """The checkpoint of a model; every method keeps it frozen."""

    family: Annotated[str, OneOf(FAMILIES)] = Field("qwen3_5", description="architecture family")
    path: str = Field(
        description="local checkpoint folder, relative to the working directory; with a revision: OWNER/NAME on the hub"
    )
    revision: str | None = Field(
        None, pattern=r"^[0-9a-f]{40}$", description="commit on the hub, all 40 digits; null: path is a local folder"
    )
    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="auto: the GPU if torch sees one")
    dtype: Literal["auto", "float32", "bfloat16"] = Field(
        "auto", description="type of the frozen weights; auto: bfloat16 on a GPU, float32 on the CPU"
    )

    @model_validator(mode="after")
    def _revision_is_of_a_repository(self) -> ModelSection:
        if self.revision is not None and not re.fullmatch(r"[\w.-]+/[\w.-]+", self.path):
            raise ValueError(f"path {self.path!r}: with a revision it must be a repository on the hub, OWNER/NAME")
        return self


class SourceSection(Section):
    """Where a published data set is read from: local files, or the hub at one commit."""

    path: str | None = Field(None, min_length=1, description="file or folder, in its published format")
    repository: str | None = Field(None, pattern=r"^[\w.-]+/[\w.-]+$", description="data set on the hub, OWNER/NAME")
    revision: str | None = Field(
        None, pattern=r"^[0-9a-f]{40}$", description="full commit of the repository (a branch or tag could change)"
    )

    @model_validator(mode="after")
    def _one_place(self) -> SourceSection:
        if (self.path is None) == (self.repository is None):
            raise ValueError("give either path (a local file or folder) or repository and revision (the hub)")
        if (self.repository is None) != (self.revision is None):
            raise ValueError("repository and revision go together; revision is a full commit, 40 hex digits")
        return self


SPLITS: tuple[Split, ...] = ("train", "validation", "test")


class TaskSection(Section):
    """A task: where its problems come from, how many there are, and what scores the answers."""

    scorer: Annotated[str, OneOf(SCORERS)]
    source: SourceSection | None = Field(None, description="source of a published data set; generated tasks have none")
    train: int = Field(2000, ge=8, description="training problems (ours)")
    validation: int = Field(200, ge=8, description="validation problems, used for every choice of a setting (ours)")
    test: int = Field(
        300, ge=8, description="held-out problems, scored once (ours; the paper uses each task's own test problems)"
    )
    seed: int = Field(0, ge=0, description="seed of the generator or of the split")

    def rule(self, name: str) -> str:
        """Name under which the task is looked for in the registries; all tasks of reasoning-gym share one."""
        return "reasoning_gym" if self.scorer == "reasoning_gym" else name


class ImageSection(Section):
    """The picture before the question."""

    size: int = Field(128, ge=32, description="side in pixels; the paper: 256")
    contrast: float = Field(
        0.5,
        gt=0.0,
        le=1.0,
        description="contrast of the seed picture around mid-grey; at 1 the sigmoid saturates (ours)",
    )


class EngineSection(Section):
    """The engine that samples completions, in training and in evaluation."""

    kind: Annotated[str, OneOf(ENGINES)] = Field(
        "transformers",
        description="transformers: the policy itself, exact; vllm: vLLM beside the policy; server: vLLM's "
        "OpenAI-compatible server",
    )
    url: str | None = Field(
        None,
        pattern=r"^https?://[^\s@]+/v1$",
        description="address of a running vLLM server, up to /v1; its key is in the environment variable "
        "OPENAI_API_KEY; null: a server is started on loopback, with a random key",
    )
    importance_cap: float | None = Field(
        2.0,
        gt=0.0,
        description="upper bound of a sampled token's weight exp(policy - engine), which corrects for the rounding "
        "differences between their log-probabilities (ours; TRL has such a bound); null: no weight",
    )
    max_model_len: int = Field(2048, ge=64, description="maximum number of tokens of a prompt with its completion")
    memory: float = Field(
        0.5, gt=0.0, lt=1.0, description="share of the GPU's memory for vLLM; the policy gets the rest"
    )
    timeout: float = Field(600.0, gt=0.0, description="seconds that a server has to start, or to answer a request")
    retries: int = Field(3, ge=0, description="how often a request is sent again before the run stops")

    @model_validator(mode="after")
    def _keys_fit_the_kind(self) -> EngineSection:
        if self.url is not None and self.kind != "server":
            raise ValueError(f"url {self.url!r} needs kind 'server', not {self.kind!r}")
        # The default is allowed for every kind: a resolved configuration contains it.
        default = type(self).model_fields["importance_cap"].default
        if self.kind == "transformers" and self.importance_cap != default:
            raise ValueError("importance_cap needs kind 'vllm' or 'server': the policy's own samples need no weight")
        return self

    def results_depend_on(self) -> dict[str, Any]:
        """The settings that can change a result; the others only say how the engine is run and reached."""
        return {"kind": self.kind} | ({} if self.kind == "transformers" else {"importance_cap": self.importance_cap})


class ObjectiveSection(Section):
    """The loss, on sampled completions or (supervised) on the solutions."""

    kind: Literal["dapo", "grpo", "supervised"] = "dapo"
    clip_low: float = Field(0.2, gt=0.0, lt=1.0, description="lower clip of the ratio (DAPO's published value)")
    clip_high: float = Field(
        0.28, gt=0.0, description="upper clip of the ratio (DAPO's published value); grpo: always clip_low"
    )
    kl_weight: float = Field(0.0, ge=0.0, description="weight of the KL to the base model; DAPO: 0")
    std_floor: float = Field(1e-4, gt=0.0, description="eps in advantage = (r - mean) / (std + eps)")

    @model_validator(mode="before")
    @classmethod
    def _grpo_clips_evenly(cls, given: Any) -> Any:
        """GRPO has one clip value: ``clip_high``, where it is not given, is ``clip_low``."""
        if isinstance(given, dict) and given.get("kind") == "grpo":
            return {"clip_high": given.get("clip_low", cls.model_fields["clip_low"].default)} | given
        return given


class TrainingSection(Section):
    """The training loop: every trained method has the same batches and budget."""

    steps: int = Field(100, ge=1, description="optimisation steps, one batch of rollouts each; the paper: 100")
    prompts: int = Field(16, ge=1, description="problems per step (ours)")
    completions: int = Field(8, ge=2, description="samples per problem, the group size (ours)")
    minibatches: int = Field(
        4, ge=1, description="optimiser updates per step, each on an even share of the kept groups (ours)"
    )
    max_resamples: int = Field(
        1,
        ge=0,
        description="DAPO's dynamic sampling: how often a step draws new problems to replace groups whose rewards are "
        "all equal",
    )
    temperature: float = Field(1.0, gt=0.0, description="sampling temperature of rollouts; top-p and top-k are off")
    max_new_tokens: int = Field(48, ge=1, description="maximum tokens per completion; the paper's evaluation: 512")
    max_grad_norm: float | None = Field(
        None, gt=0.0, description="gradients are clipped to this norm; null: no clipping"
    )
    snapshot_every: int = Field(5, ge=1, description="steps between stored images and checkpoints")
    validate_every: int = Field(10, ge=1, description="steps between greedy checks on validation problems")
    validation_problems: int = Field(64, ge=1, description="validation problems per check")


class EvaluationSection(Section):
    """Scoring on held-out problems."""

    samples: int = Field(2, ge=0, description="sampled completions per problem, besides the greedy one")
    temperature: float = Field(1.0, gt=0.0, description="temperature of the sampled completions")
    presence_penalty: float = Field(0.0, ge=0.0, description="the authors' code: 1.0; ours: 0 on the reference models")
    max_new_tokens: int = Field(48, ge=1, description="maximum tokens per completion; the authors' code: 512")
    batch_size: int = Field(100, ge=1)


class ServingSection(Section):
    """The serving check: an unmodified server answers with the artifacts, and is compared with the evaluation."""

    problems: int = Field(200, ge=8, description="test problems that every artifact answers through the server")
    variants: list[Annotated[int, Field(ge=1)]] = Field(
        [1, 4, 16],
        min_length=1,
        description="numbers of different images, or adapters, that the measured requests use in turn",
    )
    requests: int = Field(64, ge=1, description="requests per measurement")
    concurrency: int = Field(16, ge=1, description="requests that run at the same time")
    repeats: int = Field(5, ge=1, description="measurements of each kind, after one warm-up that does not count")

    @model_validator(mode="after")
    def _variants_can_meet(self) -> ServingSection:
        most = min(self.concurrency, self.requests)
        if len(set(self.variants)) < len(self.variants) or max(self.variants) > most:
            raise ValueError(
                f"variants {self.variants}: no number twice, and none above requests or concurrency ({most})"
            )
        return self


class AnalysisSection(Section):
    """Statistics."""

    resamples: int = Field(10_000, ge=100, description="bootstrap resamples; the paper: 10,000")
    confidence: float = Field(0.95, gt=0.5, lt=1.0)
    seed: int = Field(0, ge=0)
    baseline: Slug = Field("no_image", description="method every other one is compared with")
    reference: Slug = Field("lora", description="reference method, for the second comparison")
