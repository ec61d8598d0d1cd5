"""What questions are answered with: plain, without a database."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from zhuque.store.locked import Lockout


@dataclass(frozen=True)
class PointView:
    """A point as it was last heard; `status` and `telemetry` are its messages, empty where there were none.

    `lockouts` are what its records tell, None where there are no records to ask.
    """

    site: str
    point: str
    online: bool | None
    status: dict[str, Any]
    telemetry: dict[str, Any]
    seen_at: int | None
    problem: str | None
    lockouts: tuple[Lockout, ...] | None = None
