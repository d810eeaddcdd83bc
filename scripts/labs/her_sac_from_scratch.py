"""SAC with hindsight from scratch: sparse Reach from nothing but success and failure, in a minute on one core.

    python scripts/labs/her_sac_from_scratch.py --verify                                  # claims; learns Reach once
    python scripts/labs/her_sac_from_scratch.py --demo --json-out runs/ch04/her_sac.json  # three seeds, both ways

Exit status 1 if a claim is wrong. For reading beside chapter 04; nothing imports it. Automatic differentiation and no
tricks for speed: those are chapter 08's. N environments, B transitions, E episodes of T steps; x (16,) is achieved
goal, desired goal and observation, φ (19,) what the networks read. Sources: Haarnoja et al. 2018 (arXiv:1812.05905),
Andrychowicz et al. 2017 (arXiv:1707.01495).
"""

from __future__ import annotations

import copy
import math
import sys
import time
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from analysis.compare import format_rate
from analysis.metrics import rate
from analysis.reports import DataReport, save
from common import provenance
from common.cli import guarded, parse
from envs.make import make_env

ENV, N_ENVS, LENGTH, THRESHOLD = "FetchReach-v4", 4, 50, 0.05  # steps of an episode; m
G, X, PHI, A = 3, 16, 19, 4  # sizes of a goal, of x, of φ and of an action
HIDDEN, LEARNING_RATE, BATCH = 256, 1e-3, 256
GAMMA, TAU, ALPHA = 0.95, 0.02, 0.05  # discount; how fast targets follow; weight of the entropy
K = 4  # relabelled transitions for each original one
WARM_UP, STEPS, RANDOM, UPDATES_A_STEP = 400, 1200, 0.1, 0.5
JUDGED = 50  # held-out episodes, seeds 0 to 49


# --8<-- [start:networks]
def mlp(inputs: int, outputs: int) -> nn.Sequential:
    """Two hidden layers."""
    return nn.Sequential(
        nn.Linear(inputs, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, outputs)
    )


class Actor(nn.Module):
    """π(a | s, g): a Gaussian squashed into [−1, 1] by tanh. The goal is an input like any other."""

    def __init__(self):
        super().__init__()
        self.body = mlp(PHI, 2 * A)

    def forward(self, phi: Tensor) -> tuple[Tensor, Tensor]:
        """φ (B, 19) to an action (B, 4), drawn so that gradients pass through it, and its log-probability (B,)."""
        mean, log_std = self.body(phi).chunk(2, dim=1)
        normal = torch.distributions.Normal(mean, log_std.clamp(-20, 2).exp())
        u = normal.rsample()  # u = μ + σ ε
        action = torch.tanh(u)
        # log π(a) = log N(u; μ, σ) − Σ log(1 − tanh(u)²)
        return action, (normal.log_prob(u) - torch.log(1 - action**2 + 1e-6)).sum(1)
        # --8<-- [end:networks]

    def mean(self, phi: Tensor) -> Tensor:
        """The action without its noise."""
        return torch.tanh(self.body(phi)[:, :A])


# --8<-- [start:replay]
class Replay:
    """Whole episodes, so that at any time any step can be given another goal of its own episode.

    `x` (E, T + 1, 16) holds one row more than there are steps: step t leads from row t to row t + 1.
    """

    def __init__(self, her: bool):
        self.x, self.actions = np.zeros((0, LENGTH + 1, X), np.float32), np.zeros((0, LENGTH, A), np.float32)
        self.relabelled = K / (K + 1) if her else 0.0

    def add(self, x: np.ndarray, actions: np.ndarray) -> None:
        """Episodes that have just ended."""
        self.x, self.actions = np.concatenate([self.x, x]), np.concatenate([self.actions, actions])

    def sample(self, rng: np.random.Generator) -> tuple[Tensor, ...]:
        """B transitions (x, a, r, x'), of which k / (k + 1) get a goal that their episode achieved later."""
        e, t = rng.integers(0, len(self.x), BATCH), rng.integers(0, LENGTH, BATCH)
        before, after = self.x[e, t], self.x[e, t + 1]
        n = int(self.relabelled * BATCH)
        # g' = achieved goal after step t', t' uniform in t, …, T − 1, put into s and into s'
        goals = self.x[e[:n], rng.integers(t[:n], LENGTH) + 1, :G]
        before[:n, G : 2 * G] = after[:n, G : 2 * G] = goals
        rewards = reward(after[:, :G], after[:, G : 2 * G])
        return tuple(torch.from_numpy(part) for part in (before, self.actions[e, t], rewards, after))
        # --8<-- [end:replay]


