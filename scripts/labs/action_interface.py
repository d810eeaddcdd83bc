"""What lies between an action and the arm: a low-pass filter, a delay, a gain; and when their loop oscillates.

    python scripts/labs/action_interface.py --verify                    # every claim, about 10 seconds
    python scripts/labs/action_interface.py --demo                      # predicted and measured loops, gain by delay
    python scripts/labs/action_interface.py --demo --figure runs/ch06/loop.png

Exit status 1 if a claim is wrong. For reading beside chapter 06; nothing imports it. Positions are in m, world frame;
one step is 40 ms, and an action of 1 asks for 5 cm a step.
"""

from __future__ import annotations

import sys
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np

from analysis.reports import DataReport, save
from common import provenance
from common.cli import guarded, parse
from common.errors import UserError
from envs.make import make_env

ENV, LENGTH = "FetchReach-v4", 50
STEP_M = 0.05  # m that an action of 1 asks for
SEEDS = (1, 2, 3)  # the goal of seed 0 lies 2 cm beyond what the arm reaches
GAINS, DELAYS = (0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0), (0, 1, 2, 3)
ALPHAS = (1.0, 0.6, 0.4, 0.2, 0.1)
Claim = tuple[str, float, float, float]


# --8<-- [start:low_pass]
class LowPass:
    """u_t = α a_t + (1 − α) u_{t−1}, with u_{−1} = 0 before an episode."""

    def __init__(self, alpha: float, size: int):
        self.alpha, self.u = alpha, np.zeros(size)

    def __call__(self, action: np.ndarray) -> np.ndarray:
        """The filtered action (A,)."""
        # Clipped as the simulator clips: the filter must not remember what could never be carried out.
        asked = np.clip(action, -1.0, 1.0)
        # u_t = α a_t + (1 − α) u_{t−1}
        self.u = self.alpha * asked + (1 - self.alpha) * self.u
        return self.u
    # --8<-- [end:low_pass]


# --8<-- [start:response]
def response(alpha: float, period: float) -> tuple[float, float]:
    """What the filter does to a sine with a period of so many steps: factor on its amplitude, and lag in steps."""
    # H(z) = α / (1 − (1 − α) z⁻¹) at z = exp(iω), ω = 2π / period
    omega = 2 * np.pi / period
    h = alpha / (1 - (1 - alpha) * np.exp(-1j * omega))
    return float(abs(h)), float(-np.angle(h) / omega)


def time_constant(alpha: float) -> float:
    """Steps after which 1 − 1/e of a jump have come through: (1 − α)^τ = 1/e."""
    # τ = −1 / ln(1 − α)
    return 0.0 if alpha == 1 else -1 / np.log(1 - alpha)
    # --8<-- [end:response]


class Delay:
    """u_t = a_{t−k}, and 0 until the first action arrives."""

    def __init__(self, steps: int, size: int):
        self.underway = deque([np.zeros(size)] * steps)

    def __call__(self, action: np.ndarray) -> np.ndarray:
        """The action of `steps` steps ago, (A,)."""
        self.underway.append(action)
        return self.underway.popleft()


def identify(env: gym.Env, episodes: int = 4, amplitude: float = 0.5) -> tuple[float, float, float]:
    """Fit v_t = ρ v_{t−1} + β u_t to random actions: ρ, β in m/step, and the share of variance explained (R²)."""
    rng, before, actions, after = np.random.default_rng(0), [], [], []
    for seed in range(episodes):
        x, u = [env.reset(seed=seed)[0]["observation"][:3]], rng.uniform(-amplitude, amplitude, (LENGTH, 3))
        for each in u:
            x.append(env.step(np.append(each, 0.0))[0]["observation"][:3])
        v = np.diff(np.array(x), axis=0)
        # The first step of an episode has no velocity before it.
        before.append(v[:-1])
        actions.append(u[1:])
        after.append(v[1:])
    # --8<-- [start:identify]
    v0, u, v1 = (np.concatenate(part).ravel() for part in (before, actions, after))
    # v_t = ρ v_{t−1} + β u_t
    (rho, beta), *_ = np.linalg.lstsq(np.stack([v0, u], axis=1), v1, rcond=None)
    return float(rho), float(beta), float(1 - np.var(v1 - rho * v0 - beta * u) / np.var(v1))
    # --8<-- [end:identify]


