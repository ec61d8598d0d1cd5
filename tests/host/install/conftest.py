"""A garage's folder, to make points of."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fakes.garage import make_site
from zhuque.site.settings import Settings


@pytest.fixture
def site(tmp_path: Path) -> Settings:
    """A garage of eight points."""
    return make_site(tmp_path / "riverside", points=8)
