"""Where data sets are read from, and the messages when they are missing or have another form."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import huggingface_hub
import pytest
from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, LocalEntryNotFoundError
from huggingface_hub.utils import are_progress_bars_disabled, enable_progress_bars
from published import (
    gpqa_rows,
    gsm8k_rows,
    section,
    svamp_rows,
    toolmind_row,
    turn,
    user,
    write_gpqa,
    write_lines,
)

from art.config.sections import TaskSection
from art.errors import ConfigError, RecordError
from art.tasks.candidate import Candidate
from art.tasks.published import gpqa, gsm8k, svamp, toolmind
from art.tasks.source import local_files

REVISION = "0123456789abcdef" * 2 + "01234567"


def fault(reader: Any, path: Path | None) -> str:
    with pytest.raises((RecordError, ConfigError)) as caught:
        list(reader.read("mine", section("numeric", path)))
    return str(caught.value)


def test_nothing_named_nothing_there_nothing_of_the_name(tmp_path: Path) -> None:
    assert "tasks.mine.source: missing; give path" in fault(gsm8k, None)
    message = fault(gsm8k, tmp_path / "none")
    assert "tasks.mine.source.path" in message and f"{tmp_path}/none does not exist" in message
    write_lines(tmp_path / "train.jsonl", gsm8k_rows("train", 2))
    message = fault(gsm8k, tmp_path)
    assert "train.jsonl and test.jsonl; nor main/train-*.parquet and main/test-*.parquet" in message
    assert message.startswith(f"tasks.mine.source: {tmp_path} does not hold ")


@pytest.mark.parametrize(
    ("name", "content", "reader", "parts"),
    [
        ("a.jsonl", b'{"question": "q", "answer": "#### 1"}\n{"question', gsm8k, ["a.jsonl:2: not JSON"]),
        ("a.jsonl", b'\n{"question": "q"}', gsm8k, ["a.jsonl:1: not JSON"]),
        ("a.jsonl", b'{"question": "q", "answr": "1"}', gsm8k, ["a.jsonl:1: ", "'answer'"]),
        ("a.jsonl", b'{"question": "q", "answer": "4"}', gsm8k, ["a.jsonl:1: ", "#### NUMBER", "'answer'"]),
        ("a.jsonl", b'{"question": "q", "answer": "#### "}', gsm8k, ["a.jsonl:1: ", "#### NUMBER"]),
        ("a.jsonl", b'{"question": " ", "answer": "#### 4"}', gsm8k, ["a.jsonl:1: ", "'question'"]),
        ("a.jsonl", b'{"conversations": [], "tools": {}}', toolmind, ["a.jsonl:1: ", "'conversations' and 'tools'"]),
        ("a.jsonl", b'{"conversations": {}, "tools": []}', toolmind, ["a.jsonl:1: ", "'conversations' and 'tools'"]),
        ("a.jsonl", b'[1, 2]', gsm8k, ["a.jsonl:1: not an object"]),
        ("a.jsonl", b'\xff\xfe', gsm8k, ["a.jsonl", "cannot be read"]),
        ("a.json", b'[{"Body": "b"}]', svamp, ["a.json: record 1: ", "'Question'"]),
        ("a.json", b'[{"Body": "b"', svamp, ["a.json", "JSON"]),
        ("a.jsonl", b'{"conversation": []}', toolmind, ["a.jsonl:1: ", "'conversations' and 'tools'"]),
        ("a.csv", b'Question,Answer\n1\n', gpqa, ["a.csv: record 1: ", "not as many fields"]),
        ("a.csv", b'Question,Answer\n1,2,3\n', gpqa, ["a.csv: record 1: ", "not as many fields"]),
        ("a.csv", b'Question,Answer\nx,y\n', gpqa, ["a.csv: record 1: ", "'Correct Answer'"]),
        ("a.csv", b'Question,Answer\n"x,y\n', gpqa, ["a.csv", "cannot be read"]),
        ("a.parquet", b'PAR1 and no more', gsm8k, ["a.parquet: not Parquet"]),
        ("a.parquet", b'', gsm8k, ["a.parquet"]),
        ("a.xml", b'<a/>', gsm8k, ["a.xml", ".jsonl, .json, .csv, .parquet"]),
    ],
)  # fmt: skip
def test_a_file_of_another_form_is_named_with_its_line(
    tmp_path: Path, name: str, content: bytes, reader: Any, parts: list[str]
) -> None:
    (tmp_path / name).write_bytes(content)
    message = fault(reader, tmp_path / name)
    assert [part for part in parts if part not in message] == []


def test_half_a_character_is_dropped(tmp_path: Path) -> None:
    row = {"question": "Why \ud83d?", "answer": "#### 1"}
    (found,) = gsm8k.read("mine", section("numeric", write_lines(tmp_path / "a.jsonl", [row])))
    assert found == ("all", "broken_character")


def hub(repository: str = "some/one") -> TaskSection:
    return TaskSection.model_validate({"scorer": "numeric", "source": {"repository": repository, "revision": REVISION}})


def test_the_hub_is_asked_for_one_commit_and_the_files_that_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: dict[str, Any] = {}

    def snapshot(repository: str, **options: Any) -> str:
        asked.update(options, repository=repository, silent=are_progress_bars_disabled())
        return str(tmp_path)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot)
    enable_progress_bars()
    write_lines(tmp_path / "SVAMP.json", svamp_rows(3))
    assert len(list(svamp.read("svamp", hub()))) == 3
    assert asked == {
        "repository": "some/one",
        "silent": True,
        "repo_type": "dataset",
        "revision": REVISION,
        "allow_patterns": ["SVAMP.json", "data/train-*.parquet", "data/test-*.parquet"],
    }
    assert svamp.origin(hub()) == {"repository": "some/one", "revision": REVISION}


@pytest.mark.parametrize(
    ("kind", "parts"),
    [
        (GatedRepoError, ["accept their conditions", "hf auth login"]),
        (HfHubHTTPError, ["cannot be read from the hub (first line)", "path"]),
        (LocalEntryNotFoundError, ["cannot be read from the hub (first line)", "path"]),
        (TimeoutError, ["cannot be read from the hub (TimeoutError)", "path"]),
    ],
)
def test_what_the_hub_refuses(monkeypatch: pytest.MonkeyPatch, kind: type[Exception], parts: list[str]) -> None:
    def snapshot(repository: str, **options: Any) -> str:
        response = SimpleNamespace(headers={}, request=None)
        options = {"response": response} if issubclass(kind, HfHubHTTPError) else {}
        raise kind() if kind is TimeoutError else kind("first line\nsecond", **options)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot)
    with pytest.raises(ConfigError) as caught:
        list(gpqa.read("gpqa", hub()))
    wanted = ["tasks.gpqa.source", "some/one", REVISION, *parts]
    assert [part for part in wanted if part not in str(caught.value)] == []


def test_files_are_read_in_the_order_of_their_names(tmp_path: Path) -> None:
    rows = [toolmind_row(user(f"Is it {n} degrees?"), turn(("weather", {"city": "Rome"}))) for n in range(20)]
    for n in reversed(range(20)):
        write_lines(tmp_path / f"{n:02}.jsonl", [rows[n]])
    found = list(toolmind.read("toolmind", section("tool_call", tmp_path)))
    assert [one.text for one in found if isinstance(one, Candidate)] == [f"Is it {n} degrees?" for n in range(20)]
    assert local_files(section("tool_call", tmp_path)) == [f"{tmp_path}/{n:02}.jsonl" for n in range(20)]


def test_a_rule_can_name_local_files_and_the_hub_has_none(tmp_path: Path) -> None:
    write_gpqa(tmp_path / "sub/a.csv", gpqa_rows(1))
    (tmp_path / "b").touch()
    assert local_files(section("numeric", tmp_path)) == [os.path.join(tmp_path, "b"), f"{tmp_path}/sub/a.csv"]
    assert local_files(section("numeric", tmp_path / "b")) == [f"{tmp_path}/b"]
    assert local_files(section("numeric", tmp_path / "missing")) == [f"{tmp_path}/missing"]
    assert local_files(hub()) == local_files(section("numeric", None)) == []
