"""Every board runs in the simulator; and what befalls a point: residual current, a breaker, torn flash, meters."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.sim.lived import Event, Lived
from zhuque import boards
from zhuque.collector import ask
from zhuque.collector.broker import BrokerAddress
from zhuque.sim.broker import Broker, free_port
from zhuque.sim.faults import BrokerFaults


def _is_open(event: Event) -> bool:
    return not event["closed"]


@pytest.mark.parametrize("board", boards.list_boards())
def test_every_board_charges_and_cuts_an_overload(tmp_path: Path, broker: Broker, board: str) -> None:
    """1.8 kW beside the charger is above every board's limit of power, and its energy is known to the end."""
    overload = {"at_s": 300, "do": "overload", "socket": 1, "watts": 1800.0}
    with Lived(tmp_path, broker, board, overload) as lived:
        on = lived.until("relay")
        assert on["closed"]
        begun = lived.until("overload")
        off = lived.until("relay")
        assert _is_open(off) and off["current_ma"] > 8000
        assert off["time"] - begun["time"] <= 14
        (session,) = lived.truth()["sessions"]
        assert session["ended_by"] == "opened"
        charged_wh = 150.0 * (begun["time"] - on["time"]) / 3600
        assert session["energy_mwh"] / 1000 == pytest.approx(charged_wh, abs=1950 * 15 / 3600)


def test_a_bl0910_on_its_uart_charges_and_cuts_an_overload(tmp_path: Path, broker: Broker) -> None:
    """Slower: a current every 0.3 s, a power every 3 s; and still within the limit's own 10 s."""
    data = dict(boards.load("zq10").data)
    meter: Any = data["meter"]
    data["meter"] = {key: value for key, value in meter.items() if key != "spi"}
    data["meter"] |= {"uart": {"id": 2, "tx": 18, "rx": 19}}
    data["breaker"] = {"curve": "C", "rated_ma": 10000}
    overload = {"at_s": 300, "do": "overload", "socket": 1, "watts": 1800.0}
    with Lived(tmp_path, broker, data, overload) as lived:
        assert lived.until("relay")["closed"]
        begun = lived.until("overload")
        off = lived.until("relay")
        assert _is_open(off) and off["current_ma"] > 8000 and off["time"] - begun["time"] <= 16


def test_a_short_is_cut_within_a_few_windows_and_its_socket_is_locked(tmp_path: Path, broker: Broker) -> None:
    short = {"at_s": 200, "do": "short", "socket": 1}
    with Lived(tmp_path, broker, "zq10", short) as lived:
        assert lived.until("relay")["closed"]
        begun = lived.until("short")
        off = lived.until("relay")
        assert _is_open(off) and off["current_ma"] == 400_000 and off["time"] - begun["time"] <= 1
        rows = ask.telemetry(BrokerAddress(broker.host, broker.port), "garage", "p01")
        assert next(row for row in rows if row["sockets"][0][0] != "charging")["sockets"][0][0] == "locked"
        assert [event for event in lived.seen if event["event"] == "relay" and event["closed"]] != []


def test_an_insulation_fault_is_seen_by_the_residual_current_input_alone(
    tmp_path: Path, broker: Broker
) -> None:
    leak = {"at_s": 200, "do": "leak", "socket": 1, "ma": 30.0, "over_s": 100}
    with Lived(tmp_path, broker, "zq10", leak) as lived:
        assert lived.until("relay")["closed"]
        begun = lived.until("leak")
        off = lived.until("relay")
        assert _is_open(off) and off["current_ma"] < 2000
        assert 74 <= off["time"] - begun["time"] <= 78  # 22.5 of 30 mA are there after 75 s
        assert lived.truth()["faults"][0]["fault"] == "leak"


