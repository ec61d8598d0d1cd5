"""Everything the host raises for a person to read, and the exit code of each.

    ZhuqueError               1  the thing failed
      UsageError              2  asked for wrongly
      NotFoundError           3  no such database, point or socket
      NoAnswerError           4  a device or a broker does not answer
      RefusedError            5  refused for safety or permission
      StoreError              1  the database cannot be used as it is
        StoreBusyError        1  it may be usable later: locked, read-only, disk full

A text says what happened, what it means and what to do next.
"""

from __future__ import annotations


class ZhuqueError(Exception):
    """The thing failed."""

    exit_code = 1


class UsageError(ZhuqueError):
    """Asked for wrongly."""

    exit_code = 2


class NotFoundError(ZhuqueError):
    """What was named does not exist."""

    exit_code = 3


class NoAnswerError(ZhuqueError):
    """A device or a broker does not answer."""

    exit_code = 4


class RefusedError(ZhuqueError):
    """Refused for safety or for want of permission."""

    exit_code = 5


class StoreError(ZhuqueError):
    """The database cannot be used as it is."""


class StoreBusyError(StoreError):
    """The database takes nothing now, but may later: it is locked, read-only, or its disk is full."""
