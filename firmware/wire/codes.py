"""Stable names of states, causes, reasons, alarms and errors.

A name is what the wire and the database carry; its place in the tuple is what the flash carries. So a tuple is
only ever appended to: never reordered, never shortened.
"""

STATES = ("idle", "armed", "charging", "suspended", "ended", "locked", "unavailable")

# Why protection holds a relay open. Order is precedence: where two apply, the first is the one that is named.
CAUSES = (
    "internal",
    "emergency_stop",
    "smoke",
    "residual_current",
    "overcurrent_instant",
    "relay_welded",
    "overcurrent",
    "overpower",
    "overtemperature",
    "overvoltage",
    "undervoltage",
    "meter_implausible",
    "meter_stale",
    "point_overload",
)

END_REASONS = (
    "full",
    "unplugged",
    "no_load",
    "time_limit",
    "energy_limit",
    "stopped_remote",
    "stopped_local",
    "power_loss",
) + CAUSES

SOURCES = ("remote", "button", "card")

RESET_CAUSES = ("power_on", "external", "watchdog", "software", "deep_sleep", "unknown")

RECORD_KINDS = (
    "boot",
    "clock",
    "session_start",
    "session_checkpoint",
    "session_end",
    "trip",
    "reset",
    "alarm",
    "command",
    "config",
)

ALARMS = (
    "relay_welded",
    "load_anomaly",
    "journal_unreadable",  # the ring was begun anew under a new epoch
    "journal_damaged",  # a block lost records to bit rot
    "journal_unstored_lost",  # records the collector had not confirmed were overwritten
    "meter_rewritten",  # the register audit found and repaired a changed register
    "internal",
)

ALARM_STATES = ("raised", "cleared")

OPS = ("start", "stop", "reset", "limit", "resend", "reboot", "identify", "config", "maintenance", "ping")

# What a point says of itself in `status`.
POINT_STATES = (
    "starting",  # self-test running
    "ready",
    "misconfigured",  # a value in config.json or board.json is missing or absurd: no relay closes
    "meter_fault",  # the meter does not answer or failed its self-test: no relay closes
    "maintenance",
    "safe_mode",
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
    "journal",  # the journal could not take the record, so nothing was done
)
