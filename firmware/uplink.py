"""Builds the uplink. Loaded when the board runs, and dropped when it is built."""

import network

from core.outbox import Outbox
from drivers.mqtt import MqttClient
from drivers.wifi import Wifi
from tasks.command import CommandTask
from tasks.publish import Publisher
from wire.units import const

# Of no use once the uplink is built.
LOADED = ("uplink",)
# After a power cut all points of a garage, and their access points, come back at once.
AFTER_POWER_CUT_MS = const(90_000)


def build(board, view):
    """The publish task of a main.Board, with the command task behind it; `view` is what it may ask of the point."""
    config = board.config
    wlan = network.WLAN(network.STA_IF)
    wifi = Wifi(wlan, config["wifi.ssid"], config.get("wifi.password"))
    outbox = Outbox(board.journal)
    publisher = Publisher(
        config,
        wifi,
        board.clock,
        _client,
        outbox,
        view,
        None,
        board,
        board.tls,
        AFTER_POWER_CUT_MS if board.reset_cause == "power_on" and board.point.boot > 1 else 0,
    )
    publisher.on_command = CommandTask(board, publisher.reply, outbox)
    return publisher


def _client(*words):
    """Called here, and not by its class in `main`, the constructor is dropped with this module (device/move.py)."""
    return MqttClient(*words)
