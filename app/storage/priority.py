"""Who goes first on a shared machine: a process's priority, and its session's."""

from __future__ import annotations

import os
import time
from pathlib import Path

AUTOGROUP = Path("/proc/self/autogroup")
TRIES, PAUSE_SECONDS = 20, 0.11


def lower_priority(nice: int) -> None:
    """Lower this process for good, and its session where that is its own."""
    os.nice(nice)
    session_priority(nice)


def session_priority(nice: int) -> None:
    """Set the priority of this process's session, where it leads one; 0 puts it back. Blocks for a moment where others change theirs.

    Linux shares the processor among sessions first (`sched_autogroup`, on by default outside of containers), and a child of ours has one of
    its own: there a nice value alone counts for nothing against the server's. Measured: nice 19 beside nice 0 took half of a core, so 4 %.
    """
    if os.getsid(0) != os.getpid():
        return
    for _ in range(TRIES):
        try:
            AUTOGROUP.write_text(str(nice))
        except BlockingIOError:  # the kernel lets all who aren't root change one in a tenth of a second
            time.sleep(PAUSE_SECONDS)
        except OSError:  # there are none here
            return
        else:
            return
