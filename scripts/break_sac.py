"""SAC on dense Reach, healthy and broken on purpose, examined: what would you have noticed without looking inside?

    python scripts/break_sac.py --how healthy
    python scripts/break_sac.py --how frozen_targets --total-steps 2400
    python scripts/break_sac.py --how one_critic --seed 1

Prints success, and what `analysis/replay_diagnostics.py` finds wrong. Chapter 03 draws the same runs in one figure.
"""

from __future__ import annotations

import sys
from functools import partial
from typing import Any, Literal

from common.cli import guarded, parse

ENV = "FetchReachDense-v4"
How = Literal["healthy", "entropy_from_1", "frozen_targets", "one_critic", "entropy_from_0.005"]
SICK = ("entropy_from_1", "frozen_targets")
# What each changes of the recipe. `prepare` names what is done to the learner before its first step.
HOW: dict[How, dict[str, Any]] = {
    "healthy": {},
    # Stable-Baselines3's default: α is tuned, and begins at 1.
    "entropy_from_1": {"ent_coef": "auto"},
    # The line that moves the targets was forgotten.
    "frozen_targets": {"tau": 0.0},
    "one_critic": {"prepare": "tie_critics"},
    "entropy_from_0.005": {"ent_coef": "auto", "prepare": "start_entropy_at"},
}


def examined(how: How, seed: int, total_steps: int, out: str, smoke: bool = False) -> dict[str, Any]:
    """Train such a run to `out`, replacing an earlier one (whose replay is gone), and return what `diagnose` finds."""
    from agents.replay_inspection import start_entropy_at, tie_critics
    from analysis.replay_diagnostics import diagnose
    from callbacks.examination import Examination
    from train import TrainConfig, run

    changes = dict(HOW[how])
    ways = {"tie_critics": tie_critics, "start_entropy_at": partial(start_entropy_at, alpha=0.005)}
    examination = Examination(ENV, 1 if smoke else 10, ways.get(changes.pop("prepare", None)))
    size = {"smoke": True} if smoke else {"total_steps": total_steps, "eval_every": 800}
    config = TrainConfig("sac", ENV, seed=seed, out=out, overwrite=True, track="none", **size, **changes)
    if run(config, [examination]).status != "finished":
        raise KeyboardInterrupt
    numbers = {"seed": seed} | diagnose(*examination.results())
    success = numbers["trend"][-1]["success"]
    print(f"{how}, seed {seed}: {success['successes']} of {success['n']} solved at the last evaluation")
    print("\n".join(f"  {line}" for line in numbers["findings"] or ["nothing found wrong"]), flush=True)
    return numbers


def main(how: How, seed: int = 0, total_steps: int = 4000, smoke: bool = False) -> int:
    """Train SAC on dense Reach, healthy or broken on purpose, and say what is wrong with it.

    Args:
        how: What is changed.
        seed: Of everything random in the run.
        total_steps: Environment steps.
        smoke: The smallest size.
    """
    examined(how, seed, total_steps, f"runs/ch03/{how}_seed{seed}", smoke)
    return 0


if __name__ == "__main__":
    sys.exit(guarded(lambda: parse(main, None, prog="break_sac.py")))
