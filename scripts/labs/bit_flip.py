"""When is luck not enough? Flip n bits until they equal a goal: DQN from scratch, with hindsight and without.

    python scripts/labs/bit_flip.py --verify                                      # claims, 20 seconds
    python scripts/labs/bit_flip.py --demo --json-out runs/ch04/bit_flip.json     # 5 to 40 bits, three seeds

The task of Andrychowicz et al. 2017, "Hindsight Experience Replay" (arXiv:1707.01495), section 4.1. For reading beside
chapter 04; nothing imports it. Exit status 1 if a claim is wrong. E episodes, B transitions, n bits.
"""

from __future__ import annotations

import sys
import time
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from analysis.compare import format_rate
from analysis.metrics import rate
from analysis.reports import DataReport, Rate, save
from common import provenance
from common.cli import guarded, parse

SIZES, SEEDS = (5, 10, 15, 20, 30, 40), (0, 1, 2)
EPISODES, UPDATES, BATCH, ROUNDS_PER_BIT = 16, 40, 256, 10  # episodes and updates a round
HIDDEN, RATE, GAMMA, TAU, RANDOM, RELABELLED = 256, 1e-3, 0.98, 0.05, 0.2, 0.8
JUDGED = 200  # held-out episodes after the last round


# --8<-- [start:bit_flip]
def play(q: nn.Module, n: int, episodes: int, share: float, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """One episode of n steps each, actions greedy but for a `share` of random ones; an episode ends at its goal.

    `states` (E, n + 1, n), `actions` (E, n), `goals` (E, n), `lengths` (E,) at least 1: none begins at its goal.
    """
    state, goals = rng.integers(0, 2, (2, episodes, n)).astype(np.float32)
    solved = (state == goals).all(1)
    state[solved] = 1 - state[solved]
    states, actions, lengths = [state], [], np.zeros(episodes, np.int64)
    for _ in range(n):
        on = (state != goals).any(1)
        with torch.no_grad():
            greedy = q(encode(state, goals)).argmax(1).numpy()
        action = np.where(rng.random(episodes) < share, rng.integers(0, n, episodes), greedy)
        state = state.copy()
        state[on, action[on]] = 1 - state[on, action[on]]
        lengths += on
        states.append(state)
        actions.append(action)
    return {"states": np.stack(states, 1), "actions": np.stack(actions, 1), "goals": goals, "lengths": lengths}


def encode(state: np.ndarray, goals: np.ndarray) -> Tensor:
    """What the network reads: state and goal, (B, 2 n), as −1 and 1."""
    return torch.from_numpy(2 * np.concatenate([state, goals], 1) - 1)
    # --8<-- [end:bit_flip]


# --8<-- [start:batch]
def batch(memory: dict[str, np.ndarray], her: bool, rng: np.random.Generator) -> tuple[np.ndarray, ...]:
    """B transitions (s, a, s', g, r); with hindsight most of them for a state that their episode visited later."""
    e = rng.integers(0, len(memory["lengths"]), BATCH)
    t = rng.integers(0, memory["lengths"][e])
    state, after = memory["states"][e, t], memory["states"][e, t + 1]
    goals = memory["goals"][e].copy()
    if her:
        k = int(RELABELLED * BATCH)
        # "future": g ← s_(t' + 1), t' uniform in t, …, T − 1
        goals[:k] = memory["states"][e[:k], rng.integers(t[:k], memory["lengths"][e[:k]]) + 1]
    # r = 0 where s' is the goal, else −1: asked anew, for whatever goal stands there now
    rewards = -(after != goals).any(1).astype(np.float32)
    return state, memory["actions"][e, t], after, goals, rewards
    # --8<-- [end:batch]


# --8<-- [start:dqn]
def learn(n: int, her: bool, seed: int, rounds: int | None = None) -> Rate:
    """Train on n bits and judge the greedy policy on held-out episodes."""
    torch.manual_seed(seed)
    rng, memory = np.random.default_rng(seed), None
    q, target = (nn.Sequential(nn.Linear(2 * n, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, n)) for _ in range(2))
    target.load_state_dict(q.state_dict())
    adam = torch.optim.Adam(q.parameters(), RATE)
    for _ in range(rounds or ROUNDS_PER_BIT * n):
        new = play(q, n, EPISODES, RANDOM, rng)
        memory = new if memory is None else {key: np.concatenate([memory[key], new[key]]) for key in new}
        for _ in range(UPDATES):
            state, action, after, goals, rewards = batch(memory, her, rng)
            with torch.no_grad():
                # y = r + γ max_a' Q'(s', a', g), and y = r = 0 where s' is the goal: the episode ends there
                y = torch.from_numpy(rewards) * (1 - GAMMA * target(encode(after, goals)).amax(1))
                y.clamp_(-1 / (1 - GAMMA), 0)
            chosen = q(encode(state, goals)).gather(1, torch.from_numpy(action)[:, None])[:, 0]
            adam.zero_grad()
            (chosen - y).square().mean().backward()
            adam.step()
            with torch.no_grad():
                torch._foreach_lerp_(list(target.parameters()), list(q.parameters()), TAU)
    last = play(q, n, JUDGED, 0.0, rng)
    return rate([bool(s) for s in (last["states"][:, -1] == last["goals"]).all(1)])
    # --8<-- [end:dqn]


def check() -> list[tuple[str, float, float, float]]:
    """Claims: what, its value, the least and the most that bear it out."""
    rng, n = np.random.default_rng(0), 12
    untrained = nn.Sequential(nn.Linear(2 * n, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, n))
    memory = play(untrained, n, 500, 1.0, rng)
    flips = np.abs(np.diff(memory["states"], axis=1)).sum(2)
    before, after = (batch(memory, her, rng)[-1] for her in (False, True))
    *_, goals, rewards = batch(memory, True, rng)
    return [
        ("bits that change in a step, at most", flips.max(), 1, 1),
        ("share of rewards of 0 in a batch, random actions, without hindsight", np.mean(before == 0), 0, 0.01),
        ("the same with hindsight", np.mean(after == 0), 0.1, 0.6),
        ("share of goals in a batch that some episode visited", visited(memory, goals), 0.8, 1),
        ("rewards that are neither 0 nor −1", np.sum((rewards != 0) & (rewards != -1)), 0, 0),
        ("12 bits without hindsight, share solved", learn(12, False, 0).rate, 0, 0.1),
        ("12 bits with hindsight, share solved", learn(12, True, 0).rate, 0.9, 1),
    ]


def visited(memory: dict[str, np.ndarray], goals: np.ndarray) -> float:
    """Share of `goals` (B, n) that are among the states of the episodes."""
    known = {state.tobytes() for states in memory["states"] for state in states}
    return float(np.mean([goal.tobytes() in known for goal in goals]))


def sweep(sizes: tuple[int, ...], seeds: tuple[int, ...]) -> list[dict[str, Any]]:
    """Every size with and without hindsight from every seed, each trained for 10 n rounds."""
    rows = []
    for n in sizes:
        for her in (False, True):
            for seed in seeds:
                began = time.monotonic()
                last = learn(n, her, seed)
                seconds = round(time.monotonic() - began, 1)
                rows.append({"bits": n, "her": her, "seed": seed, "success": last.model_dump(), "seconds": seconds})
                print(f"{n:2d} bits {her=!s:5} {seed=}  {format_rate(last)}  {seconds:.0f} s", flush=True)
    return rows


def main(verify: bool = False, demo: bool = False, json_out: str | None = None, smoke: bool = False) -> int:
    """Check every claim (--verify), or learn every size with and without hindsight (--demo)."""
    torch.set_num_threads(1)
    began, claims = time.monotonic(), check() if verify or not demo else []
    for text, value, low, high in claims:
        print(f"{'ok   ' if low <= value <= high else 'WRONG'} {text:70s} {value:9.4g}   [{low:g}, {high:g}]")
    seeds, sizes = (SEEDS[:1], (3,)) if smoke else (SEEDS, SIZES)
    rows = sweep(sizes, seeds) if demo else []
    if json_out:
        data = {"rows": rows, "rounds_per_bit": ROUNDS_PER_BIT, "claims": [float(value) for _, value, *_ in claims]}
        known = provenance.metadata({}, seeds=list(seeds), wall_clock_s=round(time.monotonic() - began, 3))
        save(json_out, DataReport(name="bit_flip", data=data, **known))
    return 0 if all(low <= value <= high for _, value, low, high in claims) else 1


if __name__ == "__main__":
    sys.exit(guarded(lambda: parse(main, None, prog="bit_flip.py")))
