"""A garage's folder made by `zhuque site init`'s own function, and a mosquitto with the configuration made for it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.garage import Mosquitto, make_site
from zhuque.site.settings import Settings


@pytest.fixture
def site(tmp_path: Path) -> Settings:
    """A garage with two points of ten sockets."""
    return make_site(tmp_path / "riverside")


@pytest.fixture
def mosquitto(site: Settings) -> Iterator[Mosquitto]:
    """The site's broker, running."""
    running = Mosquitto(site)
    try:
        yield running.start()
    finally:
        running.stop()
