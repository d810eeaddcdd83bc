"""PPO from scratch: a policy, a rollout, advantages, a clipped loss; checked against Stable-Baselines3, run on Fetch.

    python scripts/labs/ppo_from_scratch.py --verify   # every claim; seconds
    python scripts/labs/ppo_from_scratch.py --demo     # learns FetchReachDense-v4 in less than two minutes

Exit status 1 if a claim is wrong. N parallel environments, T steps of each in a rollout, B transitions in a minibatch;
x (16,) is achieved goal, desired goal and observation, a (4,) an action. Schulman et al. 2017, arXiv:1707.06347.
"""

from __future__ import annotations

import math
import sys
import time
from typing import Any, NamedTuple

import numpy as np
import torch
from stable_baselines3 import PPO
from stable_baselines3.common.logger import Logger
from stable_baselines3.common.vec_env import VecEnv
from torch import Tensor, nn

from analysis import compare, metrics, reports
from common import provenance
from common.cli import guarded, parse
from common.errors import UserError
from envs.vector import make_vec_env

ENV, X, A = "FetchReachDense-v4", 16, 4
# As configs/ppo_FetchReachDense-v4.yaml, and Stable-Baselines3's defaults where that says nothing.
N, T, EPOCHS, BATCH, RATE, GAMMA, LAMBDA, CLIP = 8, 100, 10, 200, 1e-3, 0.9, 0.95, 0.2
VALUE_WEIGHT, ENTROPY_WEIGHT, MAX_GRAD_NORM = 0.5, 0.0, 0.5
SHOWN = ("entropy", "approx_kl", "clip_fraction", "explained_variance")


# --8<-- [start:policy]
class ActorCritic(nn.Module):
    """The policy N(μ(x), diag σ²) and the value V(x): two networks of their own, and one log σ for each action."""

    def __init__(self):
        super().__init__()
        # A last layer near zero: at first all states share μ = 0 and the noise explores.
        self.mean, self.value = self.network(A, gain=0.01), self.network(1, gain=1.0)
        self.log_std = nn.Parameter(torch.zeros(A))

    @staticmethod
    def network(outputs: int, gain: float) -> nn.Sequential:
        layers = [nn.Linear(X, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, outputs)]
        for layer, size in zip(layers[::2], (math.sqrt(2), math.sqrt(2), gain), strict=True):
            nn.init.orthogonal_(layer.weight, size)
            nn.init.zeros_(layer.bias)
        return nn.Sequential(*layers)

    def log_prob(self, x: Tensor, a: Tensor) -> Tensor:
        """log π(a|x), (B,), of x (B, 16) and a (B, 4)."""
        # log π(a|x) = Σ −(a − μ)² / 2σ² − log σ − log(2π) / 2
        z = (a - self.mean(x)) / self.log_std.exp()
        return (-0.5 * z**2 - self.log_std - 0.5 * math.log(2 * math.pi)).sum(-1)
        # --8<-- [end:policy]

    def entropy(self) -> Tensor:
        """Of the policy, a number: the same in every state, since σ is."""
        # H = Σ log σ + (1 + log 2π) / 2
        return (self.log_std + 0.5 * (1 + math.log(2 * math.pi))).sum()


class Rollout(NamedTuple):
    """What N environments did in T steps: x (T, N, 16), a (T, N, 4), the rest (T, N); `last_value` is V(s_T), (N,)."""

    x: Tensor
    a: Tensor
    log_prob: Tensor
    value: Tensor
    reward: Tensor
    end: Tensor
    last_value: Tensor


def flat(observation: dict[str, np.ndarray]) -> Tensor:
    """x (N, 16)."""
    parts = [observation[key] for key in ("achieved_goal", "desired_goal", "observation")]
    return torch.as_tensor(np.concatenate(parts, axis=1), dtype=torch.float32)


# --8<-- [start:collect]
@torch.no_grad()
def collect(env: VecEnv, net: ActorCritic, x: Tensor, steps: int, gamma: float = GAMMA) -> tuple[Rollout, Tensor]:
    """`steps` steps of every environment from x (N, 16) on with fresh actions of the policy, and the x after them."""
    rows = []
    for _ in range(steps):
        a = net.mean(x) + net.log_std.exp() * torch.randn(len(x), A)
        # The task clips actions to [−1, 1]; the policy's own density is that of the action before clipping.
        given, rewards, ends, infos = env.step(a.clamp(-1, 1).numpy())
        for i in np.flatnonzero(ends):
            # r ← r + γ V(s') stands for what was not lived.
            if infos[i]["TimeLimit.truncated"]:
                last = flat({key: value[None] for key, value in infos[i]["terminal_observation"].items()})
                rewards[i] += gamma * net.value(last).item()
        reward, end = torch.as_tensor(rewards, dtype=torch.float32), torch.as_tensor(ends, dtype=torch.float32)
        rows.append((x, a, net.log_prob(x, a), net.value(x)[:, 0], reward, end))
        x = flat(given)
    return Rollout(*map(torch.stack, zip(*rows, strict=True)), net.value(x)[:, 0]), x
    # --8<-- [end:collect]


