"""What the processor can do that decides how something is computed."""

from __future__ import annotations

import torch


def native_bf16() -> bool:
    """Whether this processor has instructions for bfloat16.

    Without them a product in bfloat16 is emulated, and slower than in float32.
    """
    return any(getattr(torch.cpu, f"_is_{name}_supported", bool)() for name in ("avx512_bf16", "amx_tile"))
