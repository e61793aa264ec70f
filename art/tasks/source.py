"""Where a published data set lies: a local file, a local folder, or a folder of the hub at one commit.

A reader says by *layouts* how the files are called: a layout maps each published part to a pattern of file names below
the folder.  The first layout whose parts are all there counts.  A path to a file is that file, without parts.
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
    """The records of all files; ``convert`` makes the question's text and a problem of one, or raises ``Unfit``.

    Raises:
        ConfigError, RecordError: see ``Reader.read``.
    """
    for part, paths in locate(task, section, layouts).items():
        for path in paths:
            for place, row in rows(path):
                try:
                    yield Candidate(part, *convert(row))
                except Unfit as reason:
                    yield Dropped(part, str(reason))
                except UnicodeEncodeError:  # half a character, as JSON can write it alone
                    yield Dropped(part, "broken_character")
                except RecordError as error:
                    raise RecordError(f"{place}: {error}") from None


def locate(task: str, section: TaskSection, layouts: Sequence[Layout]) -> dict[Published, list[Path]]:
    """Files of each published part.

    Raises:
        ConfigError: no source is named, or nothing of the right names is there; the message says what would be right.
    """
    key, source = f"tasks.{task}.source", section.source
    if source is None:
        raise ConfigError(f"{key}: missing; give path (a local file or folder), or repository and revision (the hub)")
    root = Path(source.path) if source.path else _download(key, source, layouts)
    if root.is_file():
        return {"all": [root]}
    for layout in layouts:
        found = {part: sorted(root.glob(pattern)) for part, pattern in layout.items()}
        if all(found.values()):
            return found
    wanted = "; nor ".join(" and ".join(layout.values()) for layout in layouts)
    if not root.exists():
        raise ConfigError(f"{key}.path: {root} does not exist; it should be a file, or a folder with {wanted}")
    raise ConfigError(f"{key}: {root} does not hold {wanted}")


def origin(section: TaskSection) -> dict[str, str]:
    """The source as the configuration has it."""
    return section.source.model_dump(exclude_none=True) if section.source else {}


def local_files(section: TaskSection) -> list[str]:
    """Local files that a task is made from, so that a rule can name them; none for the hub, whose commit is fixed."""
    if section.source is None or section.source.path is None:
        return []
    root = Path(section.source.path)
    return sorted(str(path) for path in root.rglob("*") if path.is_file()) if root.is_dir() else [str(root)]


def _download(key: str, source: SourceSection, layouts: Sequence[Layout]) -> Path:
    """The folder of a snapshot of the hub, in the hub's own cache."""
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
            f"{place}: access is given by its authors only; accept their conditions on the data set's page, then "
            "`hf auth login`, or name a local copy by path"
        ) from None
    except OSError as error:  # the hub's own errors are of this kind, as are those of the network and the disk
        reason = next(iter(str(error).split("\n")), "") or type(error).__name__
        raise ConfigError(f"{place}: cannot be read from the hub ({reason}); or name a local copy by path") from None
    return Path(folder)