# --8<-- [start:gae]
def advantages(rollout: Rollout, gamma: float = GAMMA, lam: float = LAMBDA) -> Tensor:
    """A_t (T, N): how much better a_t turned out than the policy's average in s_t. Schulman et al. 2016, eq. 16."""
    result, later = torch.zeros_like(rollout.reward), torch.zeros_like(rollout.last_value)
    following = torch.cat([rollout.value[1:], rollout.last_value[None]])
    for t in reversed(range(len(result))):
        going = 1 - rollout.end[t]  # what follows an end is another episode's
        # δ_t = r_t + γ V(s_{t+1}) − V(s_t)
        delta = rollout.reward[t] + gamma * following[t] * going - rollout.value[t]
        # A_t = δ_t + γ λ A_{t+1}
        later = result[t] = delta + gamma * lam * going * later
    return result
    # --8<-- [end:gae]


# --8<-- [start:surrogate]
def surrogate(ratio: Tensor, advantage: Tensor, clip: float) -> Tensor:
    """What is maximised for each transition, (B,), from the ratio ρ of new to old probability and the advantage."""
    # min(ρ A, clip(ρ, 1 − ε, 1 + ε) A)                                                (Schulman et al. 2017, eq. 7)
    return torch.min(ratio * advantage, ratio.clamp(1 - clip, 1 + clip) * advantage)
    # --8<-- [end:surrogate]


# --8<-- [start:loss]
def ppo_loss(
    net: ActorCritic, x: Tensor, a: Tensor, old_log_prob: Tensor, advantage: Tensor, target: Tensor, clip: float
) -> tuple[Tensor, dict[str, float]]:
    """What one minibatch minimises, and what the dashboard wants to know of it; all but x and a are (B,)."""
    # Â = (A − mean A) / std A: the size of rewards, and so of gradients, no longer matters.
    advantage = (advantage - advantage.mean()) / (advantage.std() + 1e-8)
    # ρ = π(a|x) / π_old(a|x)
    log_ratio = net.log_prob(x, a) - old_log_prob
    ratio = log_ratio.exp()
    policy_loss = -surrogate(ratio, advantage, clip).mean()
    # L = −mean min(ρ Â, clip(ρ) Â) + c₁ mean (V(x) − R)² − c₂ H
    value_loss = (net.value(x)[:, 0] - target).square().mean()
    loss = policy_loss + VALUE_WEIGHT * value_loss - ENTROPY_WEIGHT * net.entropy()
    with torch.no_grad():
        # KL(π_old ‖ π) ≈ mean (ρ − 1 − log ρ), which is never negative
        seen = {"approx_kl": (ratio - 1 - log_ratio).mean(), "clip_fraction": ((ratio - 1).abs() > clip).float().mean()}
        seen |= {"policy_loss": policy_loss, "value_loss": value_loss, "entropy": net.entropy()}
    return loss, {name: value.item() for name, value in seen.items()}
    # --8<-- [end:loss]


# --8<-- [start:update]
def update(net: ActorCritic, adam: torch.optim.Adam, rollout: Rollout, clip: float = CLIP) -> dict[str, float]:
    """`EPOCHS` passes over one rollout in minibatches; the means of what each of them saw."""
    advantage = advantages(rollout)
    target = advantage + rollout.value  # R_t = A_t + V(s_t), the λ-return
    # (T, N, …) -> (N T, …)
    whole = [rollout.x, rollout.a, rollout.log_prob, advantage, target]
    x, *rest = (part.transpose(0, 1).flatten(0, 1) for part in whole)
    rows = []
    for _ in range(EPOCHS):
        for batch in torch.as_tensor(np.random.permutation(len(x))).split(BATCH):
            loss, seen = ppo_loss(net, x[batch], *(part[batch] for part in rest), clip)
            adam.zero_grad()
            loss.backward()
            # g ← g · min(1, 0.5 / ‖g‖); the norm before that is worth watching.
            seen["grad_norm"] = float(nn.utils.clip_grad_norm_(net.parameters(), MAX_GRAD_NORM))
            adam.step()
            rows.append(seen)
    # 1 − Var(R − V) / Var(R): 1 where V foretells every return, 0 where a constant would do as well
    explained = 1 - (target - rollout.value).var() / target.var()
    means = {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}
    return means | {"explained_variance": float(explained)}
    # --8<-- [end:update]


