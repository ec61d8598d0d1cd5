"""Zhuque on the host: the installer's and the operator's tools, the collector, and the simulator."""

from zhuque.wire.version import VERSION as __version__

__all__ = ["__version__"]
