"""The typed configuration: one model a section, unknown keys refused, every default written down here once.

The same models validate the YAML that a person writes, the JSON that the DAG hands to each command, and produce
the JSON schema in ``workflow/schemas``.  Values that the paper does not give carry "ours" in their description.
"""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

SLUG = r"^[A-Za-z0-9][A-Za-z0-9._-]*$"
Slug = Annotated[str, Field(pattern=SLUG)]
Fraction = Annotated[float, Field(ge=0.0, le=1.0)]


class ConfigError(ValueError):
    """A configuration that cannot be run; the message names the key, the value and what is allowed."""


class Section(BaseModel):
    """Base of all sections: immutable, unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class ModelSection(Section):
    """A checkpoint that every method leaves frozen."""

    family: Literal["qwen3_5", "qwen3_vl"] = Field("qwen3_5", description="architecture family: a file in art/models")
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
            raise ValueError(f"path {self.path!r} with a revision is a repository on the hub: OWNER/NAME")
        return self


class SourceSection(Section):
    """Where a published data set is read from: local files, or the hub at one commit."""

    path: str | None = Field(None, min_length=1, description="file or folder, in the form in which it is published")
    repository: str | None = Field(None, pattern=r"^[\w.-]+/[\w.-]+$", description="data set on the hub, OWNER/NAME")
    revision: str | None = Field(
        None, pattern=r"^[0-9a-f]{40}$", description="full commit of the repository: a branch or tag may move"
    )

    @model_validator(mode="after")
    def _one_place(self) -> SourceSection:
        if (self.path is None) == (self.repository is None):
            raise ValueError("give either path (a local file or folder) or repository and revision (the hub)")
        if (self.repository is None) != (self.revision is None):
            raise ValueError("repository and revision go together; revision is a full commit, 40 hex digits")
        return self


class TaskSection(Section):
    """A task: problem files written by its rule in workflow/rules/tasks."""

    scorer: Literal["numeric", "tool_call", "multiple_choice", "reasoning_gym"]
    source: SourceSection | None = Field(None, description="of a published data set; generated tasks have none")
    train: int = Field(2000, ge=8, description="training problems (ours)")
    validation: int = Field(200, ge=8, description="validation problems, for every choice of a setting (ours)")
    test: int = Field(300, ge=8, description="held-out problems, scored once (ours; the paper uses each task's own)")
    seed: int = Field(0, ge=0, description="seed of the generator or of the split")

    def rule(self, name: str) -> str:
        """File in workflow/rules/tasks, and reader, of the task called ``name``: reasoning-gym's tasks share one."""
        return "reasoning_gym" if self.scorer == "reasoning_gym" else name


class ImageSection(Section):
    """The picture that stands before the question."""

    size: int = Field(128, ge=32, description="side in pixels; the paper: 256")
    contrast: float = Field(
        0.5, gt=0.0, le=1.0, description="contrast of the seed picture about mid-grey; sigmoid saturates at 1 (ours)"
    )


class EngineSection(Section):
    """What samples completions, in training and in evaluation."""

    kind: Literal["transformers", "vllm", "server"] = Field(
        "transformers",
        description="transformers: the policy itself, exact; vllm: vLLM beside it; server: its OpenAI-compatible one",
    )
    url: str | None = Field(
        None,
        pattern=r"^https?://[^\s@]+/v1$",
        description="of a vLLM server that runs already, up to /v1, its key in the environment variable "
        "OPENAI_API_KEY; null: one is started on loopback, with a random key",
    )
    importance_cap: float | None = Field(
        2.0,
        gt=0.0,
        description="bound of the weight exp(policy - engine) by which a sampled token counts, since their "
        "log-probabilities differ by rounding (ours; TRL has such a bound); null: no such weight",
    )
    max_model_len: int = Field(2048, ge=64, description="most tokens of a prompt and its completion")
    memory: float = Field(
        0.5, gt=0.0, lt=1.0, description="share of the GPU's memory for vLLM; the policy has the rest"
    )
    timeout: float = Field(600.0, gt=0.0, description="seconds that a server has to start, or to answer a request")
    retries: int = Field(3, ge=0, description="how often a request is sent again before the run stops")

    @model_validator(mode="after")
    def _keys_fit_the_kind(self) -> EngineSection:
        if self.url is not None and self.kind != "server":
            raise ValueError(f"url {self.url!r} needs kind 'server', not {self.kind!r}")
        # The default is no fault: a resolved configuration holds it, too.
        default = type(self).model_fields["importance_cap"].default
        if self.kind == "transformers" and self.importance_cap != default:
            raise ValueError("importance_cap needs kind 'vllm' or 'server': the policy's own samples need no weight")
        return self

    def results_depend_on(self) -> dict[str, Any]:
        """The settings that may change a result; the others say how the engine is reached."""
        return {"kind": self.kind} | ({} if self.kind == "transformers" else {"importance_cap": self.importance_cap})