@torch.no_grad()
def evaluate(net: ActorCritic, n: int) -> reports.Rate:
    """Success at the last step over `n` episodes of seeds 0, 1, …, with the mean action, in an environment apart."""
    env, solved = make_vec_env(ENV, 10), []
    for first in range(0, n, 10):
        env.seed(first)
        x, ends = flat(env.reset()), np.zeros(10, bool)
        while not ends.all():
            given, _, ends, infos = env.step(net.mean(x).clamp(-1, 1).numpy())
            x = flat(given)
        solved += [info["is_success"] > 0 for info in infos]
    env.close()
    return metrics.rate(solved[:n])


def train(seed: int, steps: int, clip: float = CLIP, every: int = 4800) -> list[dict[str, Any]]:
    """Rollout, update, and again; every so many steps a row with success on 20 held-out episodes, on 100 at the end."""
    torch.manual_seed(seed)
    np.random.seed(seed)
    env, net = make_vec_env(ENV, N), ActorCritic()
    adam = torch.optim.Adam(net.parameters(), RATE, eps=1e-5)
    # --8<-- [start:train]
    env.seed(10_000 * (seed + 1))  # training never sees seeds 0 to 99
    x, rows, began = flat(env.reset()), [], time.monotonic()
    for done in range(N * T, steps + 1, N * T):
        rollout, x = collect(env, net, x, T)
        seen = update(net, adam, rollout, clip)
        # --8<-- [end:train]
        if done % every == 0 or done + N * T > steps:
            seconds, success = time.monotonic() - began, evaluate(net, 20 if done + N * T <= steps else 100)
            rows.append({"steps": done, "seconds": round(seconds, 1), "success": success.model_dump()} | seen)
            print(f"{done:6,d} steps {seconds:5.1f} s", *(f" {name} {seen[name]:6.3f}" for name in SHOWN),
                  f" success {compare.format_rate(success)}", flush=True)  # fmt: skip
    env.close()
    return rows


def weights(net: ActorCritic) -> list[Tensor]:
    """All weights in one order; `theirs` gives Stable-Baselines3's in the same."""
    return [net.log_std, *net.mean.parameters(), *net.value.parameters()]


def theirs(model: PPO) -> list[Tensor]:
    """The weights of a `MultiInputPolicy` in the order of `weights`."""
    p, body = model.policy, model.policy.mlp_extractor
    actor, critic = (body.policy_net, p.action_net), (body.value_net, p.value_net)
    return [p.log_std, *(w for part in (*actor, *critic) for w in part.parameters())]


def copy(source: list[Tensor], target: list[Tensor]) -> None:
    """Give the weights `target` the numbers of `source`."""
    for given, weight in zip(source, target, strict=True):
        weight.data.copy_(given.data)


def apart(ours: list[Tensor], others: list[Tensor]) -> float:
    """The largest difference of two lists of tensors, relative to the largest number in each."""
    return max(((a - b).abs().max() / b.abs().max().clamp_min(1e-8)).item() for a, b in zip(ours, others, strict=True))


Claims = list[tuple[str, float, float, float]]  # what, its value, the least and the most that bear it out


def beside_stock(n_envs: int = 4) -> tuple[Claims, ActorCritic, ActorCritic, Rollout]:
    """Claims about one iteration beside Stable-Baselines3's; our policy before it and after it, and the rollout."""
    env = make_vec_env(ENV, n_envs)
    model = PPO("MultiInputPolicy", env, RATE, T, BATCH, EPOCHS, GAMMA, LAMBDA, seed=0, device="cpu")
    model.set_logger(Logger(None, []))
    old, net, copied = ActorCritic(), ActorCritic(), ActorCritic()
    start = [w.detach().clone() for w in theirs(model)]
    copy(start, weights(old))
    copy(start, weights(net))
    model.set_random_seed(0)
    model.learn(n_envs * T)
    model.set_random_seed(0)  # the same goals, the same noise, the same minibatches
    rollout, _ = collect(env, net, flat(env.reset()), T)
    env.close()
    gae, stock = advantages(rollout), model.rollout_buffer
    reward, stock_gae = torch.as_tensor(stock.rewards), torch.as_tensor(stock.advantages).reshape(n_envs, T).T
    update(net, torch.optim.Adam(net.parameters(), RATE, eps=1e-5), rollout)
    steps = [[w - s for w, s in zip(ours, start, strict=True)] for ours in (weights(net), theirs(model))]
    # Now the whole rollout as one batch whose ratios are not 1 any more. `train` leaves its gradient behind.
    copy(weights(net), theirs(model))
    model.n_epochs, model.batch_size, model.max_grad_norm = 1, n_envs * T, math.inf
    model.train()
    parts = (rollout.x, rollout.a, rollout.log_prob, gae, gae + rollout.value)
    loss, seen = ppo_loss(net, *(part.flatten(0, 1) for part in parts), CLIP)
    copy(weights(net), weights(copied))
    net.zero_grad()
    loss.backward()
    gradients = [[w.grad for w in ours] for ours in (weights(net), theirs(model))]
    return [
        ("rewards of a rollout, the rest bootstrapped where time ran out", apart([rollout.reward], [reward]), 0, 1e-5),
        ("advantages of that rollout", apart([gae], [stock_gae]), 0, 1e-4),
        ("what ten passes over it do to the weights", apart(*steps), 0, 1e-2),
        ("share of transitions outside the clip range after that", seen["clip_fraction"], 0.01, 1),
        ("gradient of the whole loss there", apart(*gradients), 0, 1e-4),
    ], old, copied, rollout


