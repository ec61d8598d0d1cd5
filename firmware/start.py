"""From the files to a tick that runs and a journal that is known. Loaded for the start, and dropped.

What a step loaded goes before the next one loads. The radio is woken and the certificates are read before most of the
parts are there: they need memory of ESP-IDF's, 40 KB and more, that the heap would grow into.
"""

import sys

import machine

from core.obeyed import Obeyed
from tasks.forget import forget
from tasks.keep import keep
from tasks.record import record_loop
from wire.version import VERSION

_RECOVERY = (
    "core.ring_recovery",
    "core.checkpoint_recovery",
    "core.recovery",
    "core.keeping",
    "core.snapshot",
    "wire.records",
)


def start(board):
    """Parts, tick and journal of the main.Board; returns what is to run beside the tick."""
    _read_files(board)
    board.tls = None
    if not board.offline:
        _wake_radio()
        if board.config["broker.tls"]:
            _read_certificates(board)
    _assemble(board)
    ids = []
    try:
        ids = _recover(board)
    except Exception as e:  # noqa: BLE001 - neither a reboot loop nor a closed relay may come of it
        sys.print_exception(e)
        board.point.forgetful = True
        board.problems.append(
            "recovery failed ({}): what was locked is not known, relays stay open".format(repr(e))
        )
    finally:
        forget(_RECOVERY)
    board.obeyed = Obeyed(ids)
    return _loops(board)


def _read_files(board):
    import files

    files.read(board)
    forget(files.LOADED + ("boot",))


def _wake_radio():
    import network

    try:
        network.WLAN(network.STA_IF).active(True)
    except (OSError, RuntimeError) as e:
        print("zhuque: the radio does not start:", e)


def _read_certificates(board):
    from drivers import tls

    try:
        board.tls = tls.context()
    except Exception as e:  # noqa: BLE001 - the board protects and charges without an uplink, too
        print("zhuque: the certificates cannot be read ({}): provision the board again".format(repr(e)))
    forget(("drivers.tls",))


def _assemble(board):
    import assembly

    assembly.assemble(board)
    for problem in board.problems:
        print("zhuque:", problem)
    forget(assembly.LOADED)


def _recover(board):
    """The journal and what was before; the ids of the commands that were obeyed. Nothing of it closes a relay."""
    found = board.journal.recover()
    forget(_RECOVERY[:2])
    from core import recovery

    point = board.point
    now = board.clock.uptime_ms(), board.clock.unix()
    ids = recovery.recover(point, board.reset_cause, VERSION, *now)
    board.clock.believe_from(point.outage_from or 0)
    for alarm, detail in found:
        print("zhuque: journal:", detail)
        point.alarm(alarm, now[0], now[1], detail)
    return ids


def _loops(board):
    loops = [
        record_loop(board.point, board.clock, board.protect, machine.reset),
        board.meter_loop(),
        board.forget_crashes(),
        keep("announcing", board.announce),
        keep("the console", board.console),
    ]
    if board.temperature is not None:
        loops.append(keep("the thermometer", board.temperature_loop))
    if not board.offline:
        loops.append(keep("the uplink", board.uplink))
    return loops
