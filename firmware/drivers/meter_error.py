"""The error of every meter driver, in a file of its own: a board loads only the driver that it has."""


class MeterError(OSError):
    """The meter chip does not do what was asked; the text says what that means."""