# --8<-- [start:loop]
def largest_root(kappa: float, delay: int = 0, alpha: float = 1.0) -> float:
    """Factor by which the error of the loop grows (above 1) or shrinks (below 1) a step, in the long run.

    e_{t+1} = e_t − κ y_t, where y is the error after a delay of k steps and the low-pass filter.
    """
    # z^k (z − 1)(z − (1 − α)) + κ α z = 0; without a filter z^k (z − 1) + κ = 0
    if alpha == 1:
        polynomial = np.polyadd(np.polymul([1] + [0] * delay, [1, -1]), [kappa])
    else:
        open_loop = np.polymul([1] + [0] * delay, np.polymul([1, -1], [1, alpha - 1]))
        polynomial = np.polyadd(open_loop, [kappa * alpha, 0])
    return float(np.abs(np.roots(polynomial)).max())


def critical(delay: int) -> float:
    """The κ from which a loop with this delay oscillates for ever: 2, 1, 0.62, 0.45 for 0 to 3 steps."""
    # κ* = 2 sin(π / (2 (2k + 1)))
    return float(2 * np.sin(np.pi / (2 * (2 * delay + 1))))
    # --8<-- [end:loop]


def regulate(env: gym.Env, seed: int, act: Callable[[dict], np.ndarray], *between: Callable) -> np.ndarray:
    """An episode of Reach: distances to the goal (T + 1,), in m; `between` stand between `act` and the arm."""
    seen, _ = env.reset(seed=seed)
    distances, done = [np.linalg.norm(seen["desired_goal"] - seen["achieved_goal"])], False
    while not done:
        action = act(seen)
        for part in between:
            action = part(action)
        seen, _, terminated, truncated, _ = env.step(np.append(action, 0.0).astype(np.float32))
        distances.append(np.linalg.norm(seen["desired_goal"] - seen["achieved_goal"]))
        done = terminated or truncated
    return np.array(distances)


# --8<-- [start:proportional]
def proportional(gain: float) -> Callable[[dict], np.ndarray]:
    """a = K (g − x) / 5 cm, clipped to what an action may be."""
    return lambda seen: np.clip(gain * (seen["desired_goal"] - seen["observation"][:3]) / STEP_M, -1, 1)
    # --8<-- [end:proportional]


# --8<-- [start:local_gain]
def local_gain(policy: Callable[[dict], np.ndarray], seen: dict, h: float = 0.002) -> np.ndarray:
    """K (3,) of the policy at the goal of `seen`, each axis: the gripper is put `h` m to either side of it, at rest."""
    gains = []
    for axis in np.eye(3):
        answers = []
        for side in (h, -h):
            x = seen["desired_goal"] + side * axis
            at = np.concatenate([x, np.zeros(7)])
            answers.append(policy({**seen, "observation": at, "achieved_goal": x})[:3] @ axis)
        # K = −∂a / ∂x · 5 cm
        gains.append(-(answers[0] - answers[1]) / (2 * h) * STEP_M)
    return np.array(gains)
    # --8<-- [end:local_gain]


def settles(distances: np.ndarray, band: float = 0.01) -> bool:
    """Whether an episode ends within `band` (m) for ten steps."""
    return bool(distances[-10:].max() < band)


def measured(env: gym.Env, gain: float, delay: int, alpha: float = 1.0) -> dict[str, float]:
    """Proportional control behind a delay and a filter: mean distance over the last ten steps, share that settles."""
    runs = [regulate(env, seed, proportional(gain), Delay(delay, 3), LowPass(alpha, 3)) for seed in SEEDS]
    return {"error": float(np.mean([run[-10:] for run in runs])), "settled": float(np.mean([settles(r) for r in runs]))}


