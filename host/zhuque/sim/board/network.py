"""`network` of an ESP32 with one access point, which answers at once; `cut` takes it away."""

import machine

STA_IF = 0
AP_IF = 1
STAT_IDLE = 1000
STAT_CONNECTING = 1001
STAT_GOT_IP = 1010
STAT_NO_AP_FOUND = 201

STAT_WRONG_PASSWORD = 202

_cut = False
password = ""  # that of the access point; "": it takes any


def on_cut():
    """What was under way is lost: set by whoever waits for it."""


def is_cut():
    """True while no byte gets through."""
    return _cut


def cut(on):
    """The access point goes away, or comes back."""
    global _cut
    _cut = on
    if on:
        WLAN.associated = False
        on_cut()


class WLAN:
    """The station interface."""

    IF_STA = STA_IF
    IF_AP = AP_IF
    associated = False
    _active = False
    _tried = False
    _refused = False

    def __init__(self, interface=STA_IF):
        if interface != STA_IF:
            raise OSError("only the station interface is simulated")

    def active(self, on=None):
        """Switch it on or off; without an argument: whether it is on."""
        if on is None:
            return WLAN._active
        WLAN._active = bool(on)
        if not on:
            WLAN.associated = False
        return None

    def connect(self, ssid=None, given=None, **_options):
        """Associates where the access point is there and takes the password."""
        if not WLAN._active:
            raise OSError("Wifi Not Started")
        WLAN._tried = True
        WLAN._refused = bool(password) and given != password
        WLAN.associated = not _cut and not WLAN._refused

    def disconnect(self):
        """Leaves it."""
        WLAN.associated = False
        WLAN._tried = False

    def isconnected(self):
        """True while associated and with an address."""
        return WLAN.associated

    def status(self, what=None):
        """A STAT_ number; with 'rssi' the signal strength in dBm."""
        if what == "rssi":
            return -58
        if WLAN.associated:
            return STAT_GOT_IP
        if not WLAN._tried:
            return STAT_IDLE
        return STAT_WRONG_PASSWORD if WLAN._refused and not _cut else STAT_NO_AP_FOUND

    def ifconfig(self):
        """(address, mask, gateway, name server)."""
        if WLAN.associated:
            return "127.0.0.1", "255.0.0.0", "127.0.0.1", "127.0.0.1"
        return "0.0.0.0", "0.0.0.0", "0.0.0.0", "0.0.0.0"

    def config(self, *names, **values):
        """Settings are taken and have no effect; 'mac' can be asked for."""
        return machine.mac if names == ("mac",) else None


def hostname(*name):
    """Taken, without effect."""
    return "zhuque"


def country(*code):
    """Taken, without effect."""
    return "CN"
