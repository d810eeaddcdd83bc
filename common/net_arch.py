"""Limits on hidden layers, so that a typing error or a damaged file cannot fill the memory."""

from __future__ import annotations

from typing import Any

# Layers, units of one, and weights between all hidden layers of one network.
MOST_LAYERS, WIDEST, MOST_WEIGHTS = 32, 16_384, 2**25


def check_net_arch(layers: Any) -> str | None:
    """Why these hidden layers are none that a run here could have; None where they are fine."""
    if not isinstance(layers, list | tuple) or not layers:
        return "give at least one layer, each with at least one unit"
    if not all(type(units) is int and units >= 1 for units in layers):
        return "give at least one layer, each with at least one unit"
    if len(layers) > MOST_LAYERS:
        return f"more than {MOST_LAYERS} layers"
    if max(layers) > WIDEST:
        return f"more than {WIDEST:,} units in a layer"
    if sum(a * b for a, b in zip(layers, layers[1:], strict=False)) > MOST_WEIGHTS:
        return f"more than {MOST_WEIGHTS:,} weights"
    return None
