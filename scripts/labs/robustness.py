"""How large may an error be? Noise of three kinds, a curve, its figures of merit, and a prediction to hold against it.

    python scripts/labs/robustness.py --verify                          # every claim, about 15 seconds
    python scripts/labs/robustness.py --demo                            # Reach: predicted and measured, about a minute
    python scripts/labs/robustness.py --figure runs/ch07/noise.png      # the three kinds of noise, drawn

Exit status 1 if a claim is wrong. For reading beside chapter 07; nothing imports it. The controller is proportional
control, written here, so that theory has something to say about it. Positions are in m, world frame.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from analysis.metrics import rate
from analysis.reports import DataReport, save
from common import provenance
from common.cli import guarded, parse
from common.errors import UserError
from envs.make import make_env

THRESHOLD, STEP, LENGTH = 0.05, 0.05, 50  # m; m of one unit of action; steps of an episode
# The median length of a vector of three independent N(0, 1): half of all are shorter (χ with 3 degrees of freedom).
MEDIAN_LENGTH = 1.5382
Claim = tuple[str, float, float, float]
Observation = dict[str, np.ndarray]


# --8<-- [start:ar1]
class Noise:
    """Noise with standard deviation 1 at every step, whatever its memory: n_t = rho n_(t-1) + sqrt(1 - rho²) e_t."""

    def __init__(self, rho: float, size: int, rng: np.random.Generator):
        self.rho, self.size, self.rng = rho, size, rng
        # n_0 ~ N(0, 1): begun at 0, the noise would have to grow, and short episodes would be easier
        self.now = rng.normal(size=size)

    def draw(self) -> np.ndarray:
        """The noise of this step; the next call is one step later."""
        here = self.now
        # Var n_t = rho² + (1 - rho²) = 1: rho = 0 is white, rho = 1 a constant
        self.now = self.rho * here + math.sqrt(1 - self.rho**2) * self.rng.normal(size=self.size)
        return here
    # --8<-- [end:ar1]


# --8<-- [start:measure]
def measured(true: Observation, error: np.ndarray) -> Observation:
    """What a robot sees of Reach: every measurement wrong by `error` (10,), and the command as it was given."""
    seen = true["observation"] + error
    return {
        "observation": seen,
        # The achieved goal is a copy of the gripper's position: the same error, not none and not another.
        "achieved_goal": seen[:3],
        "desired_goal": true["desired_goal"],
    }
    # --8<-- [end:measure]


def towards(seen: Observation) -> np.ndarray:
    """Proportional control: the action (4,) that would end the error that is seen in one step, clipped."""
    # u = (g - x̂) / 5 cm
    error = seen["desired_goal"] - seen["achieved_goal"]
    return np.append(np.clip(error / STEP, -1.0, 1.0), 0.0).astype(np.float32)


# --8<-- [start:episode]
def final_distance(env: Any, seed: int, sigma: float, rho: float, alpha: float = 1.0) -> float:
    """One episode of Reach under noise of size `sigma`, filtered by `alpha`; the true distance at its end, m."""
    # The noise has a stream of its own: the same goals at every sigma, and the same noise times sigma.
    noise = Noise(rho, 10, np.random.default_rng([seed, 7]))
    true, _ = env.reset(seed=seed)
    filtered = None
    for _ in range(LENGTH):
        seen = measured(true, sigma * noise.draw())
        place = seen["achieved_goal"]
        # y_t = alpha x_t + (1 - alpha) y_(t-1); it stands after the noise, or it could not remove it
        filtered = place if filtered is None else alpha * place + (1 - alpha) * filtered
        true, *_ = env.step(towards(seen | {"achieved_goal": filtered}))
    # Judged by the simulator's truth: a robot that misjudges its place misjudges its success as well.
    return float(np.linalg.norm(true["achieved_goal"] - true["desired_goal"]))
    # --8<-- [end:episode]


# --8<-- [start:merits]
def area(sigmas: Sequence[float], rates: np.ndarray) -> float:
    """Mean success over the range: 1/(σ_K - σ_0) ∫ p dσ. It compares only with areas over the same range."""
    heights = (rates[1:] + rates[:-1]) / 2
    return float(np.sum(heights * np.diff(sigmas)) / (sigmas[-1] - sigmas[0]))
    # --8<-- [end:merits]


def critical(sigmas: Sequence[float], rates: np.ndarray, level: float = 0.5) -> float:
    """Where success first falls below `level`, linear between the points; infinite where it never does."""
    below = np.flatnonzero(rates < level)
    if len(below) == 0:
        return math.inf
    k = below[0]
    if k == 0:
        return sigmas[0]
    share = (rates[k - 1] - level) / (rates[k - 1] - rates[k])
    return float(sigmas[k - 1] + share * (sigmas[k] - sigmas[k - 1]))


# --8<-- [start:bootstrap]
def interval(
    outcomes: np.ndarray, merit: Callable[[np.ndarray], float], rng: np.random.Generator, resamples: int = 1000
) -> tuple[float, float]:
    """95% of `merit` of the curve of `outcomes` (K, N), over episodes drawn with replacement."""
    n = outcomes.shape[1]
    found = []
    for _ in range(resamples):
        # The same episodes at every sigma: an easy goal is easy along the whole curve.
        chosen = rng.integers(0, n, n)
        found.append(merit(outcomes[:, chosen].mean(axis=1)))
    return float(np.quantile(found, 0.025)), float(np.quantile(found, 0.975))
    # --8<-- [end:bootstrap]


def improvement(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """P(X > Y) + P(X = Y) / 2 for one run X of ours and one run Y of theirs (Agarwal et al. 2021)."""
    return float(np.mean([[(x > y) + 0.5 * (x == y) for y in theirs] for x in ours]))


# --8<-- [start:predict]
def predicted_critical(gain: float, rho: float, alpha: float = 1.0) -> float:
    """The sigma at which half of all episodes end beyond 5 cm, from the loop x_(t+1) = x_t + gain (g - y_t)."""
    # A constant error is obeyed: the gripper stops at g - b, whatever the gain. White noise is averaged by the loop.
    share = 1.0 if rho == 1 else loop_spread(gain, rho, alpha)
    # |x - g| has the median 1.538 · share · sigma; set it to 5 cm
    return THRESHOLD / (MEDIAN_LENGTH * share)


def loop_spread(gain: float, rho: float, alpha: float) -> float:
    """Standard deviation of x - g for noise of standard deviation 1, by solving P = A P Aᵀ + Q."""
    # State: (x - g, filter y - g, noise n);  y' = (1 - α) y + α (x + n),  x' = x - gain y',  n' = ρ n + √(1 - ρ²) e
    a, b = 1 - alpha, alpha
    A = np.array([[1 - gain * b, -gain * a, -gain * b], [b, a, b], [0, 0, rho]])
    Q = np.diag([0, 0, 1 - rho**2])
    # vec(P) = (I - A ⊗ A)⁻¹ vec(Q)
    P = np.linalg.solve(np.eye(9) - np.kron(A, A), Q.reshape(-1)).reshape(3, 3)
    return math.sqrt(P[0, 0])
    # --8<-- [end:predict]


# --8<-- [start:saturate]
def model_share(gain: float, sigma: float, rho: float, alpha: float, episodes: int = 4000) -> float:
    """The share that ends within 5 cm when the same loop is played with actions that saturate, as the real ones do."""
    noise = Noise(rho, 3 * episodes, np.random.default_rng(0))
    error, filtered = np.full(3 * episodes, 0.1), None
    for _ in range(LENGTH):
        seen = error + sigma * noise.draw()
        filtered = seen if filtered is None else alpha * seen + (1 - alpha) * filtered
        # However wrong the measurement, no action moves the gripper by more than gain · 5 cm.
        error = error - gain * np.clip(filtered, -STEP, STEP)
    return float(np.mean(np.linalg.norm(error.reshape(-1, 3), axis=1) < THRESHOLD))
    # --8<-- [end:saturate]


def tracking_gain(env: Any, steps: int = 200) -> float:
    """How much of a commanded displacement the gripper covers in the step: the slope of Δx against 5 cm · u."""
    rng, moved, asked = np.random.default_rng(0), [], []
    true, _ = env.reset(seed=0)
    for step in range(steps):
        # Small commands, as they are near the goal.
        action = np.append(np.clip(rng.normal(0, 0.3, 3), -1, 1), 0.0).astype(np.float32)
        after, _, _, truncated, _ = env.step(action)
        moved.append(after["achieved_goal"] - true["achieved_goal"])
        asked.append(STEP * action[:3])
        true = env.reset(seed=step)[0] if truncated else after
    return float(np.sum(np.array(moved) * asked) / np.sum(np.square(asked)))


def curve(env: Any, sigmas: Sequence[float], rho: float, alpha: float, episodes: int) -> np.ndarray:
    """Outcomes (K, N) of the same episodes at every sigma."""
    return np.array([[final_distance(env, seed, sigma, rho, alpha) < THRESHOLD for seed in range(episodes)]
                     for sigma in sigmas], float)  # fmt: skip


def series(rho: float, steps: int, size: int) -> np.ndarray:
    """(steps, size) of noise from a fixed generator."""
    noise = Noise(rho, size, np.random.default_rng(0))
    return np.array([noise.draw() for _ in range(steps)])


def check(episodes: int = 30) -> list[Claim]:
    """Claims: what, its value, the least and the most that bear it out."""
    white, slow, constant = (series(rho, 5, 4000) for rho in (0.0, 0.9, 1.0))
    true = {"observation": np.arange(10.0), "achieved_goal": np.arange(3.0), "desired_goal": np.ones(3)}
    seen = measured(true, np.full(10, 0.5))
    copies = float(abs(seen["achieved_goal"] - seen["observation"][:3]).max())
    sigmas, rates = [0.0, 1.0, 3.0], np.array([1.0, 0.6, 0.2])
    rng = np.random.default_rng(0)
    flips = (rng.random((3, 400)) < rates[:, None]).astype(float)
    low, high = interval(flips, lambda mean: area(sigmas, mean), rng)
    env = make_env("FetchReach-v4")
    gain = tracking_gain(env)
    at_predicted = model_share(gain, predicted_critical(gain, 1.0), 1.0, 1.0)
    # Final errors under small noise, over what theory says of them.
    white_spread = [final_distance(env, seed, 0.01, 0.0) for seed in range(episodes)]
    ratio = math.sqrt(np.mean(np.square(white_spread)) / 3) / (0.01 * loop_spread(gain, 0.0, 1.0))
    biases = [np.linalg.norm(np.random.default_rng([seed, 7]).normal(size=10)[:3]) for seed in range(episodes)]
    obeyed = [final_distance(env, seed, 0.03, 1.0) / (0.03 * biases[seed]) for seed in range(episodes)]
    return [
        ("standard deviation of white noise, fifth step", white[4].std(), 0.97, 1.03),
        ("standard deviation of noise with rho = 0.9, fifth step", slow[4].std(), 0.97, 1.03),
        ("correlation over two steps, rho = 0.9", np.mean(slow[2:] * slow[:-2]), 0.79, 0.83),
        ("how much noise with rho = 1 changes", np.ptp(constant, axis=0).max(), 0, 0),
        ("achieved goal less its copy in the observation", copies, 0, 0),
        ("change of the desired goal", abs(seen["desired_goal"] - true["desired_goal"]).max(), 0, 0),
        ("area of 1, 0.6, 0.2 at 0, 1, 3", area(sigmas, rates), 0.5333, 0.5334),
        ("where that curve crosses a half", critical(sigmas, rates), 1.5, 1.5),
        ("the true area lies in its bootstrap interval", float(low < area(sigmas, rates) < high), 1, 1),
        ("width of that interval, 400 episodes", high - low, 0.03, 0.09),
        ("P(improvement) of 3, 2 over 1, 2", improvement([3, 2], [1, 2]), 0.875, 0.875),
        ("spread of x for gain 1 and white noise", loop_spread(1.0, 0.0, 1.0), 1, 1),
        ("gain of the gripper, share of a command done in a step", gain, 0.5, 0.7),
        ("error at the end under white noise of 10 mm, over theory's", ratio, 0.85, 1.15),
        ("distance at the end under a bias, over its length, median", float(np.median(obeyed)), 0.9, 1.1),
        ("share that the model solves at the predicted bias", at_predicted, 0.45, 0.55),
    ]  # fmt: skip


def demonstrate(episodes: int) -> dict[str, Any]:
    """Reach, four perturbations: the critical sigma of the linear loop, of the one that saturates, and of MuJoCo's."""
    env, rng = make_env("FetchReach-v4"), np.random.default_rng(1)
    gain, sigmas, rows = tracking_gain(env), [0.0, 0.02, 0.03, 0.04, 0.05, 0.06, 0.08, 0.12], []
    print(f"gain {gain:.3f}; sigma (mm) at which half of {episodes} episodes fail")
    print(f"{'':30s} linear   clipped  measured")
    for name, rho, alpha in (("white", 0.0, 1.0), ("white, filter alpha = 0.5", 0.0, 0.5),
                             ("correlated, rho = 0.95", 0.95, 1.0), ("constant", 1.0, 1.0)):  # fmt: skip
        outcomes = curve(env, sigmas, rho, alpha, episodes)
        rates, low_high = outcomes.mean(axis=1), interval(outcomes, lambda mean: critical(sigmas, mean), rng)
        model = critical(sigmas, np.array([model_share(gain, sigma, rho, alpha) for sigma in sigmas]))
        values = [predicted_critical(gain, rho, alpha), model, critical(sigmas, rates), *low_high]
        print(f"  {name:28s}{1000 * values[0]:7.1f}{1000 * values[1]:10.1f}{1000 * values[2]:10.1f}  "
              f"[{1000 * values[3]:.1f}, {1000 * values[4]:.1f}]")  # fmt: skip
        # Infinite, that is beyond the grid, has no JSON.
        known = [1000 * value if math.isfinite(value) else None for value in values]
        rows.append(dict(zip(("linear_mm", "clipped_mm", "measured_mm", "low_mm", "high_mm"), known, strict=True))
                    | {"name": name, "rates": [rate(list(point > 0)).model_dump() for point in outcomes]})  # fmt: skip
    return {"gain": gain, "episodes": episodes, "sigmas": sigmas, "rows": rows}


