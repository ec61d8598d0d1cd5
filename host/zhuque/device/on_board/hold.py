"""Before a transfer to a board that runs: its watchdog waits ten minutes for us, and restarts the board then.

The tick goes on without the rest of the firmware, and opens every relay when the lease of the session loop has run out.
"""

import sys

if "main" in sys.modules:
    import machine

    machine.WDT(timeout=600_000)
