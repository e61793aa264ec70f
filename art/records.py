"""The files' schemas with their readers and writers: Problem, Item, StepRecord, RunRecord.

Every writer goes through a temporary file and an atomic rename, so a partial file never looks complete; every
reader names the file and the line that it cannot take.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import shutil
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    ValidationError,
    model_serializer,
    model_validator,
)


class RecordError(ValueError):
    """A file that does not hold what it should; the message names file and line."""


class Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class VeiledRecord(Record):
    """A record that can be kept from being read by chance, as the authors of some data sets ask.

    Veiled, its line in a file is ``{"veiled": TEXT}``: the record's JSON, compressed, in base64.  That is no
    encryption; it keeps examples out of searches, crawls and the sight of people who look through files.
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
    answer: str = Field(min_length=1, description="reference in the form of the task's scorer, see art/scoring")
    solution: str | None = Field(None, description="reference completion, for the supervised objective")
    tools: list[dict[str, Any]] | None = Field(None, description="tool definitions for the chat template")
    messages: list[dict[str, Any]] | None = Field(
        None,
        description="conversation so far for the chat template, the question its first message of a user; "
        "null: the question alone",
    )
    topic: str | None = Field(None, description="free label, for reports")

    @property
    def quoted_answer(self) -> str:
        """The reference as a message may show it: not that of a veiled problem."""
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
            raise ValueError("messages: the first message of a user is not the question")
        return self


class Item(VeiledRecord):
    """One line of ``items.jsonl``: one completion of one test problem."""

    id: str
    decoding: Literal["greedy", "sampled"]
    sample: int = Field(ge=0, description="0 for greedy; the sample's number otherwise")
    completion: str
    extracted: str | None = Field(None, description="the answer as the scorer read it; null when there is none")
    score: int = Field(ge=0, le=1)
    tokens: int = Field(ge=0, description="completion tokens, end token included")


class StepRecord(Record):
    """One line of ``train.jsonl``: one optimisation step (or the state before the first, step 0)."""

    step: int = Field(ge=0)
    reward: float | None = Field(None, description="mean training reward of the sampled completions")
    accuracy: float | None = Field(None, description="share of sampled completions that score 1")
    updates: int | None = Field(None, description="optimiser updates of the step; the next three are means over them")
    loss: float | None = None
    gradient_norm: float | None = None
    ratio_clipped: float | None = Field(None, description="share of tokens whose ratio was clipped")
    entropy: float | None = Field(None, description="mean negative log-probability of the sampled tokens (nats)")
    gap_mean: float | None = Field(
        None, description="mean absolute difference of the policy's and the engine's log-probabilities (nats a token)"
    )
    gap_max: float | None = Field(None, description="the largest")
    gap_tokens: int | None = Field(None, description="tokens that these are over: those of the groups kept")
    effective_share: float | None = Field(
        None, description="effective sample size of the tokens' untruncated importance weights, as a share of them"
    )
    groups: int | None = Field(None, description="groups sampled, resamples included")
    groups_dropped: int | None = Field(None, description="groups left out because all rewards were equal")
    prompt_tokens: int | None = Field(None, description="prompt tokens of the step, prefix included")
    completion_tokens: int | None = None
    seconds: dict[str, float] | None = Field(None, description="wall time by phase: rollout, forward, backward, ...")
    validation_accuracy: float | None = Field(None, description="greedy, on the validation problems of the config")
    detail: dict[str, float] | None = Field(None, description="what the method says of itself, e.g. image distance")


class RunRecord(Record):
    """``run.json`` (training) and ``evaluation.json``: what is needed to trust and repeat a result."""

    command: str
    model: str
    task: str
    method: str
    kind: str
    seed: int
    digest: str = Field(description="hash of the settings that the result depends on")
    config: dict[str, Any] = Field(description="the resolved configuration")
    versions: dict[str, str]
    revision: str | None = Field(description="git revision of the project, '+' appended when the tree was dirty")
    device: str
    engine: str | None = Field(None, description="what sampled, with its version; null where nothing did")
    threads: int
    seconds: dict[str, float] = Field(description="wall time by phase; 'total' is the process, start-up included")
    peak_memory_bytes: int
    trained_numbers: int
    prefix_tokens: int = Field(description="tokens that the method puts before the question")
    prompt_tokens: int = Field(description="prompt tokens processed, prefix included")
    completion_tokens: int = Field(description="tokens sampled")
    steps: int


