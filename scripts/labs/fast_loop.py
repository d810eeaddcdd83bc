"""How fast can it learn? SAC with hindsight from scratch, each fast part beside the slow twin that it must equal.

    python scripts/labs/fast_loop.py --verify                                         # every claim; learns Reach once
    python scripts/labs/fast_loop.py --demo --json-out runs/fast_loop.json            # six curves, too

Exit status 1 if a claim is wrong; clocks decide nothing. For reading beside chapter 08. N environments, B transitions,
E episodes of T steps, K networks; x (16,) is achieved and desired goal and observation, φ (19,) what networks read.
"""

from __future__ import annotations

import functools
import math
import sys
import timeit
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import mujoco
import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from analysis import compare, metrics, reports
from common import provenance
from common.cli import guarded, parse
from envs.make import make_env

ENV, N_ENVS, LENGTH, THRESHOLD = "FetchReach-v4", 4, 50, 0.05  # steps in an episode; m
G, X, PHI, A = 3, 16, 19, 4  # sizes of a goal, of x, of φ and of an action
CORES = provenance.cores()
BATCH, HIDDEN, RATE, GAMMA, TAU, ALPHA = 256, 256, 1e-3, 0.95, 0.01, 0.05  # as configs/sac_her_FetchReach-v4.yaml
WARM_UP, UPDATES, RANDOM, RELABELLED = 400, 0.5, 0.1, 0.8  # steps; updates a step; shares of actions and of a batch


# --8<-- [start:floors]
def update_flops() -> dict[str, int]:
    """Floating-point operations in the matrix products of one update of `Sac`: (B, a) times (a, b) takes 2 B a b.

    Backward, each layer takes two such products: hᵀ δ for its weights, and δ Wᵀ for its input where that wants one.
    """
    actor = [2 * BATCH * n for n in (PHI * HIDDEN, HIDDEN * HIDDEN, HIDDEN * 2 * A)]  # layer by layer
    critic = [2 * BATCH * n for n in ((PHI + A) * HIDDEN, HIDDEN * HIDDEN, HIDDEN)]
    return {
        "h W, actor on s and s'": 2 * sum(actor),
        "h W, two critics on (s, a) and (s, π(s)), two targets on (s', π(s'))": 6 * sum(critic),
        "hᵀ δ, weights of the actor and of two critics": sum(actor) + 2 * sum(critic),
        "δ Wᵀ, through two critics to their first layer": 2 * sum(critic[1:]),
        "δ Wᵀ, through two critics to the actor's action": 2 * sum(critic),
        "δ Wᵀ, through the actor to its first layer": sum(actor[1:]),
    }


def physics(env: Any, actions: np.ndarray) -> None:
    """The part that no code around it can save: for each of `actions` (n, 4) 20 simulator steps of 2 ms."""
    for action in actions:
        env._set_action(action)  # an arm at rest would be cheaper than one in use
        mujoco.mj_step(env.model, env.data, nstep=20)
    # --8<-- [end:floors]


