"""Stable names of states, causes, reasons, alarms and errors.

A name is what the wire and the database carry; its place in the tuple is what the flash carries. So a tuple is
only ever appended to: never reordered, never shortened. Names that no flash carries are in words.py.
"""

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
