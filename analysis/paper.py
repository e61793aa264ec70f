"""Typesets the paper (``python -m analysis.paper``); the same inputs give the same bytes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
import typst

from art.config.reading import load_config
from art.errors import ArtError, printed
from art.files import atomic_path


def typeset(source: Path, config: Path, out: Path) -> None:
    """Compile ``source`` (typst) to a PDF, with only the bundled fonts and a fixed time stamp.

    The source gets two inputs, absolute paths of folders: ``results`` (tidy data and the resolved
    configuration) and ``paper`` (generated tables and figures); both may lie anywhere on the disk.

    Raises:
        ConfigError: the configuration cannot be read.
        typst.TypstError: the source is faulty, or a file that it reads is missing.
    """
    settings = load_config(config)
    inputs = {name: Path(getattr(settings, name)).resolve().as_posix() for name in ("results", "paper")}
    pdf = typst.compile(
        source, root=Path(Path.cwd().anchor), ignore_system_fonts=True, format="pdf", sys_inputs=inputs, timestamp=0
    )
    with atomic_path(out) as partial:
        partial.write_bytes(pdf)


def main(
    source: Annotated[Path, typer.Option(help="the paper's typst source")],
    config: Annotated[Path, typer.Option(help="resolved configuration")],
    out: Annotated[Path, typer.Option(help="PDF to write")],
) -> None:
    """Typeset the paper."""
    with printed("analysis"):
        try:
            typeset(source, config, out)
        except typst.TypstError as error:
            raise ArtError(error.diagnostic or error) from None


if __name__ == "__main__":
    typer.run(main)