class ControlMethod(Section):
    """A method without trained numbers."""

    kind: Literal["no_image", "seed_image"]
    models: list[Slug] | None = Field(None, description="only these models (all when absent)")
    tasks: list[Slug] | None = Field(None, description="only these tasks (all when absent)")


class RandomControlMethod(Section):
    """A control with several draws, since one draw can be lucky."""

    kind: Literal["random_image", "random_string"]
    draws: int = Field(3, ge=1, description="number of independent draws (ours)")
    models: list[Slug] | None = None
    tasks: list[Slug] | None = None


class TrainedMethod(Section):
    """What every trained method shares."""

    learning_rate: float = Field(gt=0.0, description="Adam's step size (ours, chosen on validation)")
    betas: tuple[Fraction, Fraction] = Field((0.9, 0.95), description="Adam's decay rates (ours)")
    engine: EngineSection | None = Field(
        None, description="what samples in this method's training; null: the experiment's engine"
    )
    models: list[Slug] | None = None
    tasks: list[Slug] | None = None


class ArtMethod(TrainedMethod):
    """ART: pixel = sigmoid(z), z free (the paper, section on the method)."""

    kind: Literal["art"]
    learning_rate: float = Field(0.1, gt=0.0, description="Adam's step size on z or its coordinates (ours)")
    basis: Literal["pixel", "patch"] = Field(
        "patch",
        description="free pixels, or coordinates in the row space of the vision tower's patch embedding (ours)",
    )
    start: Literal["picture", "grey"] = Field("picture", description="the task's seed picture, or grey 128 +- 6")
    max_distance: int | None = Field(
        None, ge=1, le=255, description="bound on |level - seed level| for every pixel and channel; null: none"
    )


class LoraMethod(TrainedMethod):
    """LoRA on the language layers (through peft)."""

    kind: Literal["lora"]
    learning_rate: float = Field(5e-3, gt=0.0)
    rank: int = Field(8, ge=1, le=512, description="vLLM serves up to 512")
    alpha: int = Field(16, ge=1)


class SoftPromptMethod(TrainedMethod):
    """As many free embeddings as the image has visual tokens."""

    kind: Literal["soft_prompt"]
    learning_rate: float = Field(0.01, gt=0.0)


MethodSection = Annotated[
    ControlMethod | RandomControlMethod | ArtMethod | LoraMethod | SoftPromptMethod, Field(discriminator="kind")
]
# kind -> section, read off the union above, so that a new kind is named once
METHOD_SECTIONS: dict[str, type[Section]] = {
    kind: section
    for section in get_args(get_args(MethodSection)[0])
    for kind in get_args(section.model_fields["kind"].annotation)
}
TRAINED_KINDS = tuple(kind for kind, section in METHOD_SECTIONS.items() if issubclass(section, TrainedMethod))


