"""Faults that are not in a board's process: the broker of a garage goes and comes back.

A board tells `broker_down` and `broker_up` when its scenario says so; whoever runs the broker hands these events here.
When several boards tell the same, it happens once.
"""

from __future__ import annotations

import threading

from zhuque.sim.broker import Broker
from zhuque.sim.events import Event


class BrokerFaults:
    """Stops and starts a broker of our own; one that is somebody else's is left alone. `on_event` is thread-safe."""

    def __init__(self, broker: Broker | None) -> None:
        self._broker = broker
        self._lock = threading.Lock()
        self._down = 0

    def on_event(self, event: Event) -> None:
        """What a board told. Raises BrokerError when it does not start again."""
        kind = event["event"]
        if self._broker is None or kind not in ("broker_down", "broker_up"):
            return
        with self._lock:
            if kind == "broker_down":
                self._down += 1
                if self._down == 1:
                    self._broker.kill() if event.get("kill") else self._broker.stop()
            elif self._down:
                self._down -= 1
                if not self._down:
                    self._broker.start()
