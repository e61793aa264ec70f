from __future__ import annotations

import re
from html import unescape
from pathlib import Path

import typst


def said(folder: Path) -> str:
    """The words of the typeset paper."""
    inputs = {"results": "/results", "paper": "/paper"}
    page = typst.compile(folder / "paper/paper.typ", root=folder, format="html", sys_inputs=inputs).decode()
    return " ".join(unescape(re.sub(r"<(style|svg).*?</\1>|<[^>]*>", "", page, flags=re.DOTALL)).split())
