"""How PyTorch's threads wait for each other; to be called before PyTorch is imported.

By default a thread that has finished its part of a layer spins until the others have finished theirs. On idle cores
that is the fastest way to notice. Where another program wants the core, the thread that the others wait for is the one
that has to stand aside, and all of them spin until the kernel lets it go on: two threads become several times slower
than one. A thread that sleeps instead gives its core away, and results do not change.
"""

from __future__ import annotations

import os
from collections.abc import MutableMapping

VARIABLE = "OMP_WAIT_POLICY"


def wait_asleep(environment: MutableMapping[str, str] = os.environ) -> None:
    """Ask OpenMP to let waiting threads sleep, unless the user has said otherwise."""
    environment.setdefault(VARIABLE, "PASSIVE")