def alone(old: ActorCritic, net: ActorCritic, rollout: Rollout) -> Claims:
    """Claims of the derivation, on a policy before (`old`) and after an update and the rollout in between."""
    x, a, gae = rollout.x.flatten(0, 1), rollout.a.flatten(0, 1), advantages(rollout).flatten()
    ratio = torch.tensor([0.5, 0.9, 1.1, 1.5] * 2, requires_grad=True)
    sign, table = torch.tensor([1.0] * 4 + [-1.0] * 4), torch.tensor([1.0, 1, 1, 0, 0, -1, -1, -1])
    surrogate(ratio, sign, CLIP).sum().backward()
    # ∇ mean min(ρ A, clip(ρ) A) at ρ = 1, and mean A ∇ log π, the policy gradient
    log_ratio, actor = old.log_prob(x, a) - rollout.log_prob.flatten(), [old.log_std, *old.mean.parameters()]
    objectives = surrogate(log_ratio.exp(), gae, CLIP).mean(), (gae * old.log_prob(x, a)).mean()
    slopes = [torch.autograd.grad(objective, actor) for objective in objectives]
    with torch.no_grad():
        # KL(N(μ, σ²) ‖ N(μ', σ'²)) = Σ log σ'/σ + (σ² + (μ − μ')²) / 2σ'² − 1/2
        variance, gap = (2 * net.log_std).exp(), (old.mean(x) - net.mean(x)) ** 2
        exact = (net.log_std - old.log_std + ((2 * old.log_std).exp() + gap) / (2 * variance) - 0.5).sum(1).mean()
        log_ratio = net.log_prob(x, a) - rollout.log_prob.flatten()
        estimate = (log_ratio.exp() - 1 - log_ratio).mean()
        normal = torch.distributions.Normal(net.mean(x), net.log_std.exp())
        density = apart([net.log_prob(x, a)], [normal.log_prob(a).sum(1)])
        entropy = apart([net.entropy()], [normal.entropy().sum(1).mean()])
    return [
        ("log π and entropy against torch.distributions", max(density, entropy), 0, 1e-5),
        ("gradient at ratio 1 against the policy gradient", apart(*slopes), 0, 1e-5),
        ("slopes of the surrogate that are not as in the table of HOW", float((ratio.grad != table).sum()), 0, 0),
        ("approximate KL over exact KL", float(estimate / exact), 0.7, 1.4),
    ]


def main(
    verify: bool = False, demo: bool = False, seed: int = 0, steps: int = 24_000, clip_range: float = CLIP,
    json_out: str | None = None,
) -> int:  # fmt: skip
    """Check every claim (--verify, or no flag), learn FetchReachDense-v4 (--demo); a clip range of inf never clips."""
    if seed < 0 or steps < N * T:
        raise UserError(f"--seed {seed} --steps {steps}: no negative seed, and at least one rollout ({N * T} steps).")
    torch.set_num_threads(1)
    began, claims, rows, wrong = time.monotonic(), [], [], 0
    if verify or not demo:
        found, *rest = beside_stock()
        claims = [*found, *alone(*rest)]
        for text, value, low, high in claims:
            print(f"{'ok   ' if low <= value <= high else 'WRONG'} {text:64s} {value:9.3g}   [{low:g}, {high:g}]")
        wrong = sum(not low <= value <= high for _, value, low, high in claims)
    if demo:
        rows = train(seed, steps, clip_range)
    if json_out:
        known = provenance.metadata({"seed": seed, "steps": steps, "clip_range": str(clip_range)}, seeds=[seed],
                                    env_id=ENV, n_envs=N, wall_clock_s=round(time.monotonic() - began, 3))  # fmt: skip
        data = {"values": [float(value) for _, value, *_ in claims], "wrong": wrong, "curve": rows}
        reports.save(json_out, reports.DataReport(name="ppo_from_scratch", data=data, **known))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(guarded(lambda: parse(main, None, prog="ppo_from_scratch.py")))
