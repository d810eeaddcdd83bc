"""Does a policy from pixels need its pixels? Imitation from scratch, with the block's position leaked and without.

    python scripts/labs/dagger_from_scratch.py --verify               # every claim, about 15 seconds
    python scripts/labs/dagger_from_scratch.py --demo                 # three students without one pixel, a minute

Exit status 1 if a claim is wrong. For reading beside chapter 09; nothing imports it. Training from pixels uses
`agents/dagger.py`. N environments, B labels, T steps; x (N, D) is what a student sees, actions lie in [−1, 1]. Source:
Ross, Gordon, Bagnell 2011, "A Reduction of Imitation Learning … to No-Regret Online Learning" (arXiv:1011.0686).
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from agents.checkpoint import load_policy
from analysis.compare import format_rate
from analysis.metrics import rate
from analysis.reports import DataReport, save
from common import provenance
from common.cli import guarded, parse
from envs.make import make_env

ENV, N_ENVS, LENGTH = "FetchPush-v4", 16, 50
TEACHER = Path(__file__).resolve().parents[2] / f"checkpoints/reference/{ENV}.zip"
# Of the 25 numbers: the gripper's position, the fingers' opening, the gripper's velocity, the fingers' velocity.
ROBOT = [0, 1, 2, 9, 10, 20, 21, 22, 23, 24]
HIDDEN, LEARNING_RATE, BATCH = 256, 1e-3, 256
ROUNDS, UPDATES, JUDGED = 16, 250, 100  # rounds of an episode in each environment; updates a round; held-out episodes
Observation = dict[str, np.ndarray]
Claim = tuple[str, float, float, float]


# --8<-- [start:shown]
def shown(state: Observation, leak: bool) -> np.ndarray:
    """What a student is told, (N, 13) or (N, 16): its own joints and the goal; with `leak`, where the block is.

    A policy "from pixels" is told as much, and gets a picture on top. Here it gets none.
    """
    parts = [state["observation"][:, ROBOT], state["desired_goal"]]
    # On Push the achieved goal is the block's position.
    return np.concatenate([*parts, *([state["achieved_goal"]] if leak else [])], axis=1, dtype=np.float32)
    # --8<-- [end:shown]


class Student(nn.Module):
    """x (N, D), normalised, to actions (N, 4)."""

    def __init__(self, inputs: int):
        super().__init__()
        self.mean, self.scale = torch.zeros(inputs), torch.ones(inputs)
        self.body = nn.Sequential(
            nn.Linear(inputs, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, 4), nn.Tanh()
        )

    def fit(self, x: Tensor) -> None:
        """Take the moments of x (B, D); what never changes is only centred."""
        spread = x.std(0)
        self.mean, self.scale = x.mean(0), torch.where(spread > 1e-4, spread, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, 4)."""
        return self.body((x - self.mean) / self.scale)


def teacher() -> Callable[[Observation], np.ndarray]:
    """The policy of Push from state that ships with the project, as a function of the state."""
    policy, _ = load_policy(TEACHER, make_env(ENV), ENV, "cpu")
    return lambda state: policy.predict(state, deterministic=True)[0]


def play(envs: list[Any], first: int, act: Callable[[Observation], np.ndarray]) -> tuple[list[Observation], np.ndarray]:
    """An episode in each environment, seeds first, first + 1, …: the states before each step, and success (N,)."""
    found = [env.reset(seed=first + i)[0] for i, env in enumerate(envs)]
    states, success = [], np.zeros(len(envs), bool)
    for _ in range(LENGTH):
        states.append({key: np.stack([each[key] for each in found]) for key in found[0]})
        for i, (env, action) in enumerate(zip(envs, act(states[-1]), strict=True)):
            found[i], _, _, _, info = env.step(action)
            success[i] = info["is_success"]
    return states, success


def imitate(
    envs: list[Any], asked: Callable[[Observation], np.ndarray], leak: bool, dagger: bool, rounds: int = ROUNDS,
    updates: int = UPDATES,
) -> Student:  # fmt: skip
    """A student after some rounds of: play, have the teacher label what was met, learn all labels so far."""
    x, labels = torch.zeros(0, 16 if leak else 13), torch.zeros(0, 4)
    student = Student(x.shape[1])
    adam = torch.optim.Adam(student.parameters(), LEARNING_RATE)
    # --8<-- [start:dagger]
    for played in range(rounds):
        # Behaviour cloning: the teacher drives. DAgger: after the first round the student does.
        drives = follow(student, leak) if dagger and played else asked
        states, _ = play(envs, 10_000 + len(envs) * played, drives)
        # D ← D ∪ {(x, π*(s))}: the label is the teacher's, whoever drove
        x = torch.cat([x, *(torch.from_numpy(shown(state, leak)) for state in states)])
        labels = torch.cat([labels, *(torch.from_numpy(asked(state)) for state in states)])
        student.fit(x)
        for _ in range(updates):
            rows = torch.randint(len(x), (BATCH,))
            loss = (student(x[rows]) - labels[rows]).square().mean()
            adam.zero_grad()
            loss.backward()
            adam.step()
    return student
    # --8<-- [end:dagger]


