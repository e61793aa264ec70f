"""Small files in the published forms of the data sets, written for the tests."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from art.config.sections import TaskSection

CANARY = "CANARY-5e1f"
"""Stands in every text of the fake GPQA file."""


def section(scorer: str, path: Path | None, **numbers: int) -> TaskSection:
    """A task's section; eight problems in each split unless said otherwise."""
    source = None if path is None else {"path": str(path)}
    return TaskSection.model_validate(
        {"scorer": scorer, "source": source, "train": 8, "validation": 8, "test": 8, **numbers}
    )


def write_lines(path: Path, rows: Iterable[Any]) -> Path:
    """Write JSON lines."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def gsm8k_rows(part: str, count: int) -> list[dict[str, str]]:
    """Questions with worked solution and answer."""
    return [
        {
            "question": f"In {part}, Ann has {n} boxes with 1000 nails each. How many nails?",
            "answer": f"Ann has {n}*1000=<<{n}*1000={n * 1000}>>{n * 1000:,} nails.\n#### {n * 1000:,}",
        }
        for n in range(1, count + 1)
    ]


def svamp_rows(count: int) -> list[dict[str, Any]]:
    """Body, question, equation, answer as a float."""
    return [
        {
            "ID": f"chal-{n}",
            "Body": f"Tom had {n + 5} plums and ate 5 of them",
            "Question": "How many are left?",
            "Equation": f"( {n + 5}.0 - 5.0 )",
            "Answer": float(n),
            "Type": "Subtraction" if n % 2 else "Addition",
        }
        for n in range(1, count + 1)
    ]


def gpqa_rows(count: int) -> list[dict[str, str]]:
    """The columns that are read, and one that must not be read."""
    wrong = {f"Incorrect Answer {k}": f"{CANARY} wrong {k},\nin two lines" for k in (1, 2, 3)}
    return [
        {
            "Question": f'{CANARY} What is the "spin", of {n}?',
            "Correct Answer": f"{CANARY} right",
            **wrong,
            "High-level domain": ("Physics", "Biology")[n % 2],
            "Canary String": CANARY,
        }
        for n in range(count)
    ]


def write_gpqa(path: Path, rows: list[dict[str, str]]) -> Path:
    """Write a CSV file with a byte order mark, as spreadsheets do."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8-sig", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "Weather of a city",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}


def turn(*calls: tuple[str, Any], content: str = "<think>Let me see.</think>") -> dict[str, Any]:
    """A turn of the assistant."""
    made = [{"function": {"name": name, "arguments": arguments}} for name, arguments in calls]
    return {"role": "assistant", "content": content, **({"tool_calls": made} if made else {})}


def user(text: str) -> dict[str, str]:
    """A turn of the user."""
    return {"role": "user", "content": text}


def toolmind_row(*turns: dict[str, Any], tools: list[Any] | None = None) -> dict[str, Any]:
    """One record."""
    return {"conversations": list(turns), "tools": [WEATHER] if tools is None else tools}


def write_bfcl(folder: Path, count: int) -> Path:
    """Write two categories with their answers; every fourth problem has several right answers."""
    for name in ("BFCL_v4_simple_python.json", "BFCL_v4_live_multiple.json"):
        category = name.removeprefix("BFCL_v4_").removesuffix(".json")
        problems, answers = [], []
        for n in range(count):
            function = {
                "name": "math.root",
                "description": "A root",
                "parameters": {
                    "type": "dict",
                    "properties": {"of": {"type": "float"}, "degree": {"type": "integer", "default": 2}},
                    "required": ["of"],
                },
            }
            asked = [user(f"{category}: what is the root of {n}?")]
            if "live" in name:
                asked.insert(0, {"role": "system", "content": "Be brief."})
            problems.append({"id": f"{category}_{n}", "question": [asked], "function": [function]})
            right: list[Any] = [{"of": [n], "degree": [2, ""]}, {"of": [n, n + 0.5]}, {"of": [n], "degree": [3, ""]}]
            answers.append({"id": f"{category}_{n}", "ground_truth": [{"math.root": right[max(0, n % 4 - 1)]}]})
        write_lines(folder / name, problems)
        write_lines(folder / "possible_answer" / name, answers)
    return folder
