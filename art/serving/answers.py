"""Ask the server for an artifact's greedy answers to the test problems, and score them."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import openai

from art.config.sections import EvaluationSection
from art.rollouts.server_engine import asked, content_of
from art.scoring import Scorer
from art.serving.served import Served
from art.store.problem import Problem
from art.store.records import ServedItem


def answers(
    client: openai.OpenAI,
    served: Served,
    problems: Sequence[Problem],
    scorer: Scorer,
    settings: EvaluationSection,
    concurrency: int,
) -> list[ServedItem]:
    """Ask ``concurrency`` questions at a time, as a plain client does, and score the answers.

    Raises:
        openai.OpenAIError: a request failed, also after its retries.
    """
    before = content_of(served.prefix)

    def ask(problem: Problem) -> ServedItem:
        answer = client.chat.completions.create(
            model=served.name,
            temperature=0.0,
            max_completion_tokens=settings.max_new_tokens,
            presence_penalty=settings.presence_penalty,
            **asked(problem, before),
        )
        text = answer.choices[0].message.content or ""
        verdict = scorer.judge(text, problem)
        return ServedItem(
            method=served.method,
            id=problem.id,
            decoding="greedy",
            sample=0,
            completion=text,
            extracted=verdict.extracted,
            score=verdict.score,
            tokens=answer.usage.completion_tokens,
            veiled=problem.veiled,
        )

    with ThreadPoolExecutor(concurrency) as pool:
        return list(pool.map(ask, problems))
