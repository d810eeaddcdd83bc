"""What is going wrong in a PPO run, named from the numbers that it logs: rules, each with its threshold and its reason.

    python -m analysis.early_warning RUN.metrics.jsonl      # names what was wrong, with exit status 1 if anything was

A row holds what was logged of one update (one rollout and the passes over it) under the names that TensorBoard shows.
`callbacks/early_warning.py` collects the rows of a run that is going on. A rule without its numbers is silent.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from analysis.logs import read_log
from common.errors import UserError

Row = dict[str, float]
LOSS, EXPLAINED, ENTROPY = "train/value_loss", "train/explained_variance", "train/entropy_loss"
KL, CLIPPED, POLICY_LOSS, STD = "train/approx_kl", "train/clip_fraction", "train/policy_gradient_loss", "train/std"
NORM, DEAD, BOUND = "train/grad_norm", "train/dead_gradients", "train/return_bound"
SUCCESS, RETURN, EPISODES = "rollout/success_rate", "rollout/ep_rew_mean", "rollout/episodes"


@dataclass(frozen=True)
class Limits:
    """Thresholds. Healthy runs of chapter 02 stay away from each by at least a factor of two; see the page's table."""

    std_low: float = 0.05
    """Mean noise of the actions, in units of the action space, whose range is 2: below this nothing new is tried."""
    std_high: float = 3.0
    """Above this three of four actions are clipped to the ends of the range: the policy is noise."""
    kl: float = 0.1
    """Mean KL of three updates. The ratios then spread by sqrt(2 KL) = 0.45, twice the usual clip range of 0.2."""
    kl_at_once: float = 1.0
    """KL of one update: the new policy shares little with the one that collected the data."""
    dead: float = 0.5
    """Mean share of exact zeros in the gradient of the worst layer. Tanh gives a zero only where it is saturated."""
    norm_low: float = 1e-6
    """Norm of the gradient: nothing reaches the weights."""
    episodes: int = 300
    """Episodes after which a task with a dense reward should be solved sometimes, noise and all."""
    success: float = 0.05
    """What counts as never: chance solves 3% of Reach at reset, and noise carries most of these away again."""


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong: which rule says so, the number it saw, its threshold, and what to do."""

    rule: str
    steps: int
    value: float
    threshold: float
    advice: str

    def text(self) -> str:
        """One line."""
        name = self.rule.replace("_", " ")
        return f"{name} at {self.steps:,} steps: {self.value:.3g} against {self.threshold:.3g}. {self.advice}"


Answer = tuple[float, float] | None  # (what was seen, threshold) where something is wrong
Rule = Callable[[Sequence[Row], Limits], Answer]


def value_explosion(rows: Sequence[Row], limits: Limits) -> Answer:
    """The mean squared error of V is larger than the square of any return that the rewards seen so far allow."""
    row = rows[-1]
    if LOSS not in row or BOUND not in row:
        return None
    # |R| ≤ max |r| / (1 − γ), so a critic that always says 0 has a smaller error than this one.
    allowed = row[BOUND] ** 2
    return (row[LOSS], allowed) if row[LOSS] > allowed else None


def entropy_collapse(rows: Sequence[Row], limits: Limits) -> Answer:
    """The policy has stopped exploring before it solves the task."""
    row = rows[-1]
    unsolved = row.get(SUCCESS, 0.0) < 0.5
    return (row[STD], limits.std_low) if unsolved and row.get(STD, 1.0) < limits.std_low else None


def entropy_explosion(rows: Sequence[Row], limits: Limits) -> Answer:
    """The noise of the policy has grown beyond the range of the actions."""
    std = rows[-1].get(STD, 1.0)
    return (std, limits.std_high) if std > limits.std_high else None


def kl_drift(rows: Sequence[Row], limits: Limits) -> Answer:
    """Each update leaves the policy that collected its data so far behind that the data says little about it."""
    seen = [row[KL] for row in rows[-3:] if KL in row]
    if seen and seen[-1] > limits.kl_at_once:
        return seen[-1], limits.kl_at_once
    mean = sum(seen) / 3
    return (mean, limits.kl) if len(seen) == 3 and mean > limits.kl else None


def dead_gradients(rows: Sequence[Row], limits: Limits) -> Answer:
    """A layer gets no gradient: its units are saturated, or nothing flows back to it."""
    dead = [row[DEAD] for row in rows[-3:] if DEAD in row]
    if len(dead) == 3 and sum(dead) / 3 > limits.dead:
        return sum(dead) / 3, limits.dead
    norms = [row[NORM] for row in rows[-3:] if NORM in row]
    return (max(norms), limits.norm_low) if len(norms) == 3 and max(norms) < limits.norm_low else None


def advantages_off_centre(rows: Sequence[Row], limits: Limits) -> Answer:
    """The policy's loss is larger than normalised advantages can make it."""
    row = rows[-1]
    if POLICY_LOSS not in row or KL not in row:
        return None
    # With mean Â = 0 and mean Â² = 1: |mean ρ Â| = |mean (ρ − 1) Â| ≤ √mean (ρ − 1)² ≈ √(2 KL). Twice that, for safety.
    allowed = 2 * math.sqrt(2 * max(row[KL], 0.0))
    small_steps = row[KL] < limits.kl
    return (abs(row[POLICY_LOSS]), allowed) if small_steps and abs(row[POLICY_LOSS]) > allowed else None


