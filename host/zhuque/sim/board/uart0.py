"""The serial port of the virtual ESP32 at MicroPython's end: standard input and output of this process.

Strategy. As on the chip an interrupt takes what comes: bytes go into a buffer, but Ctrl-C, where it is listened to,
raises KeyboardInterrupt instead. The interrupt is the clock's look at the outside, so it comes in waits alone; a
program that never waits is sent SIGINT by the host. Text goes out with CR before LF, bytes as they are.
"""

import builtins
import io
import sys

import uselect
from clock import clock

CTRL_C = 3
_POLL, _POLLIN, _POLLOUT = 3, 1, 4

_print = builtins.print


class Uart:
    """`interrupt` is the byte that raises KeyboardInterrupt, -1 for none."""

    def __init__(self):
        self.interrupt = -1
        self.on_listen = lambda byte: None
        self._house = sys.stdin.buffer
        self.real = open(0, "rb")  # for whoever waits for input: the same file, another object
        self._out = open(1, "wb")
        self._in = bytearray()
        self._poll = uselect.poll()
        self._poll.register(self.real, uselect.POLLIN)

    def listen(self, byte):
        """From here on this byte interrupts, -1 for none."""
        self.interrupt = byte
        self.on_listen(byte)

    def begin(self):
        """From here on the clock's waits take what comes."""
        clock.add_house(self._house, self._on_readable)
        for stream, _ in clock.house.values():
            if stream is not self._house:
                self._poll.register(stream, uselect.POLLIN)

    def _on_readable(self, _events):
        """Raises KeyboardInterrupt."""
        data = self._house.read(256)
        if not data:
            return False
        at = -1 if self.interrupt < 0 else data.rfind(bytes([self.interrupt]))
        self._in += data[at + 1 :] if at >= 0 else data
        if at >= 0:
            raise KeyboardInterrupt
        return False

    def any(self):
        """How many bytes can be read at once."""
        return len(self._in)

    def read(self, most):
        """At least one byte and at most so many: waits for it, and timers go on meanwhile."""
        while not self._in:
            if clock.wait(self._poll, 1000000):
                self._on_readable(None)
        data = bytes(self._in[:most])
        self._in = self._in[most:]
        return data

    def write(self, data):
        """Bytes as they are."""
        self._out.write(data)
        return len(data)

    def write_text(self, text):
        """Text, with CR before LF."""
        self._out.write(text.replace("\n", "\r\n").encode())


uart = Uart()


class StandardFile(io.IOBase):
    """sys.stdin and sys.stdout, or with `is_text` false their `buffer`."""

    def __init__(self, is_text=True):
        self._is_text = is_text
        self.real = uart.real
        self.any = uart.any
        if is_text:
            self.buffer = StandardFile(False)

    def read(self, most=-1):
        """As the board's: so many, or one that waits."""
        data = b""
        while len(data) < most or not data:
            data += uart.read(max(1, most - len(data)))
        return data.decode() if self._is_text else data

    def readinto(self, into, most=-1):
        """Fills it."""
        most = len(into) if most < 0 else most
        into[:most] = self.buffer.read(most) if self._is_text else self.read(most)
        return most

    def readline(self):
        """Up to LF."""
        line = b""
        while not line.endswith(b"\n"):
            line += uart.read(1)
        return line.decode() if self._is_text else line

    def write(self, data, most=None):
        """Text with CR before LF, bytes as they are."""
        if self._is_text:
            uart.write_text(data if isinstance(data, str) else bytes(data).decode())
            return len(data)
        return uart.write(data if most is None else memoryview(data)[:most])

    def ioctl(self, operation, argument):
        """For a poll that looks at it by itself."""
        if operation == _POLL:
            return argument & (_POLLOUT | (_POLLIN if uart.any() else 0))
        return 0


def take_over_print():
    """`print` and the value of an expression at the prompt go out through the port."""
    builtins.print = _cooked_print
    builtins.__repl_print__ = _show


def _cooked_print(*words, **options):
    if "file" in options:
        _print(*words, **options)
        return
    text = io.StringIO()
    _print(*words, file=text, **options)
    uart.write_text(text.getvalue())


def _show(value):
    if value is not None:
        _cooked_print(repr(value))


def print_exception(error, skip):
    """A traceback, without the lines of files whose name holds `skip`."""
    text = io.BytesIO()  # a name in it may be of any bytes
    sys.print_exception(error, text)
    for line in text.getvalue().split(b"\n")[:-1]:
        if not (b'File "' in line and skip.encode() in line):
            uart.write(line + b"\r\n")
