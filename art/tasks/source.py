"""Finds the files of a published data set: a local file, a local folder, or a folder of the hub at one commit.

A reader names the files by *layouts*: a layout maps each published split to a pattern of file names below the folder.
The first layout that finds files for all its splits is used.  A path to a single file is read as the one split "all".
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from art.config.sections import SourceSection, TaskSection
from art.errors import ConfigError, RecordError
from art.store.problem import Problem
from art.tasks.candidate import Candidate, Dropped, Published, Unfit
from art.tasks.formats import rows

Layout = dict[Published, str]


def read_files(
    task: str,
    section: TaskSection,
    layouts: Sequence[Layout],
    convert: Callable[[dict[str, Any]], tuple[str, Problem]],
) -> Iterator[Candidate | Dropped]:
    """The records of all files; ``convert`` turns a record into the question's text and a problem, or raises ``Unfit``.

    Raises:
        ConfigError, RecordError: see ``Reader.read``.
    """
    for published, paths in locate(task, section, layouts).items():
        for path in paths:
            for place, row in rows(path):
                try:
                    yield Candidate(published, *convert(row))
                except Unfit as reason:
                    yield Dropped(published, str(reason))
                except UnicodeEncodeError:  # half of a surrogate pair, which JSON can write alone
                    yield Dropped(published, "broken_character")
                except RecordError as error:
                    raise RecordError(f"{place}: {error}") from None


def locate(task: str, section: TaskSection, layouts: Sequence[Layout]) -> dict[Published, list[Path]]:
    """Files of each published split.

    Raises:
        ConfigError: no source is named, or it has no files of the right names; the message says what would be right.
    """
    key, source = f"tasks.{task}.source", section.source
    if source is None:
        raise ConfigError(f"{key}: missing; give path (a local file or folder), or repository and revision (the hub)")
    root = Path(source.path) if source.path else _download(key, source, layouts)
    if root.is_file():
        return {"all": [root]}
    for layout in layouts:
        found = {published: sorted(root.glob(pattern)) for published, pattern in layout.items()}
        if all(found.values()):
            return found
    wanted = "; nor ".join(" and ".join(layout.values()) for layout in layouts)
    if not root.exists():
        raise ConfigError(f"{key}.path: {root} does not exist; it should be a file, or a folder with {wanted}")
    raise ConfigError(f"{key}: {root} does not hold {wanted}")


def origin(section: TaskSection) -> dict[str, str]:
    """The source as the configuration gives it."""
    return section.source.model_dump(exclude_none=True) if section.source else {}


def local_files(section: TaskSection) -> list[str]:
    """Local files that a task is made from, as inputs of its rule; none for the hub, whose commit is fixed."""
    if section.source is None or section.source.path is None:
        return []
    root = Path(section.source.path)
    return sorted(str(path) for path in root.rglob("*") if path.is_file()) if root.is_dir() else [str(root)]


def _download(key: str, source: SourceSection, layouts: Sequence[Layout]) -> Path:
    """Download the files from the hub into the hub's own cache; return their folder."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import GatedRepoError
    from huggingface_hub.utils import disable_progress_bars  # type: ignore[attr-defined]

    disable_progress_bars()
    place = f"{key}: {source.repository} at {source.revision}"
    wanted = [pattern for layout in layouts for pattern in layout.values()]
    try:
        folder = snapshot_download(
            str(source.repository), repo_type="dataset", revision=source.revision, allow_patterns=wanted
        )
    except GatedRepoError:
        raise ConfigError(
            f"{place}: its authors must give you access; accept their conditions on the data set's page, then run "
            "`hf auth login`; or give the path of a local copy"
        ) from None
    except OSError as error:  # errors of the hub, the network and the disk are all of this kind
        reason = next(iter(str(error).split("\n")), "") or type(error).__name__
        raise ConfigError(
            f"{place}: cannot be read from the hub ({reason}); you can give the path of a local copy"
        ) from None
    return Path(folder)