class ObjectiveSection(Section):
    """The loss on sampled (or reference) completions."""

    kind: Literal["dapo", "grpo", "supervised"] = "dapo"
    clip_low: float = Field(0.2, gt=0.0, lt=1.0, description="lower clip of the ratio (DAPO's published value)")
    clip_high: float = Field(
        0.28, gt=0.0, description="upper clip of the ratio (DAPO's published value); grpo: always clip_low"
    )
    kl_weight: float = Field(0.0, ge=0.0, description="weight of the KL to the untrained model; DAPO: 0")
    std_floor: float = Field(1e-4, gt=0.0, description="eps in advantage = (r - mean) / (std + eps)")

    @model_validator(mode="before")
    @classmethod
    def _grpo_clips_evenly(cls, given: Any) -> Any:
        """GRPO has one clip value: an upper one that nobody gave is the lower one."""
        if isinstance(given, dict) and given.get("kind") == "grpo":
            return {"clip_high": given.get("clip_low", cls.model_fields["clip_low"].default)} | given
        return given


class TrainingSection(Section):
    """The one training loop: the same batches and budget for every trained method."""

    steps: int = Field(100, ge=1, description="optimisation steps, one batch of rollouts each; the paper: 100")
    prompts: int = Field(16, ge=1, description="problems a step (ours)")
    completions: int = Field(8, ge=2, description="samples a problem, the group size (ours)")
    minibatches: int = Field(4, ge=1, description="optimiser updates a step, on even shares of the kept groups (ours)")
    max_resamples: int = Field(
        1, ge=0, description="DAPO's dynamic sampling: how often degenerate groups are drawn anew before being dropped"
    )
    temperature: float = Field(1.0, gt=0.0, description="sampling temperature of rollouts; top-p and top-k are off")
    max_new_tokens: int = Field(48, ge=1, description="the paper's evaluation: 512")
    max_grad_norm: float | None = Field(None, gt=0.0, description="clip of the gradient norm; null: none")
    snapshot_every: int = Field(5, ge=1, description="steps between stored images and checkpoints")
    validate_every: int = Field(10, ge=1, description="steps between greedy checks on validation problems")
    validation_problems: int = Field(64, ge=1, description="validation problems of such a check")


class EvaluationSection(Section):
    """Scoring on held-out problems."""

    samples: int = Field(2, ge=0, description="sampled completions a problem beside the greedy one")
    temperature: float = Field(1.0, gt=0.0, description="temperature of the sampled completions")
    presence_penalty: float = Field(0.0, ge=0.0, description="the authors' code: 1.0; ours 0 on the tiny models")
    max_new_tokens: int = Field(48, ge=1, description="the authors' code: 512")
    batch_size: int = Field(100, ge=1)


class ServingSection(Section):
    """A check of the artifacts in an unmodified server, against the evaluation."""

    problems: int = Field(200, ge=8, description="test problems that every artifact answers through the server")
    variants: list[Annotated[int, Field(ge=1)]] = Field(
        [1, 4, 16],
        min_length=1,
        description="how many different images, or adapters, the measured requests take turns in",
    )
    requests: int = Field(64, ge=1, description="requests of one measurement")
    concurrency: int = Field(16, ge=1, description="requests under way at a time")
    repeats: int = Field(5, ge=1, description="measurements of each kind, after one that does not count")

    @model_validator(mode="after")
    def _variants_can_meet(self) -> ServingSection:
        most = min(self.concurrency, self.requests)
        if len(set(self.variants)) < len(self.variants) or max(self.variants) > most:
            raise ValueError(f"variants {self.variants}: each once, and none above requests and concurrency ({most})")
        return self


class AnalysisSection(Section):
    """Statistics."""

    resamples: int = Field(10_000, ge=100, description="bootstrap resamples; the paper: 10,000")
    confidence: float = Field(0.95, gt=0.5, lt=1.0)
    seed: int = Field(0, ge=0)
    baseline: Slug = Field("no_image", description="method every other one is compared with")
    reference: Slug = Field("lora", description="second comparison")


