"""A learner knob from outside: the critics' weights shrink a little at every update."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import torch

from agents.build import build_fast
from agents.kernels.registry import KERNELS, Kernel
from agents.sac import Sac
from agents.settings import BACKENDS, Backend, FastSettings
from common.knobs import SHARE, knob


@dataclass(frozen=True)
class ShrinkSettings:
    shrink: float = knob(0.001, "Share of the critics' weights that is lost at every update.", SHARE)


class ShrinkingSac(Sac):
    def __init__(self, *arguments, shrink, **options):
        super().__init__(*arguments, **options)
        self.shrink = shrink

    @torch.no_grad()
    def follow(self):
        for parameter in self.critic.parameters():
            parameter.mul_(1.0 - self.shrink)
        super().follow()


def build(settings, env, device):
    KERNELS["shrinking"] = Kernel({"sac": partial(ShrinkingSac, shrink=settings["shrink"])}, recordable=False)
    return build_fast(settings | {"kernel": "shrinking"}, env, device)


BACKENDS["shrinking"] = Backend(("sac",), (FastSettings, ShrinkSettings), "tests.seams.my_learner:build")
