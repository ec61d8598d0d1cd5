"""MicroPython's prompt on a serial port, as its ESP32 port has it: raw, raw with paste, and friendly.

After `pyexec.c`: the raw one takes a program up to Ctrl-D, answers OK, then what it prints, 04, its traceback, 04; raw
paste takes it in windows of 128 bytes that the board grants. mpremote uses both unchanged. The friendly one is for a
person: it echoes, goes on where a block is open, and knows Ctrl-A to E.
"""

import gc

from uart0 import CTRL_C, print_exception, uart

CTRL_A, CTRL_B, CTRL_D, CTRL_E = 1, 2, 4, 5
_WINDOW = 128
_RAW_BANNER = b"raw REPL; CTRL-B to exit\r\n"


class Repl:
    """`raw` is the mode, kept across a soft reset. `is_over()`: the process is to end, let everything through."""

    def __init__(self, names, banner, raw, is_over, hidden):
        self.raw = raw
        self._names = names
        self._banner = banner
        self._is_over = is_over
        self._hidden = hidden

    def run(self):
        """Until somebody asks for a soft reset."""
        while True:
            try:
                if self._raw() if self.raw else self._friendly():
                    return
            except KeyboardInterrupt:
                pass  # it was meant for what had just ended

    def forget(self):
        """Nothing of the program is left: files that it did not close are closed."""
        self._names.clear()
        gc.collect()

    # Running something ------------------------------------------------------------------------------------------------

    def run_file(self, name):
        """boot.py or main.py, where it is there; True when it asked for a soft reset."""
        try:
            with open(name, "rb") as file:
                source = file.read()  # bytes: what was cut off while it was written may be no text
        except OSError:
            return False
        return self._execute(source, name, "exec", b"")

    def _execute(self, source, name, mode, mark):
        """Runs it and prints its traceback; `mark` ends the output and the traceback. True for a soft reset."""
        over = False
        try:
            uart.listen(CTRL_C)
            try:
                exec(compile(source, name, mode), self._names)
            finally:
                uart.listen(-1)
            uart.write(mark)
        except SystemExit:
            if self._is_over():
                raise
            uart.write(mark)
            over = True
        except BaseException as error:
            if self._is_over():
                raise
            uart.write(mark)
            print_exception(error, self._hidden)
        uart.write(mark)
        return over

    # Raw --------------------------------------------------------------------------------------------------------------

    def _raw(self):
        """True for a soft reset, False when the mode changed."""
        uart.write(_RAW_BANNER)
        while True:
            uart.write(b">")
            line = self._raw_line()
            if line is None:
                return False
            if line == b"\x05A\x01":
                over = self._paste()
            elif line[:1] == b"\x05" and line[-1:] == b"\x01":
                uart.write(b"R\x00")
                over = False
            elif line:
                uart.write(b"OK")
                over = self._execute(str(line, "utf-8"), "<stdin>", "exec", b"\x04")
            else:
                uart.write(b"OK\r\n")
                over = True
            if over:
                return True

    def _raw_line(self):
        """The program, or the request for raw paste with its Ctrl-A; None for the friendly prompt."""
        line = bytearray()
        while True:
            for byte in uart.read(1):
                if byte == CTRL_A:
                    if len(line) == 2 and line[0] == CTRL_E:
                        return bytes(line) + b"\x01"
                    line = bytearray()
                    uart.write(_RAW_BANNER + b">")
                elif byte == CTRL_B:
                    uart.write(b"\r\n")
                    self.raw = False
                    return None
                elif byte == CTRL_C:
                    line = bytearray()
                elif byte == CTRL_D:
                    return bytes(line)
                else:
                    line.append(byte)

    def _paste(self):
        uart.write(b"R\x01" + bytes((_WINDOW & 0xFF, _WINDOW >> 8, 1)))
        source, left = bytearray(), _WINDOW
        while True:
            byte = uart.read(1)[0]
            if byte in (CTRL_C, CTRL_D):
                break
            source.append(byte)
            left -= 1
            if not left:
                uart.write(b"\x01")
                left = _WINDOW
        uart.write(b"\x04")
        if byte == CTRL_C:
            uart.write(b"\x04")
            print_exception(KeyboardInterrupt(), self._hidden)
            uart.write(b"\x04")
            return False
        return self._execute(str(source, "utf-8"), "<stdin>", "exec", b"\x04")

    # Friendly ---------------------------------------------------------------------------------------------------------

    def _friendly(self):
        """True for a soft reset, False when the mode changed."""
        uart.write_text(self._banner + '\nType "help()" for more information.\n')
        while True:
            source = self._statement()
            if source is None:
                return False
            if source is True:
                return True
            if source.strip() and self._execute(source, "<stdin>", "single", b""):
                return True

    def _statement(self):
        """What was typed until it is whole; None for the raw prompt, True for a soft reset."""
        lines, prompt = [], b">>> "
        while True:
            line = self._line(prompt)
            if line == CTRL_C:
                lines, prompt = [], b">>> "
            elif line == CTRL_A:
                self.raw = True
                return None
            elif line == CTRL_B:
                uart.write_text("\n" + self._banner + '\nType "help()" for more information.\n')
            elif line == CTRL_D:
                return True
            elif line == CTRL_E:
                return self._paste_by_hand()
            else:
                lines.append(line)
                if not goes_on(lines):
                    return "\n".join(lines)
                prompt = b"... "

    def _line(self, prompt):
        """A line, echoed; or the control character that ended it."""
        uart.write(prompt)
        line = bytearray()
        while True:
            byte = uart.read(1)[0]
            if byte in (13, 10):
                uart.write(b"\r\n")
                return str(line, "utf-8")
            if byte == CTRL_C:
                uart.write(b"\r\n")
                return CTRL_C
            if byte in (CTRL_A, CTRL_B, CTRL_D, CTRL_E) and not line:
                uart.write(b"\r\n")
                return byte
            if byte in (8, 127):
                if line:
                    line = line[:-1]
                    uart.write(b"\b \b")
            elif byte == 27:
                self._skip_escape()
            elif byte >= 32 or byte == 9:
                line.append(byte)
                uart.write(bytes((byte,)))

    def _skip_escape(self):
        """The keys that move a cursor do nothing here."""
        if uart.read(1) == b"[":
            while not 64 <= uart.read(1)[0] < 127:
                pass

    def _paste_by_hand(self):
        """Lines as they come until Ctrl-D; Ctrl-C throws them away."""
        uart.write(b"paste mode; Ctrl-C to cancel, Ctrl-D to finish\r\n=== ")
        source = bytearray()
        while True:
            byte = uart.read(1)[0]
            if byte in (CTRL_C, CTRL_D):
                uart.write(b"\r\n")
                break
            if byte == 13:
                byte = 10
                uart.write(b"\r\n=== ")
            else:
                uart.write(bytes((byte,)))
            source.append(byte)
        if byte == CTRL_D:
            self._execute(str(source, "utf-8"), "<stdin>", "exec", b"")
        return ""


def goes_on(lines):
    """True while a statement of these lines is not whole: a bracket or a block is open, or a backslash ends it."""
    last = lines[-1]
    if last.endswith("\\"):
        return True
    depth, quote = 0, ""
    for character in "\n".join(lines):
        if quote:
            if character == quote:
                quote = ""
        elif character in "'\"":
            quote = character
        elif character in "([{":
            depth += 1
        elif character in ")]}":
            depth -= 1
    if depth > 0:
        return True
    first = lines[0]
    opens = first.rstrip().endswith(":") or first.startswith("@")
    return opens and (len(lines) == 1 or last.strip() != "")
