"""Messages as a board sends them, for the tests of the host."""

from __future__ import annotations

import json
from typing import Any

EPOCH = "9f3ac2d15b7e0c44"
OTHER_EPOCH = "00112233445566aa"
RECORD = "zq/1/riverside/p01/record"
STATUS = "zq/1/riverside/p01/status"
TELEMETRY = "zq/1/riverside/p01/telemetry"


def raw(body: dict[str, Any]) -> bytes:
    return json.dumps(body, separators=(",", ":")).encode()


def record(seq: int, kind: str, time: int | None = 1764000000, **fields: Any) -> dict[str, Any]:
    head = {"epoch": EPOCH, "seq": seq, "boot": 17, "uptime_ms": seq * 1000, "time": time, "kind": kind}
    return {**head, **fields}


def boot(seq: int, **fields: Any) -> dict[str, Any]:
    return record(seq, "boot", reset_cause="power_on", firmware="0.1.0", board="zq10", **fields)


def start(seq: int, **fields: Any) -> dict[str, Any]:
    body = {"socket": 3, "session": f"{EPOCH}-{seq}", "account": "r-0412", "source": "remote"}
    return record(seq, "session_start", **{**body, **fields})


def checkpoint(seq: int, of: int, energy_mwh: int, **fields: Any) -> dict[str, Any]:
    totals = {
        "duration_s": seq,
        "suspended_s": 0,
        "energy_mwh": energy_mwh,
        "peak_ma": 900,
        "peak_mw": 180000,
    }
    body = {"socket": 3, "session": f"{EPOCH}-{of}", **totals, "cause": None, "resumed": None}
    return record(seq, "session_checkpoint", **{**body, **fields})


def end(seq: int, of: int, energy_mwh: int, **fields: Any) -> dict[str, Any]:
    totals = {
        "duration_s": 10123,
        "suspended_s": 7,
        "energy_mwh": energy_mwh,
        "peak_ma": 1020,
        "peak_mw": 188000,
    }
    body = {
        "socket": 3,
        "session": f"{EPOCH}-{of}",
        "reason": "full",
        "account": "r-0412",
        "source": "remote",
    }
    return record(seq, "session_end", **{**body, "started": None, **totals, **fields})


def status(**fields: Any) -> dict[str, Any]:
    body = {"online": True, "boot": 17, "epoch": EPOCH, "first_seq": 1, "last_seq": 9, "firmware": "0.1.0"}
    return {
        **body,
        "board": "zq10",
        "sockets": 10,
        "state": "ready",
        "problems": [],
        "time": 1764000000,
        **fields,
    }


def telemetry(**fields: Any) -> dict[str, Any]:
    rows = [["charging", 912, 148300, 51234], ["idle", None, None, 0]]
    return {"time": 1764000000, "uptime_ms": 5000, "voltage_mv": 231420, "sockets": rows, **fields}
