"""The station interface: connect with a deadline, and what it is like.

Rules: never a scan (it stops the board for three seconds); wifi_connect.py is loaded to connect.
"""


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

    async def associate(self, timeout_ms=20_000):
        """Returns once connected; WifiError with the reason when it is not in time."""
        if not self.connected:
            from .wifi_connect import connect

            await connect(self._wlan, self._ssid, self._password, timeout_ms)