class Config(Section):
    """A whole experiment."""

    name: Slug
    results: str = Field("results", min_length=1, description="folder for everything the DAG writes, but the paper")
    paper: str = Field("paper", min_length=1, description="folder for generated tables, figures and paper.pdf")
    seeds: list[int] = Field(min_length=1, description="seeds of the trained methods")
    models: dict[Slug, ModelSection] = Field(min_length=1)
    tasks: dict[Slug, TaskSection] = Field(min_length=1)
    methods: dict[Slug, MethodSection] = Field(min_length=1)
    image: ImageSection = ImageSection()
    objective: ObjectiveSection = ObjectiveSection()
    training: TrainingSection = TrainingSection()
    engine: EngineSection = EngineSection()
    evaluation: EvaluationSection = EvaluationSection()
    serving: ServingSection | None = Field(None, description="null: no server is started")
    analysis: AnalysisSection = AnalysisSection()

    @model_validator(mode="before")
    @classmethod
    def _null_takes_away(cls, given: Any) -> Any:
        """An entry that is null counts as absent: a second file cannot take away otherwise what a first one names."""
        if not isinstance(given, dict):
            return given
        named = {key: given[key] for key in ("models", "tasks", "methods") if isinstance(given.get(key), dict)}
        kept = {key: {name: one for name, one in some.items() if one is not None} for key, some in named.items()}
        return given | kept

    @model_validator(mode="after")
    def _names_agree(self) -> Config:
        for name, method in self.methods.items():
            for key, known in (("models", self.models), ("tasks", self.tasks)):
                for wanted in getattr(method, key) or []:
                    if wanted not in known:
                        raise ValueError(f"methods.{name}.{key}: unknown {wanted!r}; allowed: {', '.join(known)}")
        for key in ("baseline", "reference"):
            wanted = getattr(self.analysis, key)
            if wanted not in self.methods:
                raise ValueError(f"analysis.{key}: unknown method {wanted!r}; allowed: {', '.join(self.methods)}")
        if self.objective.kl_weight and self.objective.kind != "grpo":
            raise ValueError(f"objective.kl_weight: {self.objective.kl_weight} needs objective.kind grpo; otherwise 0")
        if self.objective.kind == "grpo" and self.objective.clip_high != self.objective.clip_low:
            raise ValueError(
                f"objective.clip_high: {self.objective.clip_high} differs from clip_low {self.objective.clip_low}; "
                "objective.kind grpo clips both sides alike: leave clip_high out"
            )
        if self.training.minibatches > self.training.prompts:
            raise ValueError(
                f"training.minibatches: {self.training.minibatches} is more than training.prompts, "
                f"{self.training.prompts}: each needs a group"
            )
        return self

    def method_seeds(self, method: str) -> list[int]:
        """Seeds (trained methods), draws (random controls) or the single 0 (deterministic controls)."""
        section = self.methods[method]
        if isinstance(section, RandomControlMethod):
            return list(range(section.draws))
        return [0] if isinstance(section, ControlMethod) else list(self.seeds)

    def engine_of(self, method: str) -> EngineSection:
        """What samples in a method's training."""
        return getattr(self.methods[method], "engine", None) or self.engine

    def grid(self) -> list[RunKey]:
        """All runs of the experiment, in a fixed order."""
        return [
            RunKey(model=model, task=task, method=method, seed=seed)
            for model in self.models
            for task in self.tasks
            for method, section in self.methods.items()
            if model in (section.models or self.models) and task in (section.tasks or self.tasks)
            for seed in self.method_seeds(method)
        ]

    def served_runs(self, model: str, task: str) -> list[RunKey]:
        """The runs whose artifacts a serving check sends: the first seed or draw of each method."""
        runs = [run for run in self.grid() if (run.model, run.task) == (model, task)]
        return [run for run in runs if run.seed == self.method_seeds(run.method)[0]]

    def run_digest(self, model: str, task: str, method: str) -> str:
        """Hash of every setting that can change the run's artifact (not its evaluation or the analysis)."""
        section = self.methods[method].model_dump(mode="json", exclude={"models", "tasks", "draws", "engine"})
        parts: dict[str, Any] = {"model": self.models[model], "task": self.tasks[task], "image": self.image}
        engine = {}
        if section["kind"] in TRAINED_KINDS:
            parts |= {"objective": self.objective, "training": self.training}
            engine = {"engine": self.engine_of(method).results_depend_on()}
        return digest({"method": section} | engine | {k: v.model_dump(mode="json") for k, v in parts.items()})

    def evaluation_digest(self, model: str, task: str, method: str) -> str:
        """Hash of every setting that can change the run's evaluation, which one engine makes for all methods."""
        settings = self.evaluation.model_dump(mode="json"), self.engine.kind
        return digest([self.run_digest(model, task, method), *settings])

    def serving_digest(self, model: str, task: str) -> str:
        """Hash of every setting that can change a serving check."""
        served = self.served_runs(model, task)
        runs = [(run.seed, self.evaluation_digest(model, task, run.method)) for run in served]
        return digest([self.serving.model_dump(mode="json") if self.serving else None, runs])