def reward(achieved: np.ndarray, desired: np.ndarray) -> np.ndarray:
    """R(g_achieved, g) (B,) float32: 0 within 5 cm, else −1; `--verify` asks the task whether that is so."""
    return -(np.linalg.norm(achieved - desired, axis=1) > THRESHOLD).astype(np.float32)


# --8<-- [start:features]
class Features:
    """φ = (x normalised, desired − achieved goal in units of its size), from the moments of what was seen."""

    def __init__(self):
        self.mean, self.scale, self.size = torch.zeros(X), torch.ones(X), torch.ones(G)

    def fit(self, x: np.ndarray) -> None:
        """Take the moments of x (n, 16)."""
        spread = x.std(0)
        self.mean = torch.from_numpy(x.mean(0))
        self.scale = torch.from_numpy(np.where(spread > 1e-3, spread, 1).astype(np.float32))  # some never change
        # About zero and not about a mean: "there" must stay at zero.
        self.size = torch.from_numpy(np.sqrt(((x[:, G : 2 * G] - x[:, :G]) ** 2).mean(0)))

    def __call__(self, x: Tensor) -> Tensor:
        """φ (B, 19) of x (B, 16)."""
        return torch.cat([(x - self.mean) / self.scale, (x[:, G : 2 * G] - x[:, :G]) / self.size], 1)
        # --8<-- [end:features]


class Agent:
    """Actor, two critics and their targets, and the update of all of them."""

    def __init__(self):
        self.actor, self.critics = Actor(), nn.ModuleList(mlp(PHI + A, 1) for _ in range(2))
        self.targets = copy.deepcopy(self.critics)
        self.actor_adam = torch.optim.Adam(self.actor.parameters(), LEARNING_RATE)
        self.critic_adam = torch.optim.Adam(self.critics.parameters(), LEARNING_RATE)

    # --8<-- [start:losses]
    def critic_loss(self, phi: Tensor, actions: Tensor, rewards: Tensor, next_phi: Tensor) -> Tensor:
        """How far both critics are from r + γ V(s', g)."""
        with torch.no_grad():
            next_actions, log_prob = self.actor(next_phi)
            # V(s', g) = min Q'(s', a', g) − α log π(a' | s', g), a' ~ π
            value = self.smaller(self.targets, next_phi, next_actions) - ALPHA * log_prob
            # y = r + γ V(s', g), clipped to where returns lie that count rewards in [−1, 0] and no entropy
            y = (rewards + GAMMA * value).clamp(-1 / (1 - GAMMA), 0)
        inputs = torch.cat([phi, actions], 1)
        return sum((critic(inputs)[:, 0] - y).square().mean() for critic in self.critics)

    def actor_loss(self, phi: Tensor) -> Tensor:
        """−E[min Q(s, a, g) − α log π(a | s, g)], a ~ π."""
        actions, log_prob = self.actor(phi)
        return (ALPHA * log_prob - self.smaller(self.critics, phi, actions)).mean()

    @staticmethod
    def smaller(critics: Iterable[nn.Module], phi: Tensor, actions: Tensor) -> Tensor:
        """The more pessimistic of the two estimates, (B,)."""
        return torch.stack([critic(torch.cat([phi, actions], 1))[:, 0] for critic in critics]).amin(0)
        # --8<-- [end:losses]

    # --8<-- [start:update]
    def update(self, phi: Tensor, actions: Tensor, rewards: Tensor, next_phi: Tensor) -> None:
        """One step of Adam for the critics, one for the actor, and the targets follow."""
        self.critic_adam.zero_grad()
        self.critic_loss(phi, actions, rewards, next_phi).backward()
        self.critic_adam.step()
        self.actor_adam.zero_grad()
        self.actor_loss(phi).backward()
        self.actor_adam.step()
        with torch.no_grad():
            for target, critic in zip(self.targets.parameters(), self.critics.parameters(), strict=True):
                # θ' ← θ' + τ (θ − θ')
                target.lerp_(critic, TAU)
        # --8<-- [end:update]


