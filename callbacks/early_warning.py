"""Watches a PPO run while it trains and names what is going wrong, by the rules of `analysis/early_warning.py`.

    python train.py --algo ppo …                        # every run of PPO has it; <out>.warnings.json
    PPO(…).learn(…, callback=EarlyWarning())            # with stock Stable-Baselines3, too

Each warning comes once: as a line on stderr, as `warning/<rule>` in TensorBoard and the metric log (1 from the update
on at which the rule spoke), and in the JSON file. It logs what Stable-Baselines3 does not: `train/grad_norm`,
`train/dead_gradients`, `train/return_bound` and `rollout/episodes`. It changes nothing of the training.
"""

from __future__ import annotations

import math
import sys
from dataclasses import asdict
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from analysis.early_warning import BOUND, DEAD, EPISODES, KL, NORM, RETURN, SUCCESS, Finding, Limits, Row, judge
from analysis.reports import DataReport, save
from callbacks.base import RunCallback
from common import provenance


class GradientProbe:
    """Norm of the whole gradient before it is clipped, and how much of it is exactly zero, for each minibatch.

    Stable-Baselines3 throws the norm away that `clip_grad_norm_` returns, and a hook on the optimiser would come after
    the clipping. So each parameter reports when backward has finished its gradient, and the optimiser's step ends the
    sum. `close` takes the hooks away.
    """

    def __init__(self, policy: torch.nn.Module):
        self.squares, self.zeros = 0.0, [0.0]
        self.norms: list[float] = []
        self.dead: list[float] = []
        handles = [p.register_post_accumulate_grad_hook(self._gradient) for p in policy.parameters() if p.requires_grad]
        self.handles = [*handles, policy.optimizer.register_step_pre_hook(self._step)]

    def _gradient(self, parameter: torch.Tensor) -> None:
        gradient = parameter.grad
        self.squares += float(torch.linalg.vector_norm(gradient)) ** 2
        if gradient.dim() > 1:
            self.zeros.append(1 - float(torch.count_nonzero(gradient)) / gradient.numel())

    def _step(self, *_: Any) -> None:
        # ‖g‖ = √Σ g², over all parameters; and of all weight matrices, the one with most zeros
        self.norms.append(math.sqrt(self.squares))
        self.dead.append(max(self.zeros))
        self.squares, self.zeros = 0.0, [0.0]

    def take(self) -> Row:
        """Means over the minibatches since the last call; nothing where there was none."""
        if not self.norms:
            return {}
        row = {NORM: float(np.mean(self.norms)), DEAD: float(np.mean(self.dead))}
        self.norms, self.dead = [], []
        return row

    def close(self) -> None:
        """Remove the hooks."""
        for handle in self.handles:
            handle.remove()


class EarlyWarning(RunCallback):
    """The rules on every update of a run; `found` holds the warnings so far, `rows` what they were judged by.

    `json_out`: a report that is written at each warning, and once where there is none. `limits`: other thresholds.
    """

    def __init__(self, json_out: str | None = None, limits: Limits | None = None, quiet: bool = False):
        super().__init__()
        self.json_out, self.limits, self.quiet = json_out, limits or Limits(), quiet
        self.rows: list[Row] = []
        self.found: dict[str, Finding] = {}
        self.episodes, self.largest_reward = 0, 0.0
        self.written: int | None = None

    def state(self) -> dict[str, Any]:
        """What a continued run goes on from: the first row, which later returns are compared with, and the last."""
        found = {name: asdict(finding) for name, finding in self.found.items()}
        rows = self.rows if len(self.rows) <= 4 else [self.rows[0], *self.rows[-3:]]
        return {"rows": rows, "found": found, "episodes": self.episodes, "largest_reward": self.largest_reward}

    def load(self, state: dict[str, Any]) -> None:
        """Go on from `state`."""
        self.rows, self.episodes, self.largest_reward = state["rows"], state["episodes"], state["largest_reward"]
        self.found = {name: Finding(**finding) for name, finding in state["found"].items()}

    def _on_training_start(self) -> None:
        self.probe = GradientProbe(self.model.policy)

    def _on_step(self) -> bool:
        # Before Stable-Baselines3 adds the value of a truncated state to the last reward of an episode.
        self.largest_reward = max(self.largest_reward, float(np.abs(self.locals["rewards"]).max()))
        self.episodes += int(np.sum(self.locals["dones"]))
        return True

    def _on_rollout_start(self) -> None:
        # Stable-Baselines3 has a hook before a rollout and none after an update, which is the same moment.
        self._after_update()

    def _on_training_end(self) -> None:
        self._after_update()
        self.probe.close()
        self._write()

    def _after_update(self) -> None:
        """Log what the update adds, and judge."""
        gradients = self.probe.take()
        if not gradients:
            return
        model, logged = self.model, self.logger.name_to_value
        # |R| ≤ max |r| / (1 − γ); without discounting a return is as long as its episode.
        length = float(np.mean([e["l"] for e in model.ep_info_buffer])) if model.ep_info_buffer else 1.0
        horizon = min(1 / (1 - model.gamma), length) if model.gamma == 1 else 1 / (1 - model.gamma)
        own = gradients | {BOUND: self.largest_reward * horizon, EPISODES: float(self.episodes)}
        for name, value in own.items():
            self.logger.record(name, value)
        row = own | {name: float(value) for name, value in logged.items() if name.startswith("train/")}
        if model.ep_success_buffer:
            row[SUCCESS] = float(np.mean(model.ep_success_buffer))
        if model.ep_info_buffer:
            row[RETURN] = float(np.mean([e["r"] for e in model.ep_info_buffer]))
        row["steps"] = float(self.num_timesteps)
        if KL not in row:
            return
        self.rows.append({name: value for name, value in row.items() if math.isfinite(value)})
        for finding in judge(self.rows, self.limits):
            if finding.rule not in self.found:
                self.found[finding.rule] = finding
                self._say(finding)
        for rule in self.found:
            self.logger.record(f"warning/{rule}", 1.0)

    def _say(self, finding: Finding) -> None:
        if not self.quiet:
            tqdm.write(f"  WARNING {finding.text()}", file=sys.stderr)
        self._write()

    def _write(self) -> None:
        if self.json_out and self.written != len(self.found):
            self.written = len(self.found)
            data = {"warnings": [asdict(finding) for finding in self.found.values()]}
            config = {"limits": asdict(self.limits)}
            save(self.json_out, DataReport(**provenance.metadata(config), name="early_warning", data=data))
