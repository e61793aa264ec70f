"""The stamp under which an interrupted run resumes."""

from __future__ import annotations

import hashlib
from pathlib import Path

from tiny_world import World

from art import errors
from art.config.digests import run_digest
from art.store.workspace import Workspace
from art.training import progress


def test_the_stamp_is_of_every_input_by_content(world: World) -> None:
    (world.root / "checkpoint/README.md").write_text("counts for nothing")
    (world.root / "checkpoint/folder").mkdir()
    stamp = progress.stamp(Workspace(world.config(), world.key("art"), world.results))
    inputs = {"tasks/arithmetic/train.jsonl", "tasks/arithmetic/validation.jsonl", "seeds/arithmetic.png"}
    weights = {path.name for path in (world.root / "checkpoint").iterdir()} - {"README.md", "folder"}
    code = Path(errors.__file__).parent
    ours = {str(path.relative_to(code.parent)) for path in code.rglob("*.py")}
    packages = {"python", "torch", "transformers", "peft", "numpy", "pillow", "safetensors", "tokenizers"}
    assert set(stamp) == {"settings"} | inputs | {f"checkpoint/{name}" for name in weights} | ours | packages
    assert stamp["settings"] == run_digest(world.config(), "tiny", "arithmetic", "art")
    for name, path in (("seeds/arithmetic.png", world.results), ("checkpoint/model.safetensors", world.root)):
        assert stamp[name] == hashlib.sha256((path / name).read_bytes()).hexdigest()[:16]
