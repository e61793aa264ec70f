"""Reading and writing of files: atomic renames, records, errors with file and line."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import pytest
from tiny_world import full_disk

from art.errors import RecordError
from art.files import (
    atomic_folder,
    atomic_path,
    read_json,
    read_record,
    read_records,
    write_json,
    write_records,
)
from art.store.problem import Problem, problem_id
from art.store.records import Item, StepRecord

# Characters that may stand in JSON text and at which str.splitlines would cut.
ODD = "a\u2028b\u2029c\x85d\x0be\x0cf\x1cg\r\nh"


def problem(question: str = "How many?") -> Problem:
    return Problem(id=problem_id(question, "1"), question=question, answer="1")


def test_records_come_back_whatever_they_hold(tmp_path: Path) -> None:
    item = Item(id="x", decoding="greedy", sample=0, completion=ODD, score=0, tokens=3)
    write_records(tmp_path / "items.jsonl", [item, item])
    assert read_records(tmp_path / "items.jsonl", Item) == [item, item]
    write_records(tmp_path / "problems.jsonl", [problem(ODD)])
    assert read_records(tmp_path / "problems.jsonl", Problem) == [problem(ODD)]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "Invalid JSON"),
        ("", "Invalid JSON"),
        ("[]", "object"),
        ('{"question": "q", "answer": "1"}', "id: Field required"),
        ('{"id": "0", "question": "q", "answer": "1"}', "not the content hash"),
        ('{"id": "0", "question": 3, "answer": "1"}', "question: "),
        ('{"id": "0", "question": "q", "answer": "1", "extra": 1}', "extra: "),
        ('{"id": "0", "question": "q", "answer": "1", "tools": [1]}', r"tools\.0: "),
        ('{"id": "0", "question": "", "answer": "1"}', "question: String should have at least 1 character"),
        ('{"id": "0", "question": "q", "answer": ""}', "answer: String should have at least 1 character"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, line: str, message: str) -> None:
    path = tmp_path / "train.jsonl"
    path.write_text(f"{problem().model_dump_json()}\n{line}\n{problem().model_dump_json()}\n")
    with pytest.raises(RecordError, match=rf"train\.jsonl:2: .*{message}"):
        read_records(path, Problem)


GREEDY = {"id": "x", "decoding": "greedy", "sample": 0, "completion": "", "score": 1, "tokens": 0}
LOAD = {"kind": "image", "variants": 0, "repeat": 0} | dict.fromkeys(
    ("requests", "prompt_tokens", "completion_tokens", "seconds", "first_token_seconds"), 1
)


def test_missing_empty_and_binary_files_are_named(tmp_path: Path) -> None:
    path = tmp_path / "train.jsonl"
    with pytest.raises(RecordError, match=r"train\.jsonl: cannot be read"):
        read_records(path, Problem)
    path.write_text("")
    with pytest.raises(RecordError, match=r"train\.jsonl: holds no Problem"):
        read_records(path, Problem)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(RecordError, match=r"train\.jsonl: cannot be read"):
        read_records(path, Problem)
    with pytest.raises(RecordError, match=r"train\.jsonl: cannot be read: "):
        read_json(path)
    path.write_text("{\n")
    with pytest.raises(RecordError, match=r"train\.jsonl: cannot be read as JSON: .*line 2"):
        read_json(path)


def test_json_keeps_its_order_and_its_letters(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"b": "\u00e9", "a": [1]})
    assert (tmp_path / "a.json").read_bytes() == '{\n  "b": "\u00e9",\n  "a": [\n    1\n  ]\n}\n'.encode()
    assert read_json(tmp_path / "a.json") == {"b": "\u00e9", "a": [1]}


@pytest.mark.parametrize(
    ("text", "message"),
    [('{\n"step": }', "Invalid JSON: .*line 2"), ('{"loss": 1}', "step: Field required"), ("[]", "object")],
)
def test_a_file_of_one_record_is_named_with_its_fault(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "run.json"
    with pytest.raises(RecordError, match=r"run\.json: cannot be read"):
        read_record(path, StepRecord)
    path.write_text(text)
    with pytest.raises(RecordError, match=rf"run\.json: .*{message}"):
        read_record(path, StepRecord)
    path.write_text('{"step": 3}')
    assert read_record(path, StepRecord) == StepRecord(step=3)


def test_an_atomic_file_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "deep/file.json"
    write_json(path, {"a": 1})
    with pytest.raises(KeyboardInterrupt), atomic_path(path) as partial:
        assert partial.name == f".file.json.{os.getpid()}.partial", "another process writes another file"
        partial.write_text("half")
        raise KeyboardInterrupt
    assert json.loads(path.read_text()) == {"a": 1}
    assert [one.name for one in path.parent.iterdir()] == ["file.json"]


def test_what_is_renamed_is_on_the_disk_before_and_its_name_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    flush = os.fsync
    monkeypatch.setattr(os, "fsync", lambda one: (done.append(os.readlink(f"/proc/self/fd/{one}")), flush(one)))
    for name in ("rename", "replace"):
        move = getattr(Path, name)
        monkeypatch.setattr(Path, name, lambda self, to, move=move: (done.append("renamed"), move(self, to)))
    write_json(tmp_path / "file.json", 1)
    file, *rest = done
    assert file.endswith(".partial") and rest == ["renamed", str(tmp_path)]
    done.clear()
    with atomic_folder(tmp_path / "folder") as partial:
        (partial / "deep").mkdir()
        (partial / "deep/file").write_text("a")
    assert set(done[:3]) == {str(partial), str(partial / "deep"), str(partial / "deep/file")}
    assert done[3:] == ["renamed", str(tmp_path)]


def test_an_atomic_folder_holds_nothing_of_an_earlier_attempt(tmp_path: Path) -> None:
    folder = tmp_path / "deep/folder"
    for name in ("first", "second"):
        with pytest.raises(KeyboardInterrupt), atomic_folder(folder) as partial:
            (partial / "half").write_text("half")
            raise KeyboardInterrupt
        with atomic_folder(folder) as partial:
            (partial / name).write_text(name)
        assert [path.name for path in folder.iterdir()] == [name]
        assert list(folder.parent.iterdir()) == [folder]


def test_a_full_disk_leaves_nothing_and_names_the_file(tmp_path: Path) -> None:
    path = tmp_path / "train.jsonl"
    records = [StepRecord(step=number, detail={"a": 1.0}) for number in range(1000)]
    with full_disk(4096), pytest.raises(OSError, match=r"train\.jsonl") as caught:
        write_records(path, records)
    assert caught.value.errno == errno.EFBIG
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_keeps_the_older_artifact_and_checkpoint(tmp_path: Path) -> None:
    import numpy as np
    import torch

    from art.pictures.png import encode_png, uniform_noise
    from art.store.artifact import Artifact, artifact_folder, read_artifact
    from art.training.progress import Progress, load_progress, save_progress

    folder = tmp_path / "artifact"
    with artifact_folder(folder, Artifact(kind="art", image_size=8)) as partial:
        encode_png(uniform_noise(8, np.random.default_rng(0)), partial / "image.png")
    with (
        full_disk(4096),
        pytest.raises(OSError),
        artifact_folder(folder, Artifact(kind="art", image_size=64)) as partial,
    ):
        encode_png(uniform_noise(64, np.random.default_rng(0)), partial / "image.png")
    assert read_artifact(folder).image_size == 8

    parameters = {"free": torch.nn.Parameter(torch.zeros(10))}
    optimiser = torch.optim.Adam(parameters.values(), lr=0.1)
    save_progress(tmp_path / "state", {}, Progress(1, [], {"total": 1.0}), parameters, optimiser)
    large = {"free": torch.nn.Parameter(torch.zeros(10_000))}
    with full_disk(4096), pytest.raises(OSError, match="state"):
        save_progress(
            tmp_path / "state", {}, Progress(2, [], {"total": 2.0}), large, torch.optim.Adam(large.values(), lr=1)
        )
    kept = load_progress(tmp_path / "state", {}, parameters, optimiser)
    assert kept is not None and kept.step == 1