def check(env: gym.Env) -> list[Claim]:
    """Claims: what, its value, the least and the most that bear it out."""
    jump = LowPass(0.3, 1)
    steps = np.array([jump(np.ones(1))[0] for _ in range(10)])
    wrong_jump = np.abs(steps - (1 - 0.7 ** np.arange(1, 11))).max()
    sine, period = LowPass(0.3, 1), 16
    t = np.arange(400)
    filtered = np.array([sine(np.sin(2 * np.pi * each / period) * np.ones(1))[0] for each in t])[-10 * period :]
    # Amplitude and phase of a sine, from its products with sine and cosine.
    s, c = (2 * np.mean(filtered * f(2 * np.pi * t[-10 * period :] / period)) for f in (np.sin, np.cos))
    gain, lag = response(0.3, period)
    rho, beta, explained = identify(env)
    kappa = beta / (1 - rho) / STEP_M
    error = 1.0
    for _ in range(30):
        error -= 0.5 * error
    grid = [(each, k) for each in (0.5, 1.0, 2.0) for k in (0, 1, 2)]
    agree = [settles(regulate(env, SEEDS[0], proportional(each), Delay(k, 3))) == (each * kappa < critical(k))
             for each, k in grid]  # fmt: skip
    at_limit = [abs(largest_root(critical(k), k) - 1) for k in range(6)]
    return [
        ("error of the filter's answer to a jump, 1 − (1 − α)^n", wrong_jump, 0, 1e-12),
        ("share of a jump that has come through after τ", 1 - 0.7 ** time_constant(0.3), 0.632, 0.6322),
        ("factor on a sine of 16 steps, minus the formula", np.hypot(s, c) - gain, -1e-9, 1e-9),
        ("its lag in steps, minus the formula", -np.arctan2(c, s) / (2 * np.pi / period) - lag, -1e-9, 1e-9),
        ("lag of a slow sine, (1 − α) / α steps", response(0.3, 1e6)[1], 2.333, 2.334),
        ("factor at the fastest sine (two steps), α / (2 − α)", response(0.3, 2)[0] - 0.3 / 1.7, -1e-12, 1e-12),
        ("arm: share of its motion that one number explains (R²)", explained, 0.97, 1),
        ("arm: what is left of a velocity after one step, ρ", rho, -0.15, 0.2),
        ("arm: share of an action that is carried out, κ at K = 1", kappa, 0.6, 0.72),
        ("loop: (1 − κ)^30 minus the recursion, κ = 0.5", error - largest_root(0.5) ** 30, -1e-9, 1e-9),
        ("loop: largest root at the critical κ, delays 0 to 5, minus 1", max(at_limit), -1e-6, 1e-6),
        ("loop: κ = 1 behind a filter of α = 0.1 still settles", largest_root(1.0, 0, 0.1), 0, 0.999),
        ("loops on Fetch, K of 0.5, 1, 2 and delays 0, 1, 2, that do as predicted", sum(agree), 9, 9),
    ]  # fmt: skip


def loops(env: gym.Env) -> dict[str, Any]:
    """Every gain with every delay, predicted and measured; and what a filter does instead of a delay."""
    rho, beta, explained = identify(env)
    kappa = beta / (1 - rho) / STEP_M
    print(f"arm: v_t = {rho:.3f} v_(t-1) + {1000 * beta:.1f} mm u_t, R² = {explained:.4f}; κ = {kappa:.3f} K")
    rows = []
    print("   K   delay    κ    κ*   root  predicted    error mm  settled")
    for gain in GAINS:
        for delay in DELAYS:
            root, found = largest_root(gain * kappa, delay), measured(env, gain, delay)
            row = {"gain": gain, "delay": delay, "kappa": gain * kappa, "critical": critical(delay), "root": root}
            rows.append(row := row | found)
            word = "settles" if root < 1 else "oscillates"
            print(f"{gain:5.2f} {delay:4d}   {gain * kappa:5.2f} {row['critical']:5.2f} {root:6.3f}  {word:11} "
                  f"{1000 * row['error']:8.1f} {100 * row['settled']:7.0f}%")  # fmt: skip
    filters = [
        {"alpha": alpha, "lag": (1 - alpha) / alpha, "time_constant": time_constant(alpha),
         "root": largest_root(kappa, 0, alpha)} | measured(env, 1.0, 0, alpha) for alpha in ALPHAS
    ]  # fmt: skip
    print("   α   lag   root   error mm  settled      (K = 1, no delay)")
    for row in filters:
        print(f"{row['alpha']:5.2f} {row['lag']:5.2f} {row['root']:6.3f} {1000 * row['error']:9.1f} "
              f"{100 * row['settled']:7.0f}%")  # fmt: skip
    return {"arm": {"rho": rho, "beta": beta, "r2": explained, "kappa": kappa}, "loops": rows, "filters": filters}


