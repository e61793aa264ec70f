"""GSM8K and SVAMP in their published forms."""

from __future__ import annotations

import json
from pathlib import Path

import duckdb
import pytest
from published import gsm8k_rows, section, svamp_rows, write_lines

from art.errors import RecordError
from art.scoring import numeric
from art.store.problem import Problem
from art.tasks.candidate import Candidate
from art.tasks.published import gsm8k, svamp


def problems(reader, task: str, path: Path) -> list[tuple[str, Problem]]:
    return [(one.published, one.problem) for one in reader.read(task, section("numeric", path))]


def write_parquet(path: Path, rows: list[dict]) -> None:
    lines = write_lines(path.with_suffix(".lines"), rows)
    duckdb.execute(f"copy (from read_json('{lines}', format = 'newline_delimited')) to '{path}' (format parquet)")


def test_gsm8k_as_json_lines_and_as_parquet(tmp_path: Path) -> None:
    for part in ("train", "test"):
        write_lines(tmp_path / f"lines/{part}.jsonl", gsm8k_rows(part, 9))
        write_parquet(tmp_path / f"hub/main/{part}-00000-of-00001.parquet", gsm8k_rows(part, 9))
    found = problems(gsm8k, "gsm8k", tmp_path / "lines")
    assert found == problems(gsm8k, "gsm8k", tmp_path / "hub")
    part, problem = found[1]
    assert (part, problem.answer) == ("train", "2000")
    assert problem.question.endswith("How many nails?\n\nEnd your response with: Answer: <number>")
    assert problem.solution == "Ann has 2*1000=2,000 nails.\nAnswer: 2000"
    assert [one.text for one in gsm8k.read("gsm8k", section("numeric", tmp_path / "lines"))] == [
        row["question"] for part in ("train", "test") for row in gsm8k_rows(part, 9)
    ]
    for _, one in found:
        assert numeric.judge(one.solution or "", one).score == 1
        assert numeric.judge(f"Answer: {int(one.answer) + 1}", one).score == 0


def test_the_number_of_gsm8k_stands_after_the_last_mark(tmp_path: Path) -> None:
    working = "#### First 2+2=<<2+2=4>>4, then 4*1000=<<4*1000=4000>>4,000."
    _, problem = gsm8k.convert({"question": "How many?", "answer": f"{working}\n#### 4,000"})
    assert problem.answer == "4000"
    assert problem.solution == "#### First 2+2=4, then 4*1000=4,000.\nAnswer: 4000"


def test_where_both_forms_lie_in_one_folder_the_authors_counts(tmp_path: Path) -> None:
    for part in ("train", "test"):
        write_lines(tmp_path / f"{part}.jsonl", gsm8k_rows(part, 2))
        write_parquet(tmp_path / f"main/{part}-00000.parquet", gsm8k_rows(part, 1))
    assert len(problems(gsm8k, "gsm8k", tmp_path)) == 4


def test_svamp_as_one_file_and_as_the_hubs_parts(tmp_path: Path) -> None:
    (tmp_path / "SVAMP.json").write_text(json.dumps(svamp_rows(9)))
    whole = problems(svamp, "svamp", tmp_path)
    assert [part for part, _ in whole] == ["all"] * 9
    text = [{**row, "Answer": f"{row['Answer']:.0f}"} for row in svamp_rows(9)]  # numbers as text, as on the hub
    write_parquet(tmp_path / "hub/data/train-00000-of-00001-ab.parquet", text[:6])
    write_parquet(tmp_path / "hub/data/test-00000-of-00001-cd.parquet", text[6:])
    parts = problems(svamp, "svamp", tmp_path / "hub")
    assert [part for part, _ in parts] == ["train"] * 6 + ["test"] * 3
    assert [problem for _, problem in parts] == [problem for _, problem in whole]
    problem = whole[4][1]
    assert problem.question.startswith("Tom had 10 plums and ate 5 of them How many are left?\n\n")
    assert (problem.answer, problem.topic) == ("5", "Subtraction")
    assert problem.solution == "( 10.0 - 5.0 ) = 5\nAnswer: 5"
    assert all(numeric.judge(one.solution or "", one).score == 1 for _, one in whole)


@pytest.mark.parametrize(
    ("written", "number"), [("7", "7"), ("-1,234.50", "-1234.50"), ("12345", "12345"), ("1,234,567", "1234567")]
)
def test_a_comma_before_each_three_digits_is_left_out(written: str, number: str) -> None:
    assert gsm8k.convert({"question": "q", "answer": f"w\n#### {written}"})[1].answer == number


@pytest.mark.parametrize(
    "written", ["2,5", "1,2345", "12,34,567", "1234,567", "18.", "18%", "18 apples", "5:30", "", "-"]
)
def test_an_answer_that_is_no_number_is_refused(written: str) -> None:
    with pytest.raises(RecordError, match="no '#### NUMBER' at the end of 'answer'"):
        gsm8k.convert({"question": "q", "answer": f"w\n#### {written}"})


@pytest.mark.parametrize(
    ("answer", "plain"), [(51.0, "51"), ("145", "145"), (0.5, "0.5"), (1e3, "1000"), (-2, "-2"), ("7.10", "7.1")]
)
def test_answers_of_svamp_are_plain_numbers(answer: object, plain: str) -> None:
    _, problem = svamp.convert({**svamp_rows(1)[0], "Answer": answer})
    assert problem.answer == plain


@pytest.mark.parametrize("answer", [None, "", "many", "nan", float("inf"), [1], True])
def test_an_answer_that_is_no_number(answer: object) -> None:
    with pytest.raises(RecordError, match="no number under 'Answer'"):
        svamp.convert({**svamp_rows(1)[0], "Answer": answer})


def test_a_file_alone_has_no_parts(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "some.jsonl", gsm8k_rows("train", 2))
    assert all(isinstance(one, Candidate) for one in gsm8k.read("gsm8k", section("numeric", path)))
    assert [part for part, _ in problems(gsm8k, "gsm8k", path)] == ["all", "all"]
