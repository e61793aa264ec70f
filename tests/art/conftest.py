"""A tiny world whose training loop has stand-ins for partners."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tiny_world import World

if TYPE_CHECKING:
    from recorders import Stage


@pytest.fixture
def stage(world: World, monkeypatch: pytest.MonkeyPatch) -> Stage:
    """Where trainers have a recording engine and scorer, once it is opened."""
    from recorders import Stage

    return Stage(world, monkeypatch)
