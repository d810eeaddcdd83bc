"""How busy other programs keep the cores that this process may use, from the kernel's own counters."""

from __future__ import annotations

import os
import time
from pathlib import Path

STAT = Path("/proc/stat")


def busy_seconds() -> float | None:
    """Seconds that all processes together have run on our cores since the machine started; None where unknown."""
    try:
        own = os.sched_getaffinity(0)
        total = 0
        for line in STAT.read_text().splitlines():
            name, *ticks = line.split()
            if name[:3] == "cpu" and name[3:].isdigit() and int(name[3:]) in own:
                # user, nice, system, idle, iowait, irq, softirq, steal: what is neither idle nor waiting for a disk
                values = [int(tick) for tick in ticks[:8]]
                total += sum(values) - values[3] - values[4]
        return total / os.sysconf("SC_CLK_TCK") if total else None
    except (OSError, AttributeError, ValueError, IndexError):
        return None


class OtherLoad:
    """Watches the other programs from the moment it is made."""

    def __init__(self) -> None:
        self.began, self.own, self.all = time.monotonic(), time.process_time(), busy_seconds()

    def cores(self) -> float | None:
        """Of our cores, how many the other programs kept busy since then, on average; None where that is unknown."""
        now, seconds = busy_seconds(), time.monotonic() - self.began
        if now is None or self.all is None or seconds <= 0:
            return None
        # others = (all − own) / elapsed
        return max(0.0, (now - self.all - (time.process_time() - self.own)) / seconds)
