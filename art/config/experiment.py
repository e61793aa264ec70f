"""The configuration of a whole experiment, and the grid of its runs."""

from __future__ import annotations

from typing import Any

from pydantic import Field, model_validator

from art.config.methods import ControlMethod, MethodSection, RandomControlMethod
from art.config.sections import (
    AnalysisSection,
    EngineSection,
    EvaluationSection,
    Folder,
    ImageSection,
    ModelSection,
    ObjectiveSection,
    Section,
    Seed,
    ServingSection,
    Slug,
    TaskSection,
    TrainingSection,
)


class Config(Section):
    """The configuration of a whole experiment."""

    name: Slug
    results: Folder = Field("results", description="folder for everything the DAG writes except the paper")
    paper: Folder = Field("paper", description="folder for generated tables, figures and paper.pdf")
    seeds: list[Seed] = Field(min_length=1, description="seeds of the trained methods, each once")
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
    def _null_removes(cls, given: Any) -> Any:
        """An entry that is null counts as absent, so that a second file can remove an entry of the first."""
        if not isinstance(given, dict):
            return given
        named = {key: given[key] for key in ("models", "tasks", "methods") if isinstance(given.get(key), dict)}
        kept = {key: {name: one for name, one in some.items() if one is not None} for key, some in named.items()}
        return given | kept

    @model_validator(mode="after")
    def _names_agree(self) -> Config:
        _refuse_repeats("seeds", self.seeds)
        for name, method in self.methods.items():
            for key, known in (("models", self.models), ("tasks", self.tasks)):
                _refuse_repeats(f"methods.{name}.{key}", getattr(method, key) or [])
                for wanted in getattr(method, key) or []:
                    if wanted not in known:
                        raise ValueError(f"methods.{name}.{key}: unknown {wanted!r}; allowed: {', '.join(known)}")
        for key in ("baseline", "reference"):
            wanted = getattr(self.analysis, key)
            if wanted not in self.methods:
                raise ValueError(f"analysis.{key}: unknown method {wanted!r}; allowed: {', '.join(self.methods)}")
        if self.objective.kl_weight and self.objective.kind != "grpo":
            raise ValueError(
                f"objective.kl_weight: {self.objective.kl_weight} needs objective.kind grpo; else it must be 0"
            )
        if self.objective.kind == "grpo" and self.objective.clip_high != self.objective.clip_low:
            raise ValueError(
                f"objective.clip_high: {self.objective.clip_high} differs from clip_low {self.objective.clip_low}; "
                "objective.kind grpo clips both sides alike: leave clip_high out"
            )
        if self.training.minibatches > self.training.prompts:
            raise ValueError(
                f"training.minibatches: {self.training.minibatches} is more than training.prompts, "
                f"{self.training.prompts}: each minibatch needs a group"
            )
        return self

    def method_seeds(self, method: str) -> list[int]:
        """Seeds (trained methods), draws (random controls) or the single 0 (deterministic controls)."""
        section = self.methods[method]
        if isinstance(section, RandomControlMethod):
            return list(range(section.draws))
        return [0] if isinstance(section, ControlMethod) else list(self.seeds)

    def engine_of(self, method: str) -> EngineSection:
        """The engine that samples in a method's training."""
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


def _refuse_repeats(key: str, values: list[Any]) -> None:
    """A repeated entry would count its runs twice."""
    repeated = [value for value in values if values.count(value) > 1]
    if repeated:
        raise ValueError(f"{key}: {repeated[0]!r} is in the list twice; each entry must be there once")


class RunKey(Section):
    """Coordinates of one run in the grid."""

    model: Slug
    task: Slug
    method: Slug
    seed: Seed

    @property
    def folder(self) -> str:
        """Path of the run below the results folder."""
        return f"runs/{self.model}/{self.task}/{self.method}/seed{self.seed}"
