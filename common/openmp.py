"""How PyTorch's threads wait for each other; to be called before PyTorch is imported.

A thread that has finished its part of a layer spins until the others have finished theirs, by default for some
milliseconds. On idle cores that is the fastest way to notice. Where another program wants the core, the thread that the
others wait for is the one that stands aside, and they spin in vain: two threads become several times slower than one.
One that sleeps at once gives its core away, and pays for waking up at every layer even where the cores are idle.
Spinning for some microseconds first keeps nearly all of the speed there, and most of it beside another program. Results
do not change. LOG.md has the measurement.
"""

from __future__ import annotations

import os
from collections.abc import MutableMapping

# Turns of the waiting loop of GNU's OpenMP, which PyTorch brings along.
SPIN = {"GOMP_SPINCOUNT": "1000"}
BY_USER = ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")


def spin_briefly(environment: MutableMapping[str, str] = os.environ) -> None:
    """Ask OpenMP to let waiting threads sleep soon, unless the user has said how they should wait."""
    if not any(environment.get(name) for name in BY_USER):
        environment.update(SPIN)
