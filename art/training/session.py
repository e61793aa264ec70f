"""Load and check what a training run needs: problems, scorer, policy, method, engine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass

import torch

from art.config.methods import TrainedSection
from art.config.registry import implementation
from art.errors import ConfigError, RecordError
from art.methods.base import Initialisation, TrainedMethod
from art.models.device import deterministic
from art.models.families import load_policy
from art.models.policy import Policy
from art.pictures.png import decode_png
from art.rollouts.engines import Engine, EngineContext, open_engine
from art.scoring import Scorer, load_problems, scorer_of
from art.store.clock import Clock
from art.store.problem import Problem
from art.store.workspace import Workspace


@dataclass
class Session:
    """What the training loop works with; method and engine share the policy."""

    workspace: Workspace
    settings: TrainedSection
    clock: Clock
    problems: list[Problem]
    validation: list[Problem]
    scorer: Scorer
    policy: Policy
    method: TrainedMethod
    engine: Engine


@contextmanager
def opened(workspace: Workspace, clock: Clock) -> Iterator[Session]:
    """Load everything; the engine is closed at the end of the block.

    Raises:
        ConfigError: the method is a control.
        RecordError: a problem file is missing, damaged or too short, or has a problem that cannot be used (file:line).
        CheckpointError, ImageError, EngineError: the model, the seed picture or the engine cannot be used.
    """
    config, key, settings = workspace.config, workspace.key, workspace.section
    if not isinstance(settings, TrainedSection):
        raise ConfigError(f"methods.{key.method}: kind {settings.kind!r} is a control; there is nothing to train")
    scorer = scorer_of(workspace.task.scorer)
    files = workspace.problem_file("train"), workspace.problem_file("validation")
    problems, validation = (load_problems(path, scorer) for path in files)
    validation = validation[: config.training.validation_problems]
    if len(problems) < config.training.prompts:
        raise RecordError(
            f"{files[0]}: {len(problems)} problems; training.prompts needs at least {config.training.prompts}"
        )
    torch.set_num_threads(1)
    deterministic()
    policy = load_policy(workspace.model)
    policy.prompts.check(problems, files[0])
    policy.prompts.check(validation, files[1])
    policy.preprocessor.tokens(config.image.size)
    picture = decode_png(workspace.seed_picture, config.image.size)
    make: type[TrainedMethod] = implementation(settings.implementation)
    method = make(policy, Initialisation(key.seed, picture, settings))
    context = EngineContext(
        workspace.model,
        policy,
        config.engine_of(key.method),
        method.adapter_rank,
        key.seed,
        workspace.log("train.server.log"),
    )
    with closing(open_engine(context)) as engine:
        yield Session(workspace, settings, clock, problems, validation, scorer, policy, method, engine)
