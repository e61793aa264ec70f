"""One problem of a task, as stored in a problem file."""

from __future__ import annotations

import base64
import hashlib
import json
import unicodedata
import zlib
from typing import Any

from pydantic import (
    Field,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)

from art.files import Record


class VeiledRecord(Record):
    """A record that can be hidden from accidental reading, as the authors of some data sets ask.

    The line of a veiled record in a file is ``{"veiled": TEXT}``: the record's JSON, compressed, in base64.  This is
    not encryption; it hides examples from searches, crawlers and people who look through files.
    """

    veiled: bool = Field(False, description="never in plain text on disk")

    @model_validator(mode="before")
    @classmethod
    def _unveil(cls, given: Any) -> Any:
        if not (isinstance(given, dict) and isinstance(given.get("veiled"), str)):
            return given
        try:
            return json.loads(zlib.decompress(base64.b64decode(given["veiled"], validate=True)))
        except (ValueError, zlib.error):
            raise ValueError("veiled: damaged, not a compressed record in base64") from None

    @model_serializer(mode="wrap")
    def _veil(self, plain: SerializerFunctionWrapHandler) -> dict[str, Any]:
        fields = plain(self)
        if self.veiled:
            return {"veiled": base64.b64encode(zlib.compress(json.dumps(fields).encode())).decode()}
        return {name: value for name, value in fields.items() if name != "veiled"}


class Problem(VeiledRecord):
    """One line of a task's problem file (``results/tasks/{task}/{train,validation,test}.jsonl``)."""

    id: str = Field(description="content hash, see problem_id")
    question: str = Field(min_length=1, description="the user's message, format instruction included")
    answer: str = Field(min_length=1, description="gold answer in the form of the task's scorer, see art/scoring")
    solution: str | None = Field(None, description="gold completion, for the supervised objective")
    tools: list[dict[str, Any]] | None = Field(None, description="tool definitions for the chat template")
    messages: list[dict[str, Any]] | None = Field(
        None,
        description="conversation so far, for the chat template; its first user message is the question; "
        "null: the question alone",
    )
    topic: str | None = Field(None, description="free label, for reports")

    @property
    def quoted_answer(self) -> str:
        """The gold answer as an error message may show it; that of a veiled problem is hidden."""
        return "(veiled)" if self.veiled else repr(self.answer)

    @model_validator(mode="after")
    def _id_is_content(self) -> Problem:
        expected = problem_id(self.question, self.answer, self.tools, self.messages)
        if self.id != expected:
            raise ValueError(f"id {self.id!r} is not the content hash {expected!r}")
        return self

    @model_validator(mode="after")
    def _question_is_asked_first(self) -> Problem:
        asked = [message.get("content") for message in self.messages or [] if message.get("role") == "user"]
        if self.messages is not None and asked[:1] != [self.question]:
            raise ValueError("messages: the first user message is not the question")
        return self


def problem_id(
    question: str,
    answer: str,
    tools: list[dict[str, Any]] | None = None,
    messages: list[dict[str, Any]] | None = None,
) -> str:
    """Content hash of a problem: first 16 hex digits of a SHA-256."""
    parts = [question, answer, tools] if messages is None else [question, answer, tools, messages]
    content = json.dumps(parts, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(content.encode()).hexdigest()[:16]


def text_hash(text: str) -> str:
    """Hash of a question's text that ignores case, differences of white space, and compatible characters (NFKC)."""
    normal = " ".join(unicodedata.normalize("NFKC", text).casefold().split())
    return hashlib.sha256(normal.encode()).hexdigest()