def follow(student: Student, leak: bool) -> Callable[[Observation], np.ndarray]:
    """The student as a function of the state, of which it sees what `shown` shows."""

    @torch.no_grad()
    def act(state: Observation) -> np.ndarray:
        return student(torch.from_numpy(shown(state, leak))).numpy()

    return act


def judged(envs: list[Any], act: Callable[[Observation], np.ndarray], episodes: int = JUDGED) -> Any:
    """Success on the held-out seeds 0, 1, …"""
    won: list[bool] = []
    while len(won) < episodes:
        won += play(envs, len(won), act)[1].tolist()
    return rate(won[:episodes])


def check() -> list[Claim]:
    """Claims: what, its value, the least and the most that bear it out."""
    torch.manual_seed(0)
    envs, asked = [make_env(ENV) for _ in range(N_ENVS)], teacher()
    states, success = play(envs, 0, asked)
    moved = {key: value.copy() for key, value in states[0].items()}
    # The block is somewhere else: position, offset, rotation, velocities, and the achieved goal with it.
    moved["observation"][:, 3:9] += 0.1
    moved["observation"][:, 11:20] += 0.1
    moved["achieved_goal"] += 0.1
    once = [int((shown(states[0], leak) != shown(moved, leak)).any(0).sum()) for leak in (False, True)]
    student = imitate(envs[:4], asked, True, True, rounds=1, updates=300)
    # The same episodes again: the simulator repeats itself to the last bit.
    states, _ = play(envs[:4], 10_000, asked)
    labels = np.concatenate([asked(state) for state in states])
    error = np.square(np.concatenate([follow(student, True)(state) for state in states]) - labels).mean()
    return [
        ("episodes that the teacher solves, of 16", success.sum(), 15, 16),
        ("numbers that a blind student sees change when the block moves", once[0], 0, 0),
        ("the same where achieved_goal is leaked", once[1], 3, 3),
        ("mean squared error on its 200 labels after 300 updates, of their variance", error / labels.var(), 0, 0.3),
    ]


STUDENTS = (("no pixels, nothing leaked", False, True), ("no pixels, achieved_goal leaked", True, True),
            ("the same, copied from the teacher's episodes", True, False))  # fmt: skip


def main(verify: bool = False, demo: bool = False, smoke: bool = False, json_out: str | None = None) -> int:
    """Check every claim (--verify), or train and judge three students that see no picture (--demo)."""
    torch.set_num_threads(1)
    began, claims = time.monotonic(), check() if verify or not demo else []
    for text, value, low, high in claims:
        print(f"{'ok   ' if low <= value <= high else 'WRONG'} {text:76s} {value:8.4g}   [{low:g}, {high:g}]")
    data: dict[str, Any] = {"claims": [float(value) for _, value, *_ in claims], "rows": []}
    if demo:
        envs, asked = [make_env(ENV) for _ in range(2 if smoke else N_ENVS)], teacher()
        for name, leak, dagger in STUDENTS:
            torch.manual_seed(0)
            student = imitate(envs, asked, leak, dagger, *((2, 2) if smoke else ()))
            found = judged(envs, follow(student, leak), 2 if smoke else JUDGED)
            data["rows"].append({"student": name, "leak": leak, "dagger": dagger, "success": found.model_dump()})
            print(f"{name:46s} {format_rate(found)}", flush=True)
    if json_out:
        data |= {"labels": ROUNDS * N_ENVS * LENGTH, "updates": ROUNDS * UPDATES}
        known = provenance.metadata({}, env_id=ENV, wall_clock_s=round(time.monotonic() - began, 3))
        save(json_out, DataReport(name="dagger_from_scratch", data=data, **known))
    return 0 if all(low <= value <= high for _, value, low, high in claims) else 1


if __name__ == "__main__":
    sys.exit(guarded(lambda: parse(main, None, prog="dagger_from_scratch.py")))
