"""How the station interface is connected; loaded for it.

Rules: power saving off, the board hangs on the mains and a radio that sleeps answers late; the driver below is told to
try again only by us, so that its state is always known.
"""

import asyncio
import time

from wire.units import const

_POLL_MS = const(250)
# Numbers of the ESP32 port, from ESP-IDF's reasons.
_REASONS = {
    200: "the access point went silent",
    201: "no access point of that name is heard",
    202: "the password is wrong",
    203: "the access point refuses the association",
    204: "the handshake did not finish: the password may be wrong",
}


class WifiError(OSError):
    """No connection: the text says why."""


async def connect(wlan, ssid, password, timeout_ms):
    """Returns once connected; WifiError with the reason when it is not in time."""
    wlan.active(True)
    wlan.config(pm=0, reconnects=0)
    wlan.connect(ssid, password)
    started = time.ticks_ms()
    while not wlan.isconnected():
        reason = _REASONS.get(wlan.status())
        if reason is None and time.ticks_diff(time.ticks_ms(), started) >= timeout_ms:
            reason = "no answer in {} s".format(timeout_ms // 1000)
        if reason is not None:
            wlan.disconnect()
            raise WifiError("Wi-Fi {}: {}".format(repr(ssid), reason))
        await asyncio.sleep_ms(_POLL_MS)