def draw(data: dict[str, Any], path: str) -> None:
    """Error at the end over the loop gain, one curve a delay, with the predicted limit of each."""
    from analysis.plots import COLOURS, MARKERS, new_figure, save_figure

    figure, (axes,) = new_figure(7.5, 4.2)
    for i, delay in enumerate(DELAYS):
        rows = [row for row in data["loops"] if row["delay"] == delay]
        axes.plot([row["kappa"] for row in rows], [1000 * row["error"] for row in rows], color=COLOURS[i],
                  marker=MARKERS[i], label=f"delay {delay}: limit κ* = {critical(delay):.2f}")  # fmt: skip
        if critical(delay) < 1.5:
            axes.axvline(critical(delay), color=COLOURS[i], linestyle="--", linewidth=1.2)
    axes.set_xlabel("loop gain κ: share of the error that one step removes")
    axes.set_ylabel("error at the end of an episode (mm)")
    axes.set_title("Proportional control on Reach, three episodes a point; dashed: predicted limits", fontsize=10)
    figure.legend(loc="outside lower center", ncols=2, frameon=False)
    save_figure(figure, path)
    print(f"figure -> {path}")


def gains_of(checkpoint: str, env: gym.Env) -> dict[str, Any]:
    """Local gains of a trained policy of Reach at the goals of ten episodes, and the delay that they allow."""
    from agents.checkpoint import load_policy

    policy, _ = load_policy(Path(checkpoint), env, ENV, "cpu")
    starts = [env.reset(seed=seed)[0] for seed in range(10)]
    gains = np.array([local_gain(lambda seen: policy.predict(seen, deterministic=True)[0], seen) for seen in starts])
    median = float(np.median(gains))
    print(f"policy near the goal: K = {median:.2f} (median; {gains.min():.2f} to {gains.max():.2f}, 10 goals, 3 axes)")
    return {"median": median, "least": float(gains.min()), "most": float(gains.max())}


def main(
    verify: bool = False, demo: bool = False, ckpt: str | None = None, figure: str | None = None,
    json_out: str | None = None,
) -> int:  # fmt: skip
    """Check every claim (--verify); predicted and measured loops (--demo); gains of a policy of Reach (--ckpt)."""
    if figure and not demo:
        raise UserError("--figure draws what --demo measures; add --demo.")
    began, env = time.monotonic(), make_env(ENV)
    claims = check(env) if verify or not (demo or ckpt) else []
    printed = [f"{'ok   ' if low <= value <= high else 'WRONG'} {text:72s} {value:9.4g}   [{low:g}, {high:g}]"
               for text, value, low, high in claims]  # fmt: skip
    print(*printed, sep="\n")
    data: dict[str, Any] = {"claims": [float(value) for _, value, *_ in claims], "printed": printed}
    if demo:
        data |= loops(env)
    if figure:
        draw(data, figure)
    if ckpt:
        data["policy"] = gains_of(ckpt, env)
    if json_out:
        known = provenance.metadata({}, env_id=ENV, wall_clock_s=round(time.monotonic() - began, 3))
        save(json_out, DataReport(name="action_interface", data=data, **known))
    return 0 if all(low <= value <= high for _, value, low, high in claims) else 1


if __name__ == "__main__":
    sys.exit(guarded(lambda: parse(main, None, prog="action_interface.py")))