def flat(observation: dict[str, np.ndarray]) -> np.ndarray:
    """x (16,) of an observation."""
    return np.concatenate([observation[key] for key in ("achieved_goal", "desired_goal", "observation")])


def play(envs: list[Any], seeds: Iterable[int], act: Callable[[np.ndarray], np.ndarray]) -> tuple[np.ndarray, ...]:
    """An episode in each environment: x (N, T + 1, 16), actions (N, T, 4), success (N,) at the last step."""
    n = len(envs)
    x, actions = np.zeros((n, LENGTH + 1, X), np.float32), np.zeros((n, LENGTH, A), np.float32)
    x[:, 0] = [flat(env.reset(seed=seed)[0]) for env, seed in zip(envs, seeds, strict=True)]
    success = np.zeros(n, bool)
    for t in range(LENGTH):
        actions[:, t] = act(x[:, t])
        for i, env in enumerate(envs):
            observation, _, _, _, info = env.step(actions[i, t])
            x[i, t + 1], success[i] = flat(observation), info["is_success"]
    return x, actions, success


def learn(seed: int, her: bool, steps: int = STEPS, every: int = 400) -> list[dict[str, Any]]:
    """Collect, relabel, update, in turn; every so many steps note success on held-out episodes."""
    torch.manual_seed(seed)
    rng, envs, judge = np.random.default_rng(seed), [make_env(ENV) for _ in range(N_ENVS)], [make_env(ENV)]
    agent, replay, features, curve = Agent(), Replay(her), Features(), []

    @torch.no_grad()
    def explore(x: np.ndarray) -> np.ndarray:
        chosen, _ = agent.actor(features(torch.from_numpy(x)))
        chance = 1.0 if done < WARM_UP else RANDOM
        return np.where(rng.random((len(x), 1)) < chance, rng.uniform(-1, 1, (len(x), A)), chosen.numpy())

    # --8<-- [start:learn]
    for done in range(0, steps, N_ENVS * LENGTH):
        first = 10_000 * (seed + 1) + done  # no episode twice, and none that is held out
        x, actions, _ = play(envs, range(first, first + N_ENVS), explore)
        replay.add(x, actions)
        features.fit(replay.x.reshape(-1, X))
        for _ in range(int(UPDATES_A_STEP * N_ENVS * LENGTH) if done + N_ENVS * LENGTH >= WARM_UP else 0):
            before, action, rewards, after = replay.sample(rng)
            agent.update(features(before), action, rewards, features(after))
        # --8<-- [end:learn]
        if (done + N_ENVS * LENGTH) % every == 0:
            found = success_rate(judge, agent, features)
            curve.append({"steps": done + N_ENVS * LENGTH, "success": found.model_dump()})
            print(f"{seed=} {her=!s:5} {done + N_ENVS * LENGTH:5,d} steps  {format_rate(found)}", flush=True)
    return curve


@torch.no_grad()
def success_rate(judge: list[Any], agent: Agent, features: Features) -> Any:
    """The policy without noise on the held-out episodes; nothing random is drawn, so training goes on as if unseen."""
    act = lambda x: agent.actor.mean(features(torch.from_numpy(x))).numpy()  # noqa: E731
    return rate([bool(play(judge, [seed], act)[2][0]) for seed in range(JUDGED)])