def what_hindsight_sees(episodes: int, sigma: float = 0.02) -> dict[str, Any]:
    """Random episodes of Push: how often noise sets two goals apart, and makes a block seem to have moved 2 cm."""
    env, rng, still, moved, seemed = make_env("FetchPush-v4"), np.random.default_rng(0), [], [], []
    for seed in range(episodes):
        observation, _ = env.reset(seed=seed)
        goals, action = [observation["achieved_goal"]], np.zeros(4, np.float32)
        for step in range(LENGTH):
            # Held for five steps, so that the gripper gets somewhere.
            if step % 5 == 0:
                action = rng.uniform(-1, 1, 4).astype(np.float32)
            goals.append(env.step(action)[0]["achieved_goal"])
        true = np.array(goals)
        seen = true + sigma * rng.normal(size=true.shape)
        for path, far in ((true, moved), (seen, seemed)):
            far.append(bool(np.linalg.norm(path - path[0], axis=1).max() > 0.02))
        if not moved[-1]:
            # No reward of 0 though the block lies where it lay: what a relabelled transition is told.
            still.append(np.mean(np.linalg.norm(seen[1:] - seen[:-1], axis=1) > THRESHOLD))
    found = {"apart": float(np.mean(still)), "moved_true": float(np.mean(moved)), "moved_seen": float(np.mean(seemed))}
    print(f"Push, {episodes} random episodes, noise of {1000 * sigma:g} mm: the block moved 2 cm in "
          f"{np.mean(moved):.0%}, seemed to in {np.mean(seemed):.0%}; two measurements of one that lies still are 5 cm "
          f"apart in {found['apart']:.0%}")  # fmt: skip
    return found | {"episodes": episodes, "sigma": sigma}


