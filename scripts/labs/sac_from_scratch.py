"""Soft Actor-Critic from scratch: each equation of chapter 03 in a few lines, checked, then put together on Reach.

    python scripts/labs/sac_from_scratch.py --verify                                   # every claim, in seconds
    python scripts/labs/sac_from_scratch.py --demo --json-out runs/ch03/lab.json       # learns FetchReachDense-v4

Exit status 1 if a claim is wrong. Ordinary modules and automatic differentiation, one idea a region; the project's own
learner computes the same gradients faster, and `--verify` compares them. B transitions, K critics, A = 4 actions.
Source: Haarnoja et al. 2018, "Soft Actor-Critic Algorithms and Applications" (arXiv:1812.05905).
"""

from __future__ import annotations

import copy
import math
import sys
import time
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from analysis import metrics, reports
from analysis.compare import format_rate
from common import provenance
from common.cli import guarded, parse
from envs.make import make_env

ENV, LENGTH = "FetchReachDense-v4", 50  # steps in an episode
PHI, A = 13, 4  # sizes of what the networks read and of an action
BATCH, HIDDEN, RATE, GAMMA, TAU = 256, 256, 1e-3, 0.95, 0.01
ALPHA, TARGET_ENTROPY = 0.005, -float(A)  # first entropy coefficient, in units of reward; nats
WARM_UP, UPDATES, RANDOM = 400, 0.5, 0.1  # random steps first; updates a step; fraction of random actions later


# --8<-- [start:soft_bellman]
def soft_value(q: Tensor, alpha: float) -> Tensor:
    """V (S,) of Q (S, A): the most that any policy can get of E[Q] + α H, reached by π ∝ exp(Q / α)."""
    # V(s) = α log Σ_a exp(Q(s, a) / α)
    return alpha * torch.logsumexp(q / alpha, dim=1)


def soft_iteration(rewards: Tensor, transitions: Tensor, alpha: float, sweeps: int) -> tuple[Tensor, list[float]]:
    """Q (S, A) after so many soft Bellman backups from zero, and the largest change that each one made.

    `rewards` (S, A); `transitions` (S, A, S): probabilities of the next state.
    """
    q, changes = torch.zeros_like(rewards), []
    for _ in range(sweeps):
        # Q(s, a) ← r(s, a) + γ Σ_s' P(s' | s, a) V(s')
        backed_up = rewards + GAMMA * transitions @ soft_value(q, alpha)
        changes.append(float((backed_up - q).abs().max()))
        q = backed_up
    return q, changes
    # --8<-- [end:soft_bellman]


def value_of(policy: Tensor, rewards: Tensor, transitions: Tensor, alpha: float) -> Tensor:
    """Soft values V (S,) of any `policy` (S, A): V = Σ_a π (r − α log π) + γ P_π V, solved as a linear system."""
    gained = (policy * (rewards - alpha * policy.log())).sum(1)
    onwards = torch.einsum("sa,sat->st", policy, transitions)
    return torch.linalg.solve(torch.eye(len(gained), dtype=gained.dtype) - GAMMA * onwards, gained)


def perceptron(*sizes: int) -> nn.Sequential:
    """Linear layers of these sizes with ReLU between them."""
    pairs = zip(sizes, sizes[1:], strict=False)
    return nn.Sequential(*[part for a, b in pairs for part in (nn.Linear(a, b), nn.ReLU())][:-1])


