"""The station interface: connect with a deadline, and what it is like.

Rules: never a scan (it stops the board for three seconds); power saving off, the board hangs on the mains and a radio
that sleeps answers late; the driver below is told to try again only by us, so that its state is always known.
"""

import asyncio
import time

_POLL_MS = 250
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


class Wifi:
    """`wlan` is network.WLAN(STA_IF) or alike."""

    def __init__(self, wlan, ssid, password):
        self._wlan = wlan
        self._ssid = ssid
        self._password = password

    @property
    def connected(self):
        """True while associated and with an address."""
        return self._wlan.isconnected()

    @property
    def ip(self):
        """The board's address in digits, None while there is none."""
        return self._wlan.ifconfig()[0] if self.connected else None

    @property
    def dns(self):
        """The name server's address in digits, 0.0.0.0 while there is none."""
        return self._wlan.ifconfig()[3]

    @property
    def rssi_dbm(self):
        """Signal strength, None while not connected."""
        return self._wlan.status("rssi") if self.connected else None

    async def connect(self, timeout_ms=20_000):
        """Returns once connected; WifiError with the reason when it is not in time."""
        if self.connected:
            return
        wlan = self._wlan
        wlan.active(True)
        wlan.config(pm=0, reconnects=0)
        wlan.connect(self._ssid, self._password)
        started = time.ticks_ms()
        while not wlan.isconnected():
            reason = _REASONS.get(wlan.status())
            if reason is None and time.ticks_diff(time.ticks_ms(), started) >= timeout_ms:
                reason = "no answer in {} s".format(timeout_ms // 1000)
            if reason is not None:
                wlan.disconnect()
                raise WifiError("Wi-Fi {}: {}".format(repr(self._ssid), reason))
            await asyncio.sleep_ms(_POLL_MS)
