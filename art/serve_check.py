"""The proof of deployment: an unmodified vLLM server, asked by the plain OpenAI client as a stranger would ask it.

For a model and task, an artifact of every method answers the test problems through one server, that has the base model
and the adapters; then what images and adapters cost is measured, side by side, and how far the server's
log-probabilities lie from the policy's.
"""

from __future__ import annotations

import re
import statistics
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import openai
import torch
from rich.progress import Progress as Bar

from art.artifact import ADAPTER, IMAGE
from art.config import Config, ConfigError
from art.evaluate import load_adapter_rank, load_prefix
from art.images import Levels, decode_png, png_bytes
from art.models.device import deterministic
from art.models.families import load_policy
from art.models.policy import Policy
from art.records import GapRecord, LoadRecord, Problem, ServedItem, ServingRecord, write_json, write_records
from art.rollouts.engines import EngineError, Place, measure_gap, refuse_long
from art.rollouts.launch import LaunchedServer
from art.rollouts.sampler import Decoding
from art.rollouts.server_engine import Server, asked, client_of, content_of, picture_part, version_of
from art.rollouts.vllm_options import engine_arguments
from art.run_record import load_record
from art.runs import Workspace, processor, versions
from art.scoring import SCORERS

# What the gap is measured on: at least 1,000 tokens of the shortest answers.
GAP_PROBLEMS, GAP_COMPLETIONS = 64, 4

Content = list[dict[str, Any]]