class ServedItem(Item):
    """One line of ``served.jsonl``: a test problem, answered through a server by a client that knows nothing of us."""

    method: str


class LoadRecord(Record):
    """One line of ``load.jsonl``: requests to a server, measured together; every completion is of full length."""

    kind: Literal["no_image", "image", "adapter"]
    variants: int = Field(ge=0, description="different images, or adapters, that the requests took turns in")
    repeat: int = Field(ge=0)
    requests: int
    prompt_tokens: int
    completion_tokens: int
    seconds: float = Field(description="from the first request to the last answer")
    first_token_seconds: float = Field(description="median over requests, from sending one to its first token")


class GapRecord(Record):
    """One line of ``gap.jsonl``: the server's log-probabilities of sampled tokens against the policy's."""

    method: str
    tokens: int
    mean: float = Field(description="absolute difference, nats a token")
    maximum: float
    effective: float = Field(description="effective sample size of the importance weights, as a share of the tokens")


class ServingRecord(Record):
    """``serving.json``: what the other files of a serving check come from."""

    model: str
    task: str
    digest: str = Field(description="hash of the settings that the check depends on")
    server: str
    versions: dict[str, str]
    device: str
    start_seconds: float = Field(description="until the server was ready")
    cached: dict[str, float] = Field(description="share of queries to the server's caches that hit, by cache")


AnyRecord = TypeVar("AnyRecord", bound=Record)


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


def read_records(path: Path, kind: type[AnyRecord]) -> list[AnyRecord]:
    """Read a JSON-lines file.

    Raises:
        RecordError: file missing, a line not JSON or not of the schema (file:line), or no line at all.
    """
    records: list[AnyRecord] = []
    for number, line in numbered_lines(path):
        try:
            records.append(kind.model_validate_json(line))
        except ValidationError as error:
            raise invalid(f"{path}:{number}", error) from None
    if not records:
        raise RecordError(f"{path}: holds no {kind.__name__}")
    return records


def read_record(path: Path, kind: type[AnyRecord]) -> AnyRecord:
    """Read a JSON file that is one record.

    Raises:
        RecordError: file missing, not JSON (which line, which column) or not of the schema (which key).
    """
    try:
        return kind.model_validate_json(_text(path))
    except ValidationError as error:
        raise invalid(str(path), error) from None


def invalid(where: str, error: ValidationError) -> RecordError:
    """What is wrong first with the record at a place, file or file:line."""
    fault = error.errors()[0]
    key = ".".join(str(part) for part in fault["loc"])
    return RecordError(f"{where}: {key + ': ' if key else ''}{fault['msg']}")


def numbered_lines(path: Path) -> list[tuple[int, str]]:
    """Lines of a text file with their numbers from 1.

    Only line feeds part them: JSON leaves U+2028 and the like as they are, where ``str.splitlines`` would cut.

    Raises:
        RecordError: the file is missing or not UTF-8.
    """
    text = _text(path)
    return list(enumerate(text.removesuffix("\n").split("\n"), start=1)) if text else []


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RecordError(f"{path}: cannot be read: {error}") from None


def write_records(path: Path, records: Iterable[Record]) -> None:
    """Write a JSON-lines file atomically."""
    with atomic_path(path) as partial, partial.open("w", encoding="utf-8") as stream:
        for record in records:
            stream.write(record.model_dump_json(exclude_none=True) + "\n")


def write_json(path: Path, value: Any) -> None:
    """Write indented JSON atomically; keys keep their order, which figures and tables follow."""
    with atomic_path(path) as partial:
        partial.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def read_json(path: Path) -> Any:
    """Read JSON; raises RecordError naming the file."""
    try:
        return json.loads(_text(path))
    except json.JSONDecodeError as error:
        raise RecordError(f"{path}: cannot be read as JSON: {error}") from None


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary sibling of ``path``; on success flush it to disk and rename it into place."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        yield partial
        _flush(partial)
        partial.replace(path)
        _flush(path.parent)
    except OSError as error:
        error.filename = error.filename or str(path)  # a full disk names no file of itself
        raise
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Yield a temporary sibling folder to fill; on success it is flushed and renamed to ``path``."""
    partial = path.with_name(f".{path.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    yield partial
    for written in (*partial.rglob("*"), partial):
        _flush(written)
    shutil.rmtree(path, ignore_errors=True)
    partial.rename(path)
    _flush(path.parent)


def _flush(path: Path) -> None:
    """Write a file's content, or a folder's entries, to the disk: a power cut must not undo what a rename promises."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
