"""The serving check: artifacts work in an unmodified vLLM server, asked through the plain OpenAI client.

For a model and task, an artifact of each method answers the test problems through one server, which has the base model
and the adapters.  Then we measure what images and adapters cost, and how far the server's log-probabilities are from
the policy's.
"""

from __future__ import annotations

import re
import time
from contextlib import closing
from pathlib import Path

import openai
import torch
from rich.progress import Progress as Bar

from art.config.digests import serving_digest
from art.config.experiment import Config
from art.errors import ConfigError
from art.files import write_json, write_records
from art.models.device import deterministic, machine_of
from art.models.families import load_policy
from art.models.policy import Policy
from art.rollouts.engines import EngineContext, EngineError
from art.rollouts.launch import LaunchedServer
from art.rollouts.replies import refuse_long
from art.rollouts.sampler import Decoding
from art.rollouts.server_engine import Server, client_of, version_of
from art.rollouts.vllm_options import engine_arguments
from art.scoring import load_problems, scorer_of
from art.serving.answers import answers
from art.serving.load import conditions, copy_name, measurements
from art.serving.mismatch import mismatch, policy_of
from art.serving.served import load_served
from art.store.records import ServingRecord
from art.store.run_record import versions
from art.store.workspace import Workspace


class ServeCheck:
    """The check of one model and task.

    Raises:
        ConfigError: the configuration has no section ``serving``, or no such model or task.
        RecordError, ImageError, CheckpointError: a run's artifact is missing or damaged (named).
        EngineError: a completion might not fit into the server's context.
    """

    def __init__(self, config: Config, model: str, task: str, results: Path) -> None:
        for name, wanted, known in (("model", model, config.models), ("task", task, config.tasks)):
            if wanted not in known:
                raise ConfigError(f"{name}: unknown {wanted!r}; allowed: {', '.join(known)}")
        if config.serving is None:
            raise ConfigError("serving: not in the configuration; `serving: {}` asks for the check with its defaults")
        self.config, self.model, self.task, self.settings = config, model, task, config.serving
        self.section = config.models[model]
        self.folder = results / "serving" / model / task
        self.log = results / "logs" / "serving" / model / f"{task}.server.log"
        runs = [Workspace(config, run, results) for run in config.served_runs(model, task)]
        if not runs:
            raise ConfigError(f"{model}, {task}: no method of the configuration is for them; there is nothing to serve")
        self.scorer = scorer_of(config.tasks[task].scorer)
        self.problems = load_problems(runs[0].problem_file("test"), self.scorer)[: self.settings.problems]
        deterministic()
        self.policy = load_policy(self.section)
        self.served = [load_served(run, self.policy) for run in runs]
        length = Decoding(0.0, config.evaluation.max_new_tokens)
        for one in self.served:
            refuse_long(self.problems, one.prefix, self.policy, config.engine, length)

    def run(self) -> None:
        """Write ``served.jsonl``, ``load.jsonl``, ``gap.jsonl`` and ``serving.json``.

        Raises:
            EngineError: the server does not start, or a request failed, also after its retries.
        """
        evaluation, begin = self.config.evaluation, time.monotonic()
        with closing(self._start()) as server, Bar() as bar:
            ready = time.monotonic() - begin
            client = client_of(server.url, server.key, self.config.engine)
            try:
                served = [
                    item
                    for one in bar.track(self.served)
                    for item in answers(client, one, self.problems, self.scorer, evaluation, self.settings.concurrency)
                ]
                found = conditions(self.section.path, self.served, self.settings.variants)
                length = evaluation.max_new_tokens
                load = list(measurements(client, found, self.problems, self.settings, length, bar))
                mismatches = []
                for one in bar.track(self.served):
                    policy = policy_of(one, self.section, self.policy)
                    engine = Server(self._context(policy, one.rank), server)
                    mismatches.append(mismatch(engine, one, self.problems, length))
                record = ServingRecord(
                    model=self.model,
                    task=self.task,
                    digest=serving_digest(self.config, self.model, self.task),
                    server=f"vllm {version_of(client)}",
                    versions=versions(),
                    device=machine_of(self.policy.device).device,
                    start_seconds=ready,
                    cached=_cached(client),
                )
            except (openai.OpenAIError, EngineError, KeyError, TypeError) as error:
                raise EngineError(f"{server.url}: {type(error).__name__}: {error}; {server.last_words()}") from None
        write_records(self.folder / "served.jsonl", served)
        write_records(self.folder / "load.jsonl", load)
        write_records(self.folder / "gap.jsonl", mismatches)
        write_json(self.folder / "serving.json", record.model_dump())

    def _start(self) -> LaunchedServer:
        """Start a server with the base model, each run's adapter under its method's name, and copies of the first
        adapter for the measurements.
        """
        adapters = {one.method: one.adapter for one in self.served if one.adapter}
        if adapters:
            first = next(iter(adapters.values()))
            adapters |= {copy_name(number): first for number in range(max(self.settings.variants))}
        rank = max((one.rank for one in self.served if one.rank), default=None)
        arguments = engine_arguments(self._context(self.policy, rank), adapters=max(self.settings.variants))
        if adapters:
            arguments["max_cpu_loras"] = len(adapters)
        return LaunchedServer(arguments, self.section.path, self.log, self.config.engine.timeout, adapters)

    def _context(self, policy: Policy, adapter_rank: int | None) -> EngineContext:
        return EngineContext(self.section, policy, self.config.engine, adapter_rank, 0, self.log)


def _cached(client: openai.OpenAI) -> dict[str, float]:
    """Hit rates of the server's caches, from its own counters: of tokens for prefixes, of pictures for images."""
    text = client.get("../metrics", cast_to=str)
    found = {}
    for cache, name in (("prefix", "prefix_cache"), ("image", "mm_cache")):
        counts = [
            sum(float(value) for value in re.findall(rf"^vllm:{name}_{what}_total{{.*}} (\S+)$", text, re.M))
            for what in ("hits", "queries")
        ]
        if counts[1]:
            found[cache] = counts[0] / counts[1]
    return found


def serve_check(config: Config, model: str, task: str, results: Path) -> None:
    """Check the artifacts of a model and task in a server and write ``results/serving/{model}/{task}``."""
    torch.set_num_threads(1)
    ServeCheck(config, model, task, results).run()