class ServeCheck:
    """One model and task.

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
        self.folder = results / "serving" / model / task
        self.log = results / "logs" / "serving" / model / f"{task}.server.log"
        self.runs = {run.method: Workspace(config, run, results) for run in config.served_runs(model, task)}
        if not self.runs:
            raise ConfigError(f"{model}, {task}: no method of the configuration is for them; there is nothing to serve")
        for run in self.runs.values():
            load_record(config, run.key, results, "run")
        self.prefixes = {method: load_prefix(run) for method, run in self.runs.items()}
        self.ranks = {method: load_adapter_rank(run) for method, run in self.runs.items()}
        first = next(iter(self.runs.values()))
        self.problems = first.problems("test")[: self.settings.problems]
        self.scorer = SCORERS[config.tasks[task].scorer]
        deterministic()
        self.policy: Policy = load_policy(config.models[model])
        length = Decoding(0.0, config.evaluation.max_new_tokens)
        for prefix in self.prefixes.values():
            refuse_long(self.problems, prefix, self.policy, config.engine, length)

    def run(self) -> None:
        """Write ``served.jsonl``, ``load.jsonl``, ``gap.jsonl`` and ``serving.json``.

        Raises:
            EngineError: the server does not start, or an answer does not come, after the retries.
        """
        begin = time.monotonic()
        with closing(self._start()) as server, Bar() as bar:
            ready = time.monotonic() - begin
            client = client_of(server.url, server.key, self.config.engine)
            try:
                served = [item for method in bar.track(self.runs) for item in self._answers(client, method)]
                load = list(self._load(client, bar))
                gaps = [self._gap(server, method) for method in bar.track(self.runs)]
                record = ServingRecord(
                    model=self.model,
                    task=self.task,
                    digest=self.config.serving_digest(self.model, self.task),
                    server=f"vllm {version_of(client)}",
                    versions=versions(),
                    device=processor() if self.policy.device.type == "cpu" else torch.cuda.get_device_name(),
                    start_seconds=ready,
                    cached=_cached(client),
                )
            except (openai.OpenAIError, EngineError, KeyError, TypeError) as error:
                raise EngineError(f"{server.url}: {type(error).__name__}: {error}; {server.last_words()}") from None
        write_records(self.folder / "served.jsonl", served)
        write_records(self.folder / "load.jsonl", load)
        write_records(self.folder / "gap.jsonl", gaps)
        write_json(self.folder / "serving.json", record.model_dump())

    # -- the server ------------------------------------------------------------------------------------------------

    def _start(self) -> LaunchedServer:
        """The base model, each run's adapter by the method's name, and copies of the first for the measurements."""
        adapters = {method: self.runs[method].artifact / ADAPTER for method, rank in self.ranks.items() if rank}
        if adapters:
            first = next(iter(adapters.values()))
            adapters |= {_copy_name(number): first for number in range(max(self.settings.variants))}
        rank = max((rank for rank in self.ranks.values() if rank), default=None)
        arguments = engine_arguments(self._place(self.policy, rank), adapters=max(self.settings.variants))
        if adapters:
            arguments["max_cpu_loras"] = len(adapters)
        return LaunchedServer(arguments, self._base, self.log, self.config.engine.timeout, adapters)

    def _place(self, policy: Policy, adapter_rank: int | None) -> Place:
        return Place(self.config.models[self.model], policy, self.config.engine, adapter_rank, 0, self.log)

    @property
    def _base(self) -> str:
        return self.config.models[self.model].path

    def _name(self, method: str) -> str:
        """What a request asks for: an adapter by its name, otherwise the base model."""
        return method if self.ranks[method] else self._base

    # -- accuracy --------------------------------------------------------------------------------------------------

    def _answers(self, client: openai.OpenAI, method: str) -> list[ServedItem]:
        """The method's greedy answers to the test problems."""
        before, settings = content_of(self.prefixes[method]), self.config.evaluation

        def ask(problem: Problem) -> ServedItem:
            answer = client.chat.completions.create(
                model=self._name(method),
                temperature=0.0,
                max_completion_tokens=settings.max_new_tokens,
                presence_penalty=settings.presence_penalty,
                **asked(problem, before),
            )
            text = answer.choices[0].message.content or ""
            verdict = self.scorer.judge(text, problem)
            return ServedItem(
                method=method,
                id=problem.id,
                decoding="greedy",
                sample=0,
                completion=text,
                extracted=verdict.extracted,
                score=verdict.score,
                tokens=answer.usage.completion_tokens,
                veiled=problem.veiled,
            )

        with ThreadPoolExecutor(self.settings.concurrency) as pool:
            return list(pool.map(ask, self.problems))

    # -- cost ------------------------------------------------------------------------------------------------------

    def _load(self, client: openai.OpenAI, bar: Bar) -> Iterator[LoadRecord]:
        """Measurements of all conditions in turn, so that a slow minute of the machine meets them all.

        Each time another one is the first, so that a machine that grows slower or faster favours none.
        """
        conditions = self._conditions()
        for repeat in bar.track(range(-1, self.settings.repeats)):
            first = repeat % len(conditions)
            for kind, variants, requests in conditions[first:] + conditions[:first]:
                record = self._measure(client, kind, variants, max(repeat, 0), requests)
                if repeat >= 0:
                    yield record

    def _conditions(self) -> list[tuple[str, int, list[tuple[str, Content]]]]:
        """Kind, number of variants, and what the requests take turns in: a served name and parts before the question.

        The copies of an image differ in one level of one pixel, so that no cache takes one for another.
        """
        conditions: list[tuple[str, int, list[tuple[str, Content]]]] = [("no_image", 0, [(self._base, [])])]
        pictures = self._pictures()
        for count in self.settings.variants if pictures else []:
            conditions.append(("image", count, [(self._base, [picture_part(png)]) for png in pictures[:count]]))
        for count in self.settings.variants if any(self.ranks.values()) else []:
            conditions.append(("adapter", count, [(_copy_name(number), []) for number in range(count)]))
        return conditions

    def _pictures(self) -> list[bytes]:
        trained = [method for method in self.runs if self.config.methods[method].kind == "art"]
        shown = [method for method in trained or self.runs if self.prefixes[method].image is not None]
        if not shown:
            return []
        levels = decode_png(self.runs[shown[0]].artifact / IMAGE, self.config.image.size)
        return [png_bytes(_nudged(levels, number)) for number in range(max(self.settings.variants))]

    def _measure(
        self, client: openai.OpenAI, kind: str, variants: int, repeat: int, requests: list[tuple[str, Content]]
    ) -> LoadRecord:
        length = self.config.evaluation.max_new_tokens
        once = client.with_options(max_retries=0)  # a second try must not be measured
        extra = {"ignore_eos": True, "return_token_ids": True}

        def ask(number: int) -> tuple[float, Any]:
            name, before = requests[number % len(requests)]
            begin = time.perf_counter()
            request = asked(self.problems[number % len(self.problems)], before, extra)
            stream = once.chat.completions.create(
                model=name,
                temperature=0.0,
                max_completion_tokens=length,
                stream=True,
                stream_options={"include_usage": True},
                **request,
            )
            first, usage = None, None
            for part in stream:
                # The first part only names the role.  A token need not have text: it may be a special one.
                if first is None and part.choices and getattr(part.choices[0], "token_ids", None):
                    first = time.perf_counter() - begin
                usage = part.usage or usage
            if first is None or usage is None:
                raise EngineError("a streamed answer without token_ids or usage, which vLLM sends: too old?")
            return first, usage

        begin = time.perf_counter()
        with ThreadPoolExecutor(self.settings.concurrency) as pool:
            answers = list(pool.map(ask, range(self.settings.requests)))
        return LoadRecord(
            kind=kind,
            variants=variants,
            repeat=repeat,
            requests=len(answers),
            prompt_tokens=sum(usage.prompt_tokens for _, usage in answers),
            completion_tokens=sum(usage.completion_tokens for _, usage in answers),
            seconds=time.perf_counter() - begin,
            first_token_seconds=statistics.median(first for first, _ in answers),
        )

    # -- log-probabilities -----------------------------------------------------------------------------------------

    @torch.no_grad()
    def _gap(self, server: LaunchedServer, method: str) -> GapRecord:
        """Sample through the server at temperature 1, and score the same tokens by the policy."""
        some, prefix = self.problems[:GAP_PROBLEMS], self.prefixes[method]
        policy = self.policy
        if self.ranks[method]:
            from art.methods.lora import overlay_adapter

            policy = load_policy(self.config.models[self.model])
            overlay_adapter(policy, self.runs[method].artifact / ADAPTER)
        engine = Server(self._place(policy, self.ranks[method]), server)
        engine.ask_for(self._name(method))
        decoding = Decoding(1.0, self.config.evaluation.max_new_tokens)
        rollouts = engine.sample(some, prefix, GAP_COMPLETIONS, decoding)
        rows = torch.arange(len(some)).repeat_interleave(GAP_COMPLETIONS)
        ours = policy.logprobs(policy.prefill(some, prefix).rows(rows), rollouts.tokens, rollouts.mask, 1.0)
        found = measure_gap(ours[rollouts.mask], rollouts.logprobs[rollouts.mask])
        return GapRecord(
            method=method, tokens=found.tokens, mean=found.mean, maximum=found.maximum, effective=found.effective
        )


def _copy_name(number: int) -> str:
    return f"copy-{number}"


def _nudged(levels: Levels, number: int) -> Levels:
    """The picture with one level changed by one, each number at another place; 0 leaves it as it is."""
    changed = levels.copy()
    if number:
        changed.reshape(-1)[number] ^= 1
    return changed


def _cached(client: openai.OpenAI) -> dict[str, float]:
    """Share of hits in the server's caches, from its own counters: of tokens for prefixes, of pictures for images."""
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