# --8<-- [start:threads]
class Team:
    """N environments in threads of one process (0: one after another): `mj_step` releases Python's global lock."""

    def __init__(self, n: int, threads: int = CORES):
        self.envs = [make_env(ENV) for _ in range(n)]
        self.map = ThreadPoolExecutor(threads).map if threads else map

    def reset(self, seeds: Sequence[int]) -> np.ndarray:
        """x (N, 16) of new episodes."""
        return self._flat([given for given, _ in self.map(lambda env, seed: env.reset(seed=seed), self.envs, seeds)])

    def step(self, actions: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """x (N, 16), rewards (N,) and success (N,) after `actions` (N, 4) in [−1, 1]."""
        given, rewards, _, _, infos = zip(*self.map(lambda env, a: env.step(a), self.envs, actions), strict=True)
        return self._flat(given), np.float32(rewards), np.array([info["is_success"] > 0 for info in infos])

    def _flat(self, given: Sequence[dict[str, np.ndarray]]) -> np.ndarray:
        parts = [[each[key] for each in given] for key in ("achieved_goal", "desired_goal", "observation")]
        return np.concatenate(parts, axis=1, dtype=np.float32)
        # --8<-- [end:threads]

    def play(self, act: Callable[[np.ndarray], np.ndarray], seeds: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
        """An episode in each: rows (N, T + 1, 21) of x, action and reward; and success (N,) at the last step."""
        rows = np.zeros((len(self.envs), LENGTH + 1, X + A + 1), np.float32)
        rows[:, 0, :X] = self.reset(seeds)
        for t in range(LENGTH):
            rows[:, t, X:-1] = act(rows[:, t, :X])
            rows[:, t + 1, :X], rows[:, t, -1], success = self.step(rows[:, t, X:-1])
        return rows, success


# --8<-- [start:replay]
class Replay:
    """The last E episodes, (E, T + 1, 21): x, action and reward of a step; the next observation is in the next row."""

    def __init__(self, episodes: int, length: int = LENGTH):
        self.rows, self.length, self.added = np.zeros((episodes, length + 1, X + A + 1), np.float32), length, 0

    def add(self, rows: np.ndarray) -> None:
        """Whole episodes (n, T + 1, 21), which replace the oldest."""
        self.rows[np.arange(self.added, self.added + len(rows)) % len(self.rows)] = rows
        self.added += len(rows)
        # --8<-- [end:replay]

    # --8<-- [start:relabel]
    def sample(self, n: int, rng: np.random.Generator) -> tuple[np.ndarray, ...]:
        """x (B, 16), next x, actions (B, 4), rewards (B,), in O(B). Hindsight: Andrychowicz et al. 2017, 4.5."""
        e, t = rng.integers(0, min(self.added, len(self.rows)), n), rng.integers(0, self.length, n)
        now, after = self.rows[e, t], self.rows[e, t + 1]
        achieved, desired = slice(0, G), slice(G, 2 * G)
        k = int(RELABELLED * n)  # the first k of the batch get another goal
        # "future": t' uniform in t, …, T − 1; g' = what step t' achieved
        later = rng.integers(t[:k], self.length)
        goals = self.rows[e[:k], later + 1, achieved]
        now[:k, desired] = goals
        after[:k, desired] = goals
        # r = −[‖achieved after the step − g'‖ > 5 cm]
        distances = np.linalg.norm(after[:k, achieved] - goals, axis=1)
        now[:k, -1] = -(distances > THRESHOLD).astype(np.float32)
        return now[:, :X], after[:, :X], now[:, X:-1], now[:, -1]
        # --8<-- [end:relabel]

    def sample_slowly(self, n: int, rng: np.random.Generator, compute_reward: Any) -> tuple[np.ndarray, ...]:
        """The same, the obvious way: one transition after another, each reward asked of the environment."""
        now, after = np.zeros((2, n, X + A + 1), np.float32)
        for i in range(n):
            e, t = rng.integers(min(self.added, len(self.rows))), rng.integers(self.length)
            now[i], after[i] = self.rows[e, t], self.rows[e, t + 1]
            if i < int(RELABELLED * n):
                goal = self.rows[e, rng.integers(t, self.length) + 1, :G]
                now[i, G : 2 * G], after[i, G : 2 * G] = goal, goal
                now[i, -1] = compute_reward(after[i, :G], after[i, G : 2 * G], {})
        return now[:, :X], after[:, :X], now[:, X:-1], now[:, -1]


class Separate(nn.ModuleList):
    """K perceptrons, each an `nn.Sequential`: (B, a) -> (K, B, b)."""

    def __init__(self, k: int, *sizes: int):
        pairs = list(zip(sizes, sizes[1:], strict=False))
        layers = [[part for a, b in pairs for part in (nn.Linear(a, b), nn.ReLU())][:-1] for _ in range(k)]
        super().__init__(nn.Sequential(*parts) for parts in layers)

    def forward(self, x: Tensor) -> Tensor:
        return torch.stack([member(x) for member in self])


# --8<-- [start:stacked]
class Stacked(nn.Module):
    """The same function, one batched product a layer: weights (K, a, b) and biases (K, 1, b) in turn."""

    def __init__(self, k: int, *sizes: int):
        super().__init__()
        self.layers = nn.ParameterList(self.stack(Separate(k, *sizes).parameters(), k))

    @staticmethod
    def stack(tensors: Iterable[Tensor], k: int) -> list[Tensor]:
        """What K networks have as weights (b, a) and biases (b,), one network after the other, layer by layer."""
        parts = [t.T if t.dim() == 2 else t[None] for t in tensors]
        return [torch.stack(parts[i :: len(parts) // k]) for i in range(len(parts) // k)]

    def forward(self, x: Tensor) -> Tensor:
        h = x.expand(len(self.layers[0]), *x.shape)
        for i in range(0, len(self.layers), 2):
            # h ← relu(h) W + b, and h W + b in the first layer
            h = torch.baddbmm(self.layers[i + 1], h.relu_() if i else h, self.layers[i])
        return h
        # --8<-- [end:stacked]


class Sac:
    """Soft Actor-Critic on φ (B, 19) (Haarnoja et al. 2018, arXiv:1812.05905). Not `lean`: as one writes it first."""

    def __init__(self, network: type[nn.Module], lean: bool):
        self.lean, self.actor = lean, network(1, PHI, HIDDEN, HIDDEN, 2 * A)
        self.critic, self.target = (network(2, PHI + A, HIDDEN, HIDDEN, 1) for _ in range(2))
        self.target.load_state_dict(self.critic.state_dict())
        # Fused: one pass over a parameter, its gradient and its moments, instead of one for each operation of Adam.
        self.adam = {net: torch.optim.Adam(net.parameters(), RATE, fused=lean) for net in (self.actor, self.critic)}

    def act(self, phi: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Actions (B, 4) and their log-probabilities (B,) for standard normal `noise` (B, 4)."""
        mean, log_std = self.actor(phi)[0].split(A, dim=1)
        log_std = log_std.clamp(-20, 2)
        # a = tanh(μ + σ ε)
        a = torch.tanh(mean + log_std.exp() * noise)
        # log π(a|s) = Σ −ε²/2 − log σ − log(2π)/2 − log(1 − a²)                                       (appendix C)
        return a, (-0.5 * noise**2 - log_std - 0.5 * math.log(2 * math.pi) - torch.log(1 - a**2 + 1e-6)).sum(1)

    # --8<-- [start:update]
    def __call__(self, phi: Tensor, next_phi: Tensor, actions: Tensor, rewards: Tensor, noise: Tensor) -> None:
        """One update; `noise` (2, B, 4), for the states and for the next ones. Fetch never terminates."""
        with torch.no_grad():
            next_actions, log_prob = self.act(next_phi, noise[1])
            next_q = self.target(torch.cat([next_phi, next_actions], 1))[:, :, 0].amin(0)
            # y = r + γ (minᵢ Q'ᵢ(s', a') − α log π(a'|s')), and no return leaves [−1/(1 − γ), 0]
            y = (rewards + GAMMA * (next_q - ALPHA * log_prob)).clamp(-1 / (1 - GAMMA), 0)
        # L = ½ Σᵢ mean (Qᵢ(s, a) − y)²                                                                 (equation 5)
        self._step(self.critic, 0.5 * (self.critic(torch.cat([phi, actions], 1))[:, :, 0] - y).square().mean(1).sum())
        ours, log_prob = self.act(phi, noise[0])
        # L = mean (α log π(a|s) − minᵢ Qᵢ(s, a))                                                       (equation 9)
        self._step(self.actor, (ALPHA * log_prob - self.critic(torch.cat([phi, ours], 1))[:, :, 0].amin(0)).mean())
        # θ' ← θ' + τ (θ − θ')
        with torch.no_grad():
            torch._foreach_lerp_(list(self.target.parameters()), list(self.critic.parameters()), TAU)

    def _step(self, net: nn.Module, loss: Tensor) -> None:
        self.adam[net].zero_grad()
        # The actor's loss runs through the critics; without `inputs` their gradients are computed too, and discarded.
        loss.backward(inputs=list(net.parameters()) if self.lean else None)
        self.adam[net].step()
        # --8<-- [end:update]


# --8<-- [start:input_map]
def input_map(x: np.ndarray) -> tuple[Tensor, Tensor]:
    """A (19, 16) and c (19,) of φ = A x + c: each entry of x (n, 16) normalised, then (desired − achieved) / size."""
    x, spread = x.astype(np.float64), x.std(0, dtype=np.float64)
    scale = 1 / np.where(spread > 1e-3, spread, 1)  # what never moves has no spread to divide by
    size = np.sqrt(((x[:, G : 2 * G] - x[:, :G]) ** 2).mean(0))  # about zero: "there" must stay at zero
    matrix = np.block([[np.diag(scale)], [np.diag(-1 / size), np.diag(1 / size), np.zeros((G, X - 2 * G))]])
    offset = np.concatenate([-x.mean(0) * scale, np.zeros(G)])
    return torch.tensor(matrix, dtype=torch.float32), torch.tensor(offset, dtype=torch.float32)


def fold(weight: Tensor, bias: Tensor, matrix: Tensor, offset: Tensor) -> tuple[Tensor, Tensor]:
    """A first layer on (φ, rest), W (K, 19 + rest, H), b (K, 1, H), as the same layer on (x, rest)."""
    # (A x + c) W + b = x (Aᵀ W) + (b + c W)
    on_phi, rest = weight[:, :PHI], weight[:, PHI:]
    return torch.cat([matrix.T @ on_phi, rest], 1), bias + (offset @ on_phi)[:, None]
    # --8<-- [end:input_map]


def learn(seed: int, steps: int, every: int, mapped: bool = True) -> list[dict[str, Any]]:
    """Train, and every so many steps note success on 50 held-out episodes; `mapped`: with `input_map`."""
    torch.manual_seed(seed)
    rng, replay, team, judges = np.random.default_rng(seed), Replay(1000), Team(N_ENVS), Team(10)
    sac, matrix, offset, curve, seconds = Sac(Stacked, lean=True), torch.eye(PHI, X), torch.zeros(PHI), [], 0.0

    @torch.no_grad()
    def act(x: np.ndarray, share: float | None = None) -> np.ndarray:
        # Without a share of random actions, the mean action: nothing is drawn, so that judging changes no training.
        noise = torch.zeros(len(x), A) if share is None else torch.randn(len(x), A)
        own = sac.act(torch.from_numpy(x) @ matrix.T + offset, noise)[0].numpy()
        return own if share is None else np.where(rng.random((len(x), 1)) < share, rng.uniform(-1, 1, own.shape), own)

    # --8<-- [start:learn]
    for done in range(N_ENVS * LENGTH, steps + 1, N_ENVS * LENGTH):
        began, first = timeit.default_timer(), 10_000 * (seed + 1) + done  # no episode twice, and none of 0 to 49
        explore = functools.partial(act, share=1.0 if done <= WARM_UP else RANDOM)
        replay.add(team.play(explore, range(first, first + N_ENVS))[0])
        matrix, offset = input_map(replay.rows[: replay.added, :, :X].reshape(-1, X)) if mapped else (matrix, offset)
        for _ in range(int(UPDATES * N_ENVS * LENGTH) if done >= WARM_UP else 0):
            x, next_x, *rest = (torch.from_numpy(part) for part in replay.sample(BATCH, rng))
            sac(x @ matrix.T + offset, next_x @ matrix.T + offset, *rest, torch.randn(2, BATCH, A))
        seconds += timeit.default_timer() - began
        # --8<-- [end:learn]
        if done % every == 0:
            found = metrics.rate([bool(s) for k in range(0, 50, 10) for s in judges.play(act, range(k, k + 10))[1]])
            curve.append({"steps": done, "seconds": seconds, "success": found.model_dump()})
            print(f"{seed=} {mapped=} {done:5d} steps {seconds:5.1f} s: {compare.format_rate(found)}", flush=True)
    return curve


def race(*contestants: Callable[[], Any]) -> list[float]:
    """Seconds of each one's fastest of five rounds, run in turn, so that a machine whose speed drifts is fair."""
    return np.min([[timeit.timeit(run, number=1) for run in contestants] for _ in range(5)], axis=0).tolist()


def check(gains: dict[str, list[float]]) -> list[tuple[str, float, float, float]]:
    """Claims: what, its value, the least and the most that bear it out; `gains`: seconds, in the order of the race."""
    rng, teams = np.random.default_rng(0), (Team(N_ENVS, threads=0), Team(N_ENVS))
    env, act = teams[0].envs[0].unwrapped, lambda x: np.sin(1e4 * x[:, :A])  # erratic, and equal where x is
    turn, threads = (functools.partial(team.play, act, range(N_ENVS)) for team in teams)
    rows, threaded = turn()[0], threads()[0]
    *times, floor = race(turn, threads, lambda: physics(env, rows[:, :-1, X:-1].reshape(-1, A)))
    gains["steps"] = [*times, floor / min(CORES, N_ENVS)]
    # Three episodes of five steps whose goals say where they were achieved (0 to 17), or −1 where they are original.
    small, many = Replay(3, length=5), Replay(4000)
    small.rows[:], small.rows[:, :, 0], small.added = -1, np.arange(18).reshape(3, 6), 3
    many.add(np.tile(rows, (1000, 1, 1)))
    drawn = small.sample(40_000, rng), small.sample_slowly(40_000, rng, env.compute_reward)
    a, b = (np.bincount((19 * after[:, 0] + after[:, G] + 1).astype(int), minlength=342) for _, after, *_ in drawn)
    slow, quick = lambda: many.sample_slowly(BATCH, rng, env.compute_reward), lambda: many.sample(BATCH, rng)
    gains["batch"] = race(slow, quick)
    x, next_x, actions, rewards = (torch.from_numpy(part) for part in quick())
    theirs = env.compute_reward(next_x[:, :G].numpy(), next_x[:, G : 2 * G].numpy(), {})
    matrix, offset = input_map(rows[:, :, :X].reshape(-1, X))
    phi, *batch = x @ matrix.T + offset, next_x @ matrix.T + offset, actions, rewards, torch.randn(2, BATCH, A)
    made = []
    for settings in ((Separate, False), (Separate, True), (Stacked, True)):
        torch.manual_seed(0)  # the same weights for all
        made.append(Sac(*settings))
        with FlopCounterMode(display=False) as counter:
            made[-1](phi, *batch)
    one, other = made[1:]
    slopes = [Stacked.stack([w.grad for w in net.parameters()], k) for net, k in ((one.actor, 1), (one.critic, 2))]
    pairs = zip([*slopes[0], *slopes[1]], [*other.actor.layers, *other.critic.layers], strict=True)
    error = max(float((slope - w.grad).abs().max() / slope.abs().max()) for slope, w in pairs)
    h, flops = torch.ones(2, BATCH, HIDDEN), sum(update_flops().values())
    *times, product = race(*(functools.partial(sac, phi, *batch) for sac in made), lambda: h @ h.mT)
    gains["update"] = [*times, product * flops / (4 * BATCH * HIDDEN**2)]
    folded, layers = Stacked(2, X + A, HIDDEN, HIDDEN, 1), other.critic.layers
    folded.layers = nn.ParameterList([*fold(layers[0], layers[1], matrix, offset), *layers[2:]])
    apart = (folded(torch.cat([x, actions], 1)) - other.critic(torch.cat([phi, actions], 1))).detach()
    return [
        ("floating-point operations of an update, PyTorch's count over ours", counter.get_total_flops() / flops, 1, 1),
        ("numbers in 4 episodes that threads change", np.sum(rows != threaded), 0, 0),
        ("χ² of arrays and loop, 60 kinds of transition and goal", np.sum((a - b) ** 2 / np.maximum(a + b, 1)), 30, 97),
        ("rewards of a batch that differ from the environment's", np.sum(rewards.numpy() != theirs), 0, 0),
        ("largest relative error of a gradient, stacked against separate", error, 0, 1e-4),
        ("largest change of a critic's value (from 0 to −20) by folding", apart.abs().max(), 0, 1e-4),
    ]


def main(verify: bool = True, demo: bool = False, json_out: str | None = None) -> int:
    """Check every claim and learn Reach (--verify); with --demo from three seeds, with the input map and without."""
    torch.set_num_threads(1)
    began, gains, seeds, every = timeit.default_timer(), {}, list(range(3 if demo else 1)), 200 if demo else 1200
    claims, curves = check(gains), [learn(seed, 1200, every) for seed in seeds]
    last = metrics.rate([i < curve[-1]["success"]["successes"] for curve in curves for i in range(50)])
    claims += [(f"success rate after 1,200 steps, {compare.format_rate(last)}", last.rate, 0.9, 1)]
    printed = [
        f"{'ok   ' if low <= value <= high else 'WRONG'} {text:70s} {value:9.4g}   [{low:g}, {high:g}]"
        for text, value, low, high in claims
    ]
    print(*printed, sep="\n")
    for name, times in gains.items():
        print(f"time  {name:10s}", *(f"{1000 * seconds:9.2f} ms" for seconds in times))
    curves += [learn(seed, 1200, every, mapped=False) for seed in seeds if demo]
    if json_out:
        data = {"values": [float(value) for _, value, *_ in claims], "gains_s": gains, "flops": update_flops()}
        data |= {"curves": curves, "last": last.model_dump(), "printed": printed}
        known = provenance.metadata({}, seeds=seeds, wall_clock_s=round(timeit.default_timer() - began, 3))
        reports.save(json_out, reports.DataReport(name="fast_loop", data=data, **known))
    return 0 if all(low <= value <= high for _, value, low, high in claims) else 1


if __name__ == "__main__":
    sys.exit(guarded(lambda: parse(main, None, prog="fast_loop.py")))
