"""A world for tests that only read its configuration."""

from __future__ import annotations

import pytest
from tiny_world import World


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(tmp_path_factory.mktemp("plain"))