def return_without_success(rows: Sequence[Row], limits: Limits) -> Answer:
    """The return has risen by more than its own first size, and the task is still never solved."""
    known = [row for row in rows if RETURN in row]
    last = rows[-1]
    if not known or last.get(EPISODES, 0) < 100 or RETURN not in last or SUCCESS not in last:
        return None
    # A reward −d can at best rise to 0, by its own first size, and arrives there only with success.
    risen, size = last[RETURN] - known[0][RETURN], abs(known[0][RETURN])
    return (risen, size) if last[SUCCESS] < limits.success and risen > size else None


def success_flatline(rows: Sequence[Row], limits: Limits) -> Answer:
    """So many episodes, and the last 100 of them as good as never solved."""
    row = rows[-1]
    waited = row.get(EPISODES, 0) >= limits.episodes
    return (row[SUCCESS], limits.success) if waited and row.get(SUCCESS, 1.0) < limits.success else None


RULES: dict[Rule, str] = {
    value_explosion: "Lower the learning rate; look at the size of rewards and observations.",
    entropy_collapse: "Begin with more noise, or raise ent_coef; look for its wrong sign.",
    entropy_explosion: "Lower ent_coef or the learning rate; look at the size of the advantages.",
    kl_drift: "Lower the learning rate or n_epochs, or clip: is clip_range near 0.2?",
    dead_gradients: "Normalise the observations: a saturated tanh passes nothing back.",
    advantages_off_centre: "Normalise the advantages: how fast this learns now depends on the size of the rewards.",
    return_without_success: "What is maximised is not the task: look at the sign and the terms of the reward.",
    success_flatline: "Nothing is learned: check reward, goal in the observation, action range, and the panels above.",
}


def judge(rows: Sequence[Row], limits: Limits | None = None) -> list[Finding]:
    """What is wrong as of the last of `rows`, which are in the order of training and each hold `steps`."""
    found = []
    for rule, advice in RULES.items():
        answer = rule(rows, limits or Limits())
        if answer is not None:
            found.append(Finding(rule.__name__, int(rows[-1]["steps"]), *map(float, answer), advice))
    return found


def first_findings(rows: Sequence[Row], limits: Limits | None = None) -> list[Finding]:
    """For each rule that ever speaks, the first time that it does."""
    found: dict[str, Finding] = {}
    for end in range(1, len(rows) + 1):
        for finding in judge(rows[:end], limits):
            found.setdefault(finding.rule, finding)
    return list(found.values())


def rows_of(path: str) -> list[Row]:
    """The rows of a metric log: one for each update, with success and return as they were when it was made.

    Raises `UserError` where the run logged no update of PPO.
    """
    rows: dict[int, Row] = {}
    before: Row = {"steps": 0.0}
    for entry in read_log(path):
        if entry["kind"] != "train":
            continue
        rollout = {key: value for key, value in entry.items() if key.startswith("rollout/") or key == "steps"}
        if KL in entry:
            # Stable-Baselines3 writes an update together with the rollout that comes after it; the last one alone.
            made = before if RETURN in entry else before | rollout
            rows[entry["updates"]] = {key: value for key, value in entry.items() if key.startswith("train/")} | made
            if EPISODES in entry:
                rows[entry["updates"]][EPISODES] = entry[EPISODES]
        before |= rollout
    if not rows:
        raise UserError(f"{path} holds no update of PPO; train with --algo ppo.")
    return [rows[updates] for updates in sorted(rows)]


def main(argv: Sequence[str] | None = None) -> int:
    """Name what was wrong in each log; 1 if anything was, 2 on a bad argument."""
    parser = argparse.ArgumentParser(prog="python -m analysis.early_warning", description="Name what was wrong.")
    parser.add_argument("logs", nargs="+", metavar="LOG.jsonl", help="metric logs of PPO runs, <out>.metrics.jsonl")
    arguments = parser.parse_args(argv)
    status = 0
    try:
        for path in arguments.logs:
            rows = rows_of(path)
            found = first_findings(rows)
            print(f"{path}: {len(rows)} updates, " + (f"{len(found)} warnings" if found else "nothing to warn of"))
            for finding in found:
                print(f"  {finding.text()}")
            status = status or int(bool(found))
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return status


if __name__ == "__main__":
    sys.exit(main())
