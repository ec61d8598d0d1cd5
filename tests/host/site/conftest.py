"""A garage's folder made by `zhuque site init`'s own function."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fakes.garage import make_site
from zhuque.site.settings import Settings


@pytest.fixture
def site(tmp_path: Path) -> Settings:
    """A garage with two points of ten sockets."""
    return make_site(tmp_path / "riverside")
