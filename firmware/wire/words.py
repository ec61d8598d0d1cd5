"""Stable names that only the wire carries, and no flash: the board says them where they arise, and loads none."""

# Of a socket, in `telemetry`.
STATES = ("idle", "armed", "charging", "suspended", "ended", "locked", "unavailable")

# What a point says of itself in `status`.
POINT_STATES = (
    "starting",  # self-test running
    "ready",
    "misconfigured",  # a value in config.json or board.json is missing or absurd: no relay closes
    "meter_fault",  # the meter does not answer, or says nothing that is valid, or failed its self-test: no relay closes
    "maintenance",
    "safe_mode",
    "locked",  # a cause of the whole point is locked out: no relay closes before it is reset
)

REPLY_ERRORS = (
    "bad_json",  # not a JSON object in UTF-8
    "too_large",  # above MAX_MESSAGE bytes
    "bad_field",  # a key is missing, of the wrong type or out of range; detail names it
    "unknown_op",
    "no_such_socket",
    "expired",
    "socket_busy",  # a session is open there
    "socket_locked",  # locked out; detail names the cause and since when
    "no_session",  # nothing to stop
    "not_locked",  # nothing to reset
    "cause_present",  # a reset while the cause is still there
    "local_only",  # this lockout is reset only at the point
    "too_many_resets",  # remote resets of this socket are used up for today
    "not_ready",  # the point closes no relay now; detail says why
    "gone",  # the records asked for are no longer in the journal
    "journal",  # the journal could not take the record: nothing was done, but a stop has opened its relay
)
