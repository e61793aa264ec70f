"""ToolMind (Yang et al. 2025, Apache-2.0): ``conversations`` and the ``tools`` on offer; JSON lines.

A record is a conversation up to one turn of the assistant.  The problem is to make this turn's call after the
conversation before it.  The turn's reasoning is left out, and a record fits only if the turn makes exactly one call, of
a tool on offer.  Records of one conversation begin with the same question, so they count once and are never in two
splits.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from art.config.sections import TaskSection
from art.errors import RecordError
from art.store.problem import Problem
from art.tasks.candidate import Candidate, Dropped, Unfit, make_problem
from art.tasks.published.tool_definitions import call, definition, gold_answer
from art.tasks.source import Layout, origin, read_files

__all__ = ["origin", "read"]

# Marks of chat templates: some records contain them, and a model would read them as marks of its own template.
_MARK = re.compile(r"<\|\w+\|>")

LAYOUTS: tuple[Layout, ...] = ({"all": "*_datasets/*.jsonl"}, {"all": "*.jsonl"})


def read(task: str, section: TaskSection) -> Iterator[Candidate | Dropped]:
    """See ``art.tasks.candidate.Reader``."""
    return read_files(task, section, LAYOUTS, convert)


def convert(row: dict[str, Any]) -> tuple[str, Problem]:
    """The conversation's first question, and the problem of its last turn."""
    conversation, tools = row.get("conversations"), row.get("tools")
    if not isinstance(conversation, list) or not isinstance(tools, list):
        raise RecordError("no lists under 'conversations' and 'tools'")
    *before, last = [_message(message) for message in conversation] or [{}]
    if not last.get("tool_calls"):
        raise Unfit("no_call")
    if len(last["tool_calls"]) > 1:
        raise Unfit("several_calls")
    wanted = last["tool_calls"][0]["function"]
    offered = [definition(tool) for tool in tools]
    if wanted["name"] not in {tool["function"]["name"] for tool in offered}:
        raise Unfit("call_of_no_tool_on_offer")
    spoken = before[1:] if before and before[0]["role"] == "system" else before
    if not spoken or spoken[0]["role"] != "user" or any(message["role"] == "system" for message in spoken):
        raise Unfit("malformed_conversation")
    if _MARK.search(json.dumps([before, offered], ensure_ascii=False)):
        raise Unfit("chat_mark")
    question = spoken[0]["content"]
    messages = before if len(before) > 1 else None
    return question, make_problem(question, gold_answer(wanted), tools=offered, messages=messages)


def _message(message: Any) -> dict[str, Any]:
    """A message with only the fields that chat templates read.

    Raises:
        Unfit: the role is unknown, a text is missing, or a call is malformed.
    """
    role, content = (message.get("role"), message.get("content")) if isinstance(message, dict) else (None, None)
    calls = message.get("tool_calls") or [] if role == "assistant" else []
    if role == "tool" and not isinstance(content, str):  # some results are lists or objects
        content = json.dumps(content, ensure_ascii=False)
    content = "" if content is None else content
    if role not in ("system", "user", "assistant", "tool") or not isinstance(content, str):
        raise Unfit("malformed_conversation")
    if not isinstance(calls, list) or (role == "user" and not content.strip()):
        raise Unfit("malformed_conversation")
    plain: dict[str, Any] = {"role": role, "content": content}
    if calls:
        plain["tool_calls"] = [{"type": "function", "function": call(one)} for one in calls]
    return plain
