"""The implementations of each learner, and which one a run takes. Another backend joins in `KERNELS` alone.

All implementations of an algorithm take the same arguments, follow `agents.learner.Learner`, read each other's state,
and agree with the readable learner (tests/agents/kernels/test_kernels.py).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from agents.kernels import bf16, onednn
from agents.kernels.bf16 import Bf16Stack
from agents.kernels.onednn import OneDnnStack
from agents.kernels.sac import SacKernel
from agents.kernels.td3 import Td3Kernel
from agents.learner import Learner
from agents.sac import Sac
from agents.td3 import Td3
from common.errors import UserError, closest


def _everywhere(device: str) -> bool:
    return True


def _on_processors(device: str) -> bool:
    return device == "cpu" and onednn.available()


def _with_bf16(device: str) -> bool:
    return device == "cpu" and bf16.available()


@dataclass(frozen=True)
class Kernel:
    """One way to compute updates: a learner for each algorithm, and the devices ("cpu", "cuda") it works on here."""

    learners: Mapping[str, Callable[..., Learner]]
    works_on: Callable[[str], bool] = _everywhere
    recordable: bool = True
    """Whether a CUDA graph can hold an update: nothing waits for a value."""
    needs: str = ""
    """What a machine must have for it, to be told where it has not."""


KERNELS = {
    "autograd": Kernel({"sac": Sac, "td3": Td3}, recordable=False),
    "blas": Kernel({"sac": SacKernel, "td3": Td3Kernel}),
    "onednn": Kernel(
        {"sac": partial(SacKernel, stack=OneDnnStack), "td3": partial(Td3Kernel, stack=OneDnnStack)}, _on_processors
    ),
    "bf16": Kernel(
        {"sac": partial(SacKernel, stack=Bf16Stack), "td3": partial(Td3Kernel, stack=Bf16Stack)},
        _with_bf16,
        needs="a processor with instructions for bfloat16 (AVX-512 BF16 or AMX)",
    ),
}


def _fastest(device: str) -> str:
    """What `auto` takes. Not `bf16`, which rounds coarsely: a run asks for it."""
    # Where vectors have 256 bits, MKL uses all of them, and with less ado than oneDNN: 1.2 times its updates.
    wide = KERNELS["onednn"].works_on(device) and onednn.wide_vectors()
    return "onednn" if wide else "blas"


def usable_kernel(kernel: str, device: str) -> str:
    """The entry of `KERNELS` that `kernel`, an entry's name or `auto`, means on `device`. Raises `UserError`."""
    if kernel == "auto":
        return _fastest(device)
    if kernel not in KERNELS:
        raise UserError(f"--kernel {kernel}: choose one of auto, {', '.join(KERNELS)}.{closest(kernel, KERNELS)}")
    if not KERNELS[kernel].works_on(device):
        usable = [name for name, other in KERNELS.items() if other.works_on(device)]
        why = f" (it needs {KERNELS[kernel].needs})" if KERNELS[kernel].needs else ""
        raise UserError(f"--kernel {kernel} does not work on {device} here{why}; choose one of {', '.join(usable)}.")
    return kernel


def make_learner(algo: str, kernel: str, *arguments: Any, device: str = "cpu", **options: Any) -> Learner:
    """A learner of `algo`. Raises `UserError` where there is no such kernel, or not on `device`."""
    return KERNELS[usable_kernel(kernel, device)].learners[algo](*arguments, device=device, **options)
