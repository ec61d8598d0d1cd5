"""The time, of a server, by SNTP. Loaded when the time is due; what is believed of an answer says drivers/clock.py."""

import os
import time

from wire.units import const

from .datagram import ask

NTP_PORT = const(123)
_TIMEOUT_MS = const(3000)
_FROM_1900_S = 2208988800  # 1900-01-01 to 1970-01-01
_ERA_S = 4294967296  # the 32 bits of NTP seconds begin anew in 2036


class SntpError(OSError):
    """A time server's answer that cannot be used: the text says why."""


async def sntp(clock, host, port=NTP_PORT):
    """Asks a time server at a numeric address, sets the Clock, returns Unix seconds. OSError after 3 s at most."""
    request = bytearray(48)
    request[0] = 0x23  # version 4, client
    request[40:48] = os.urandom(8)  # comes back as the originate time stamp: nobody else can answer for it

    def is_ours(answer):
        return len(answer) >= 48 and answer[24:32] == request[40:48]

    sent = time.ticks_ms()
    answer = await ask(host, port, request, 68, is_ours, _TIMEOUT_MS)
    t_s, t_ms = _server_time(answer)
    t_ms += time.ticks_diff(time.ticks_ms(), sent) // 2
    t_s += t_ms // 1000
    try:
        clock.set_unix(t_s, t_ms % 1000 * 1000)
    except ValueError as e:
        raise SntpError("{}: {}; check the time server".format(host, e))
    return t_s


def _server_time(answer):
    """(Unix seconds, milliseconds) of the server's transmit time stamp; SntpError where it is none."""
    if answer[0] & 7 != 4:
        raise SntpError("not the answer of a time server (mode {})".format(answer[0] & 7))
    if answer[1] == 0:
        raise SntpError("the time server turns us away ({})".format(bytes(answer[12:16])))
    if answer[1] > 15 or answer[0] >> 6 == 3:
        raise SntpError("the time server itself does not know the time")
    seconds = int.from_bytes(answer[40:44], "big")
    if not any(answer[40:48]):
        raise SntpError("the time server sent no time")
    if seconds < 0x80000000:
        seconds += _ERA_S
    return seconds - _FROM_1900_S, (answer[44] << 8 | answer[45]) * 1000 >> 16