class RunKey(Section):
    """Coordinates of one run in the grid."""

    model: Slug
    task: Slug
    method: Slug
    seed: int = Field(ge=0)

    @property
    def folder(self) -> str:
        """Path of the run below the results folder."""
        return f"runs/{self.model}/{self.task}/{self.method}/seed{self.seed}"


def run_key(model: str, task: str, method: str, seed: int) -> RunKey:
    """Coordinates as a person typed them.

    Raises:
        ConfigError: a name or the seed is not of the right form.
    """
    try:
        return RunKey(model=model, task=task, method=method, seed=seed)
    except ValidationError as error:
        raise ConfigError("\n".join(_explain(fault) for fault in error.errors())) from None


def digest(value: Any) -> str:
    """First 16 hex digits of the SHA-256 of ``value`` as canonical JSON."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, separators=(",", ":")).encode()).hexdigest()[:16]


def parse_config(data: Any, source: str) -> Config:
    """Validate a mapping; ``source`` names where it came from in the error message.

    Raises:
        ConfigError: with one line for each fault: key, value, what is allowed.
    """
    try:
        return Config.model_validate(data)
    except ValidationError as error:
        lines = [f"{source}: {_explain(fault)}" for fault in error.errors()]
        raise ConfigError("\n".join(lines)) from None


def load_config(path: Path) -> Config:
    """Read a YAML or JSON configuration.

    Raises:
        ConfigError: the file is missing, is not YAML, or does not validate.
    """
    try:
        data = yaml.safe_load(path.read_text())
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not YAML: {error}") from None
    return parse_config(data, str(path))


def _explain(fault: Any) -> str:
    key = ".".join(str(part) for part in fault["loc"]) or "configuration"
    given = f" (given: {fault['input']!r})" if fault["type"] not in ("missing", "value_error") else ""
    if fault["type"] == "extra_forbidden":
        given = f" (given: {fault['input']!r}); allowed keys: {', '.join(_allowed_keys(fault['loc']))}"
    message = fault["msg"].removeprefix("Value error, ")
    return message if fault["type"] == "value_error" and not fault["loc"] else f"{key}: {message}{given}"


def _allowed_keys(location: tuple[Any, ...]) -> list[str]:
    """Keys of the section that holds the refused one."""
    sections: dict[str, type[Section]] = {
        "models": ModelSection,
        "tasks": TaskSection,
        "image": ImageSection,
        "objective": ObjectiveSection,
        "training": TrainingSection,
        "engine": EngineSection,
        "evaluation": EvaluationSection,
        "serving": ServingSection,
        "analysis": AnalysisSection,
    }
    if len(location) == 1:
        return list(Config.model_fields)
    if location[0] == "tasks" and "source" in location[2:-1]:
        return list(SourceSection.model_fields)
    if location[0] == "methods" and "engine" in location[2:-1]:
        return list(EngineSection.model_fields)
    if location[0] == "methods":
        known = len(location) > 2 and location[2] in METHOD_SECTIONS
        return list(METHOD_SECTIONS[location[2]].model_fields) if known else []
    return list(sections[location[0]].model_fields) if location[0] in sections else []