def draw(path: str) -> None:
    """Three kinds of noise of one size, and what a filter makes of the white one."""
    from analysis.plots import COLOURS, new_figure, save_figure

    figure, (axes,) = new_figure(8, 3.4)
    kinds = (0.0, "white, rho = 0"), (0.95, "correlated, rho = 0.95"), (1.0, "constant, rho = 1")
    for i, (rho, name) in enumerate(kinds):
        values = 20 * series(rho, LENGTH, 8)[:, i + 2]
        axes.plot(values, color=COLOURS[i], linewidth=1.6 if rho else 0.9, marker="." if rho == 0 else None, label=name)
        if rho == 0:
            smooth = [values[0]]
            for value in values[1:]:
                smooth.append(0.3 * value + 0.7 * smooth[-1])
            axes.plot(smooth, color=COLOURS[0], linewidth=2.2, linestyle="--", label="white, filtered, alpha = 0.3")
    axes.axhspan(-20, 20, color="#000000", alpha=0.06, linewidth=0)
    axes.set_xlabel("step of an episode")
    axes.set_ylabel("error (mm)")
    axes.legend(frameon=False, fontsize=8, ncols=2)
    axes.set_title("One size, 20 mm (grey: one standard deviation), and different memory", loc="left", fontsize=10)
    save_figure(figure, path)
    print(f"figure -> {path}")


def main(
    verify: bool = False, demo: bool = False, episodes: int = 100, figure: str | None = None,
    json_out: str | None = None,
) -> int:  # fmt: skip
    """Check every claim (--verify), hold the prediction against Reach (--demo), draw the noise (--figure)."""
    if episodes < 2:
        raise UserError(f"--episodes {episodes}: must be at least 2.")
    began, claims = time.monotonic(), check() if verify or not (demo or figure) else []
    for text, value, low, high in claims:
        print(f"{'ok   ' if low <= value <= high else 'WRONG'} {text:64s} {value:8.4g}   [{low:g}, {high:g}]")
    data: dict[str, Any] = {"claims": [float(value) for _, value, *_ in claims]}
    if demo:
        data |= demonstrate(episodes) | {"hindsight": what_hindsight_sees(episodes)}
    if figure:
        draw(figure)
    if json_out:
        known = provenance.metadata({"episodes": episodes}, wall_clock_s=round(time.monotonic() - began, 3))
        save(json_out, DataReport(name="robustness", data=data, **known))
    return 0 if all(low <= value <= high for _, value, low, high in claims) else 1


if __name__ == "__main__":
    sys.exit(guarded(lambda: parse(main, None, prog="robustness.py")))
