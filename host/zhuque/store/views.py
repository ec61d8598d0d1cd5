"""What questions are answered with: plain, without a database."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class PointView:
    """A point as it was last heard; `status` and `telemetry` are its messages, empty where there were none."""

    site: str
    point: str
    online: bool | None
    status: dict[str, Any]
    telemetry: dict[str, Any]
    seen_at: int | None
    problem: str | None