@pytest.mark.parametrize(
    "event",
    [
        {"do": "smoke"},
        {"do": "emergency_stop"},
        {"do": "heat", "celsius": 80, "over_s": 20},
        {"do": "mains", "volts": 165},
        {"do": "mains", "volts": 285},
        {"do": "meter_silent"},
        {"do": "meter_frozen", "what": "counter"},
        {"do": "meter_reset"},
        {"do": "meter_register", "register": 0x60, "value": 0x111110},
    ],
    ids=str,
)
def test_it_opens_the_relay(tmp_path: Path, broker: Broker, event: Event) -> None:
    with Lived(
        tmp_path,
        broker,
        "zq10",
        {"at_s": 120, "for_s": 40, **event} if _lasts(event) else {"at_s": 120, **event},
    ) as lived:
        assert lived.until("relay")["closed"]
        begun = lived.until(event["do"])
        off = lived.until("relay")
        assert _is_open(off)
        assert off["time"] - begun["time"] <= 40


def _lasts(event: Event) -> bool:
    return event["do"] not in ("meter_reset", "meter_register")


def test_a_breaker_clears_a_short_and_takes_the_supply(tmp_path: Path, broker: Broker) -> None:
    with Lived(tmp_path, broker, "zq10", {"at_s": 120, "do": "short", "socket": 1, "for_s": 30}) as lived:
        lived.until("relay")
        short = lived.until("short")
        assert lived.until("breaker")["whole"]
        assert lived.until("power_cut")["for_s"] == 30
        boot = lived.until("boot")
        assert 30 <= boot["time"] - short["time"] <= 33
        faults = {fault["fault"] for fault in lived.truth()["faults"]}
        assert faults == {"short", "breaker", "power_cut"}


def test_a_torn_program_costs_no_session(tmp_path: Path, broker: Broker) -> None:
    """Three power cuts, as many as a session recloses after, each in the middle of a program: it is found again."""
    cuts = [{"at_s": 100 + 150 * i, "do": "power_cut", "for_s": 10, "during": "program"} for i in range(3)]
    with Lived(tmp_path, broker, "zq10", *cuts) as lived:
        for _ in cuts:
            lived.until("power_cut")
            lived.until("console", lambda event: "boot " in event["line"])
            lived.until("relay", lambda event: event["closed"])
        (session,) = lived.truth()["sessions"]
        assert session["closings"] == 4
        assert len({line for line in map(_epoch, lived.seen) if line}) == 1, "the journal was begun anew"


def test_a_power_cut_is_over_when_it_says(tmp_path: Path, broker: Broker) -> None:
    """One that awaits a program has an end by the clock; one that comes in the dark does not end that earlier."""
    awaits = {"at_s": 100, "do": "power_cut", "for_s": 500, "during": "program", "until_s": 200}
    cuts = [{"at_s": 400, "do": "power_cut", "for_s": 100}, {"at_s": 450, "do": "power_cut", "for_s": 10}]
    with Lived(tmp_path, broker, "zq10", awaits, *cuts) as lived:
        begun = lived.until("boot")["time"]
        assert 190 <= lived.until("boot")["time"] - begun <= 202
        assert 499 <= lived.until("boot")["time"] - begun <= 502


def _epoch(event: Event) -> str | None:
    line = str(event.get("line", ""))
    return line.rpartition("epoch ")[2] if "epoch " in line else None


def test_a_broker_that_stops_comes_back_where_it_was(tmp_path: Path) -> None:
    with Broker(tmp_path / "broker", free_port()) as broker:
        faults = BrokerFaults(broker)
        port = broker.port
        faults.on_event({"event": "broker_down", "kill": True})
        assert not broker.running
        faults.on_event({"event": "broker_down"})  # another board tells the same
        faults.on_event({"event": "broker_up"})
        assert not broker.running
        faults.on_event({"event": "broker_up"})
        assert broker.running and broker.port == port
        faults.on_event({"event": "broker_up"})
        assert broker.running
    BrokerFaults(None).on_event({"event": "broker_down"})