def check() -> list[tuple[str, float, float, float]]:
    """Claims: what, its value, the least and the most that bear it out."""
    torch.manual_seed(0)
    rng, env, agent, features, replay = np.random.default_rng(0), make_env(ENV), Agent(), Features(), Replay(True)
    x, actions, _ = play([env], [0], lambda x: rng.uniform(-1, 1, (1, A)))
    replay.add(x, actions)
    features.fit(x[0])
    before, action, rewards, after = replay.sample(rng)
    asked = env.unwrapped.compute_reward(after[:, :G].numpy(), after[:, G : 2 * G].numpy(), {})
    phi, next_phi = features(before), features(after)
    with torch.no_grad():
        squashed, log_prob = agent.actor(phi)
        mean, log_std = agent.actor.body(phi).chunk(2, dim=1)
        u = torch.atanh(squashed.double().clamp(-1 + 1e-9, 1 - 1e-9))
        density = -0.5 * ((u - mean) / log_std.exp()) ** 2 - log_std - 0.5 * math.log(2 * math.pi)
        density = (density - 2 * (math.log(2) - u - nn.functional.softplus(-2 * u))).sum(1)
    share = np.mean([not np.array_equal(row[G : 2 * G], x[0, 0, G : 2 * G]) for row in before.numpy()])
    agent.critic_loss(phi, action, rewards, next_phi).backward()
    reached = [float(p.grad.abs().sum()) for p in [*agent.actor.parameters(), *agent.targets.parameters()]
               if p.grad is not None]  # fmt: skip
    return [
        ("share of a batch with another goal, k / (k + 1)", share, 0.79, 0.81),
        ("rewards of it that the task denies", np.sum(rewards.numpy() != asked), 0, 0),
        (
            "goals that differ between s and s'",
            np.sum(before[:, G : 2 * G].numpy() != after[:, G : 2 * G].numpy()),
            0,
            0,
        ),
        ("largest error of log π, nats", (density - log_prob).abs().max(), 0, 1e-2),
        ("gradient of the critics' loss that reaches actor or targets", sum(reached), 0, 0),
        ("relative goal where the goal is achieved", features(torch.zeros(1, X))[0, X:].abs().max(), 0, 0),
    ]


def main(verify: bool = False, demo: bool = False, json_out: str | None = None, smoke: bool = False) -> int:
    """Check every claim and learn Reach once (--verify), or from three seeds with hindsight and without (--demo)."""
    torch.set_num_threads(1)
    began, seeds, steps = time.monotonic(), [0, 1, 2] if demo else [0], 400 if smoke else STEPS
    claims = check()
    curves = {her: [learn(seed, her, steps) for seed in seeds] for her in ((True, False) if demo else (True,))}
    last = rate([i < curve[-1]["success"]["successes"] for curve in curves[True] for i in range(JUDGED)])
    claims += [] if smoke else [(f"success after {steps:,} steps, {format_rate(last)}", last.rate, 0.9, 1)]
    for text, value, low, high in claims:
        print(f"{'ok   ' if low <= value <= high else 'WRONG'} {text:74s} {value:8.4g}   [{low:g}, {high:g}]")
    if json_out:
        named = {"hindsight" if her else "no_hindsight": found for her, found in curves.items()}
        data = {"claims": [float(value) for _, value, *_ in claims], "curves": named, "last": last.model_dump()}
        known = provenance.metadata({}, seeds=seeds, wall_clock_s=round(time.monotonic() - began, 3))
        save(json_out, DataReport(name="her_sac_from_scratch", data=data, **known))
    return 0 if all(low <= value <= high for _, value, low, high in claims) else 1


if __name__ == "__main__":
    sys.exit(guarded(lambda: parse(main, None, prog="her_sac_from_scratch.py")))
