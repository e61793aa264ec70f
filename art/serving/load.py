"""Measure what images and adapters cost a server: throughput and time to the first token."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Literal

import openai
from rich.progress import Progress as Bar

from art.config.sections import ServingSection
from art.pictures.png import Levels, decode_png, png_bytes
from art.rollouts.engines import EngineError
from art.rollouts.server_engine import asked, picture_part
from art.serving.served import Served
from art.store.artifact import IMAGE
from art.store.problem import Problem
from art.store.records import LoadRecord

Content = list[dict[str, Any]]


@dataclass(frozen=True)
class Condition:
    """One condition of the measurements.

    Attributes:
        kind: what the requests use.
        variants: how many different images or adapters there are; 0 for no image.
        requests: the served names and the message parts before the question; requests use them in turn.
    """

    kind: Literal["no_image", "image", "adapter"]
    variants: int
    requests: list[tuple[str, Content]]


def conditions(base: str, served: Sequence[Served], variants: Sequence[int]) -> list[Condition]:
    """Conditions without an image, with images and with adapters; ``base`` is the name of the base model.

    The copies of an image differ in one level of one pixel, so that no cache takes one for another.
    """
    found = [Condition("no_image", 0, [(base, [])])]
    shown = _shown(served)
    size = shown and shown.artifact.image_size
    if shown and size:
        levels = decode_png(shown.folder / IMAGE, size)
        pictures = [png_bytes(_nudged(levels, number)) for number in range(max(variants))]
        found += [
            Condition("image", count, [(base, [picture_part(png)]) for png in pictures[:count]]) for count in variants
        ]
    if any(one.rank for one in served):
        found += [
            Condition("adapter", count, [(copy_name(number), []) for number in range(count)]) for count in variants
        ]
    return found


def copy_name(number: int) -> str:
    """Name of an adapter's copy on the server."""
    return f"copy-{number}"


def measurements(
    client: openai.OpenAI,
    found: Sequence[Condition],
    problems: Sequence[Problem],
    settings: ServingSection,
    max_new_tokens: int,
    bar: Bar,
) -> Iterator[LoadRecord]:
    """Measure all conditions in turn, round by round, so that a slow minute of the machine affects them all.

    Each round begins with another condition, so that a machine that becomes slower or faster favours none.  The first
    round is not recorded.

    Raises:
        openai.OpenAIError: a request failed; none is tried again, since the second try would be measured too.
        EngineError: the server does not stream as vLLM does.
    """
    once = client.with_options(max_retries=0)
    for repeat in bar.track(range(-1, settings.repeats)):
        first = repeat % len(found)
        for condition in [*found[first:], *found[:first]]:
            record = _measure(once, condition, max(repeat, 0), problems, settings, max_new_tokens)
            if repeat >= 0:
                yield record


def _measure(
    client: openai.OpenAI,
    condition: Condition,
    repeat: int,
    problems: Sequence[Problem],
    settings: ServingSection,
    max_new_tokens: int,
) -> LoadRecord:
    extra = {"ignore_eos": True, "return_token_ids": True}

    def ask(number: int) -> tuple[float, Any]:
        name, before = condition.requests[number % len(condition.requests)]
        begin = time.perf_counter()
        stream = client.chat.completions.create(
            model=name,
            temperature=0.0,
            max_completion_tokens=max_new_tokens,
            stream=True,
            stream_options={"include_usage": True},
            **asked(problems[number % len(problems)], before, extra),
        )
        first, usage = None, None
        for part in stream:
            # The first part only names the role.  We look for ids, since a special token has no text.
            if first is None and part.choices and getattr(part.choices[0], "token_ids", None):
                first = time.perf_counter() - begin
            usage = part.usage or usage
        if first is None or usage is None:
            raise EngineError("a streamed answer without token_ids or usage, which vLLM sends: too old?")
        return first, usage

    begin = time.perf_counter()
    with ThreadPoolExecutor(settings.concurrency) as pool:
        answers = list(pool.map(ask, range(settings.requests)))
    return LoadRecord(
        kind=condition.kind,
        variants=condition.variants,
        repeat=repeat,
        requests=len(answers),
        prompt_tokens=sum(usage.prompt_tokens for _, usage in answers),
        completion_tokens=sum(usage.completion_tokens for _, usage in answers),
        seconds=time.perf_counter() - begin,
        first_token_seconds=statistics.median(first for first, _ in answers),
    )


def _shown(served: Sequence[Served]) -> Served | None:
    """The first artifact that is a trained image, else the first that is an image; None without images."""
    images = [one for one in served if one.artifact.image_size is not None]
    trained = [one for one in images if one.artifact.trained_numbers]
    return next(iter(trained or images), None)


def _nudged(levels: Levels, number: int) -> Levels:
    """The picture with level ``number`` changed by one; number 0 leaves the picture unchanged."""
    changed = levels.copy()
    if number:
        changed.reshape(-1)[number] ^= 1
    return changed