# --8<-- [start:actor]
def squash(mean: Tensor, log_std: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
    """Actions a = tanh(u) in (−1, 1) of u ~ N(μ, σ²), and their log-densities summed over the action's entries."""
    # u = μ + σ ε
    u = mean + log_std.exp() * noise
    # log N(u | μ, σ²) = −ε²/2 − log σ − log(2π)/2
    log_normal = -0.5 * noise**2 - log_std - 0.5 * math.log(2 * math.pi)
    # log |da/du| = log(1 − tanh² u) = 2 (log 2 − u − softplus(−2u)), which stays finite where tanh rounds to ±1
    log_slope = 2 * (math.log(2) - u - softplus(-2 * u))
    # log π(a | s) = Σ log N(u | μ, σ²) − log |da/du|
    return torch.tanh(u), (log_normal - log_slope).sum(-1)


class Actor(nn.Module):
    """φ (B, 13) and standard normal noise ε (B, 4) to actions (B, 4) and log π (B,)."""

    def __init__(self) -> None:
        super().__init__()
        self.body = perceptron(PHI, HIDDEN, HIDDEN, 2 * A)

    def forward(self, phi: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        mean, log_std = self.body(phi).chunk(2, dim=-1)
        return squash(mean, log_std.clamp(-20, 2), noise)
        # --8<-- [end:actor]


class Batch(NamedTuple):
    """B transitions. Fetch never terminates: an episode that runs out of time is cut, and its last state has value."""

    phi: Tensor  # (B, 13)
    actions: Tensor  # (B, 4)
    rewards: Tensor  # (B,)
    next_phi: Tensor  # (B, 13)


# --8<-- [start:critics]
class Critics(nn.Module):
    """K independent estimates of Q: φ (B, 13) and actions (B, 4) to (K, B)."""

    def __init__(self, k: int) -> None:
        super().__init__()
        self.members = nn.ModuleList(perceptron(PHI + A, HIDDEN, HIDDEN, 1) for _ in range(k))

    def forward(self, phi: Tensor, actions: Tensor) -> Tensor:
        inputs = torch.cat([phi, actions], dim=1)
        return torch.stack([member(inputs)[:, 0] for member in self.members])


def critic_loss(critics: Critics, targets: Critics, actor: Actor, alpha: Tensor, batch: Batch, noise: Tensor) -> Tensor:
    """½ Σᵢ E[(Qᵢ(s, a) − y)²], with y from the slow copies and from an action drawn now, not the recorded one."""
    with torch.no_grad():
        next_actions, next_log_prob = actor(batch.next_phi, noise)
        smallest = targets(batch.next_phi, next_actions).amin(0)
        # y = r + γ (minᵢ Q'ᵢ(s', a') − α log π(a' | s'))
        y = batch.rewards + GAMMA * (smallest - alpha * next_log_prob)
    return 0.5 * (critics(batch.phi, batch.actions) - y).square().mean(1).sum()
    # --8<-- [end:critics]


# --8<-- [start:pathwise]
def two_estimates(mean: float, std: float, samples: int) -> tuple[Tensor, Tensor]:
    """`samples` estimates (n,) of d E[Q(tanh(u))] / dμ for u ~ N(μ, σ²) and Q(a) = −(a − ½)²: two unbiased ways."""
    noise = torch.randn(samples)
    mu = torch.full((samples,), mean, requires_grad=True)
    # Pathwise: differentiate through the sample.            dQ/da · da/du · du/dμ
    q = -((torch.tanh(mu + std * noise) - 0.5) ** 2)
    (pathwise,) = torch.autograd.grad(q.sum(), mu)
    # Score function (REINFORCE): differentiate the density. Q(a) · d log N(u | μ, σ²) / dμ
    score = q.detach() * noise / std
    return pathwise, score
    # --8<-- [end:pathwise]


# --8<-- [start:improve]
def actor_loss(critics: Critics, alpha: Tensor, phi: Tensor, actions: Tensor, log_prob: Tensor) -> Tensor:
    """E[α log π(a | s) − minᵢ Qᵢ(s, a)]: its gradient reaches the actor through a = tanh(μ + σ ε)."""
    return (alpha * log_prob - critics(phi, actions).amin(0)).mean()


def temperature_loss(log_alpha: Tensor, log_prob: Tensor) -> Tensor:
    """−log α · E[log π + H̄]: α rises while the entropy E[−log π] is below H̄, and falls while it is above."""
    return -(log_alpha * (log_prob.detach() + TARGET_ENTROPY).mean())
    # --8<-- [end:improve]


# --8<-- [start:update]
class Sac:
    """Actor, K critics with slow copies, and log α, each with an Adam of its own."""

    def __init__(self, k: int = 2, alpha: float = ALPHA, tuned: bool = True) -> None:
        self.actor, self.critics, self.tuned = Actor(), Critics(k), tuned
        self.targets = copy.deepcopy(self.critics)
        self.log_alpha = torch.tensor(math.log(alpha), requires_grad=True)
        learned = (self.actor.parameters(), self.critics.parameters(), [self.log_alpha])
        self.adam_actor, self.adam_critics, self.adam_alpha = (torch.optim.Adam(part, RATE) for part in learned)

    def update(self, batch: Batch, noise: Tensor) -> None:
        """One step of everything; `noise` (2, B, 4) is standard normal, for the states and for the next states."""
        alpha = self.log_alpha.exp().detach()
        actions, log_prob = self.actor(batch.phi, noise[0])
        if self.tuned:
            descend(self.adam_alpha, temperature_loss(self.log_alpha, log_prob))
        descend(self.adam_critics, critic_loss(self.critics, self.targets, self.actor, alpha, batch, noise[1]))
        descend(self.adam_actor, actor_loss(self.critics, alpha, batch.phi, actions, log_prob))
        # θ' ← θ' + τ (θ − θ')
        with torch.no_grad():
            for slow, fast in zip(self.targets.parameters(), self.critics.parameters(), strict=True):
                slow.lerp_(fast, TAU)
        # --8<-- [end:update]


def descend(adam: torch.optim.Adam, loss: Tensor) -> None:
    """One step on the parameters that `adam` owns: the actor's loss runs through the critics and leaves them alone."""
    adam.zero_grad()
    loss.backward(inputs=adam.param_groups[0]["params"])
    adam.step()


def features(observation: dict[str, np.ndarray]) -> np.ndarray:
    """φ (13,): what the robot measures of itself, and the way to the goal in units of 10 cm."""
    way = 10 * (observation["desired_goal"] - observation["achieved_goal"])
    return np.concatenate([observation["observation"], way]).astype(np.float32)


# --8<-- [start:loop]
class Replay:
    """The last `capacity` transitions in a ring buffer, a row each: φ, action, reward, next φ."""

    def __init__(self, capacity: int) -> None:
        self.rows, self.added = np.zeros((capacity, 2 * PHI + A + 1), np.float32), 0

    def add(self, *parts: Any) -> None:
        self.rows[self.added % len(self.rows)] = np.hstack(parts)
        self.added += 1

    def sample(self, rng: np.random.Generator) -> Batch:
        chosen = torch.from_numpy(self.rows[rng.integers(0, min(self.added, len(self.rows)), BATCH)])
        phi, actions, rewards, next_phi = chosen.split([PHI, A, 1, PHI], dim=1)
        return Batch(phi, actions, rewards[:, 0], next_phi)


def episode(env: Any, seed: int, act: Any, replay: Replay | None = None) -> bool:
    """One episode of `act`, kept in `replay`; whether it ended within 5 cm of the goal."""
    phi = features(env.reset(seed=seed)[0])
    for _ in range(LENGTH):
        action = act(phi)
        observation, reward, _, _, info = env.step(action)
        before, phi = phi, features(observation)
        if replay:
            replay.add(before, action, reward, phi)
    return bool(info["is_success"])
    # --8<-- [end:loop]


# --8<-- [start:learn]
def learn(seed: int, steps: int, every: int, **settings: Any) -> list[dict[str, Any]]:
    """Train for so many steps; every so often note α and the success of the mean action on 50 held-out episodes."""
    torch.manual_seed(seed)
    rng, replay, sac = np.random.default_rng(seed), Replay(100_000), Sac(**settings)
    env, judge, curve, seconds = make_env(ENV), make_env(ENV), [], 0.0

    @torch.no_grad()
    def act(phi: np.ndarray, explore: bool = False) -> np.ndarray:
        if explore and rng.random() < (1.0 if replay.added < WARM_UP else RANDOM):
            return rng.uniform(-1, 1, A).astype(np.float32)
        return sac.actor(torch.from_numpy(phi), torch.randn(A) if explore else torch.zeros(A))[0].numpy()

    for done in range(LENGTH, steps + 1, LENGTH):
        began = time.perf_counter()
        episode(env, 10_000 * (seed + 1) + done, lambda phi: act(phi, explore=True), replay)
        for _ in range(int(UPDATES * LENGTH) if done >= WARM_UP else 0):
            sac.update(replay.sample(rng), torch.randn(2, BATCH, A))
        seconds += time.perf_counter() - began
        if done % every == 0:
            found, alpha = metrics.rate([episode(judge, k, act) for k in range(50)]), sac.log_alpha.exp().item()
            curve.append({"steps": done, "seconds": seconds, "alpha": alpha, "success": found.model_dump()})
            print(f"seed {seed} {done:6,d} steps {seconds:5.1f} s  alpha {alpha:.4f}  {format_rate(found)}", flush=True)
    return curve
    # --8<-- [end:learn]


def project_gradients(sac: Sac, batch: Batch, noise: Tensor) -> list[Tensor]:
    """Gradients of the project's own learner for the same weights, batch and noise: log α, actor, critics."""
    from agents import learner
    from agents import sac as project_sac

    project = project_sac.Sac(PHI, A, [HIDDEN, HIDDEN], RATE, TAU, ent_coef=None)
    project.log_ent_coef.data.copy_(sac.log_alpha)
    project.actor.layers.load_state_dict(sac.actor.body.state_dict())
    project.critic.members.load_state_dict(sac.critics.members.state_dict())
    project.target.members.load_state_dict(sac.targets.members.state_dict())
    discounts = torch.full((BATCH,), GAMMA)
    # Theirs has both observations, and the noise of both, in one tuple.
    phi, next_phi, actions, rewards = batch.phi, batch.next_phi, batch.actions, batch.rewards
    project.update(learner.Batch(phi, next_phi, actions, rewards, discounts, noise.reshape(-1, A)))
    return [p.grad for p in (project.log_ent_coef, *project.actor.parameters(), *project.critic.parameters())]


def check() -> list[tuple[str, float, float, float]]:
    """Claims: what, its value, the least and the most that bear it out."""
    torch.manual_seed(0)
    mdp = torch.rand(5, 3).double(), torch.randn(5, 3, 5).double().softmax(2)
    q, changes = soft_iteration(*mdp, alpha=0.1, sweeps=400)
    best = soft_value(q, 0.1)
    reached = value_of((q / 0.1).softmax(1), *mdp, alpha=0.1)
    others = torch.stack([value_of(torch.randn(5, 3).double().softmax(1), *mdp, alpha=0.1) for _ in range(1000)])
    # Densities in the middle of 20,000 cells of actions, for three pairs of μ and log σ.
    u = torch.atanh(torch.linspace(-1 + 5e-5, 1 - 5e-5, 20_000).double())[:, None]
    pairs = torch.tensor([[0.0, -1.0], [0.7, -0.5], [-1.5, 0.3]]).double()
    areas = [squash(m, s, (u - m) / s.exp())[1].exp().sum() * 1e-4 for m, s in pairs]
    mean, log_std, noise = torch.randn(3, 1000, A).double() - torch.tensor([0, 1, 0])[:, None, None]
    actions, log_prob = squash(mean, log_std, noise)
    normal = torch.distributions.Normal(mean, log_std.exp())
    squashed = torch.distributions.TransformedDistribution(normal, torch.distributions.TanhTransform(cache_size=1))
    pathwise, score = two_estimates(0.2, 0.3, 100_000)
    between = (pathwise.mean() - score.mean()).abs() / (score.std() / len(score) ** 0.5)
    guesses, sac, drawn = torch.randn(2, 20_000, 10), Sac(), torch.randn(2, BATCH, A)
    batch = Batch(torch.randn(BATCH, PHI), 2 * torch.rand(BATCH, A) - 1, -torch.rand(BATCH), torch.randn(BATCH, PHI))
    theirs = project_gradients(sac, batch, drawn)
    sac.update(batch, drawn)
    ours = [part.grad for part in (sac.log_alpha, *sac.actor.parameters(), *sac.critics.parameters())]
    errors = [(g - p).abs().max() / p.abs().max() for g, p in zip(ours, theirs, strict=True)]
    off_torch = (squashed.log_prob(actions).sum(1) - log_prob).abs().max()
    return [
        ("soft Bellman: a backup's change over the one before", changes[50] / changes[49], 0, GAMMA + 1e-9),
        ("soft Bellman: π ∝ exp(Q/α), distance from the fixed point", (reached - best).abs().max(), 0, 1e-6),
        ("soft Bellman: best of 1,000 other policies, above it", (others - best).max(), -9, 0),
        ("actor: area under densities of tanh(u), off 1 by", max((a - 1).abs() for a in areas), 0, 1e-3),
        ("actor: log π, off PyTorch's TanhTransform by", off_torch, 0, 1e-3),
        ("critics: largest of 10 estimates of 0, noise 1", guesses[0].amax(1).mean(), 1.5, 1.6),
        ("critics: the same, each the smaller of two", guesses.amin(0).amax(1).mean(), 0, 0.7),
        ("improve: means of both gradients, apart in standard errors", between, 0, 3),
        ("improve: their standard deviations, score over pathwise", score.std() / pathwise.std(), 2, 100),
        ("update: gradients, off the project's learner by (relative)", max(errors), 0, 2e-3),
    ]  # fmt: skip


def main(demo: bool = False, verify: bool = False, json_out: str | None = None) -> int:
    """Check every claim (--verify, or no flag); learn FetchReachDense-v4 from three seeds (--demo)."""
    torch.set_num_threads(1)
    began, data, seeds, holds = time.monotonic(), {}, list(range(3 if demo else 0)), True
    if verify or not demo:
        data["claims"] = [[text, round(float(value), 9), low, high] for text, value, low, high in check()]
        for text, value, low, high in data["claims"]:
            holds = holds and low <= value <= high
            print(f"{'ok   ' if low <= value <= high else 'WRONG'} {text:60s} {value:9.3g}   [{low:.3g}, {high:.3g}]")
    if demo:
        data["curves"] = [learn(seed, 1500, every=250) for seed in seeds]
        last = metrics.rate([k < curve[-1]["success"]["successes"] for curve in data["curves"] for k in range(50)])
        print(f"after 1,500 steps, three seeds: {format_rate(last)}")
        holds, data["last"] = holds and last.low > 0.9, last.model_dump()
    if json_out:
        known = provenance.metadata({}, env_id=ENV, seeds=seeds, wall_clock_s=round(time.monotonic() - began, 3))
        reports.save(json_out, reports.DataReport(name="sac_from_scratch", data=data, **known))
    return 0 if holds else 1


if __name__ == "__main__":
    sys.exit(guarded(lambda: parse(main, None, prog="sac_from_scratch.py")))
