"""Fixture: a tiny world whose training loop has stand-ins for engine and scorer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tiny_world import World

if TYPE_CHECKING:
    from recorders import Stage


@pytest.fixture
def stage(world: World, monkeypatch: pytest.MonkeyPatch) -> Stage:
    """A stage; once it is opened, trainers have a recording engine and scorer."""
    from recorders import Stage

    return Stage(world, monkeypatch)
