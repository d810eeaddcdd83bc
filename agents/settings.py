"""Settings of the learners: one class for each algorithm, one for what hindsight and our own learner add.

Nothing heavy is imported here: the command line reads these classes before it knows whether anything will run. A new
knob is one line below, and the line of the learner that reads it. Defaults are Stable-Baselines3's own, with one
exception: off-policy runs make one update for every transition (`gradient_steps` −1), however many environments run,
since otherwise more environments would silently mean less learning.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from importlib import import_module
from typing import Any, Literal

from common.knobs import ABOVE_0, NOT_NEGATIVE, SHARE, Range, another_default, count, knob

Algo = Literal["ppo", "sac", "td3"]


@dataclass(frozen=True)
class LearnerSettings:
    """What every algorithm reads."""

    gamma: float = knob(0.99, "Discount factor.", SHARE)
    learning_rate: float = knob(3e-4, "Step size of Adam, for all networks.", ABOVE_0)
    learning_rate_end_factor: float = knob(
        1.0, "Fraction of the learning rate left at the end of the run; it falls linearly, 1 is constant.", SHARE,
        passed_on=False,
    )  # fmt: skip
    batch_size: int = knob(256, "Transitions in one update.", count(2**18))
    net_arch: tuple[int, ...] = knob((256, 256), "Hidden layers of actor and critics.", passed_on=False)
    encoder: str = knob(
        "none", "Network from an observation to features: NAME:key=value,… (cnn, or module:NAME of your own), or none.",
        passed_on=False,
    )  # fmt: skip


@dataclass(frozen=True)
class OffPolicySettings(LearnerSettings):
    """What learners with a replay buffer read."""

    buffer_size: int = knob(1_000_000, "Size of the replay buffer, in transitions.", count(10**9))
    learning_starts: int = knob(1000, "Random steps before the first update.", Range(0, 10**12))
    train_freq: int = knob(1, "Steps of all environments between two rounds of updates.", count(10**6))
    gradient_steps: int = knob(-1, "Updates per round; -1: one for each collected transition.", Range(-1, 10**6))
    tau: float = knob(0.005, "Rate at which the target networks follow: target += tau * (weights - target).", SHARE)


@dataclass(frozen=True)
class SacSettings(OffPolicySettings):
    """Soft Actor-Critic: agents/sac.py."""

    ent_coef: float | Literal["auto"] = knob("auto", "Weight of the policy's entropy; auto tunes it.", NOT_NEGATIVE)


@dataclass(frozen=True)
class Td3Settings(OffPolicySettings):
    """Twin Delayed DDPG: agents/td3.py."""

    learning_rate: float = another_default(OffPolicySettings, "learning_rate", 1e-3)
    action_noise: float = knob(
        0.1, "Standard deviation of the exploration noise, in units of the action space.", NOT_NEGATIVE, passed_on=False
    )
    policy_delay: int = knob(2, "Critic updates for each actor update.", count(10**6))
    target_policy_noise: float = knob(0.2, "Standard deviation of the noise added to target actions.", NOT_NEGATIVE)
    target_noise_clip: float = knob(0.5, "Bound to which that noise is clipped.", NOT_NEGATIVE)


@dataclass(frozen=True)
class PpoSettings(LearnerSettings):
    """Proximal Policy Optimisation, Stable-Baselines3's."""

    batch_size: int = another_default(LearnerSettings, "batch_size", 64)
    n_steps: int = knob(2048, "Steps of each environment per rollout.", count(10**6))
    n_epochs: int = knob(10, "Passes over each rollout.", count(10_000))
    gae_lambda: float = knob(0.95, "Lambda of generalised advantage estimation (Schulman et al. 2016).", SHARE)
    clip_range: float = knob(0.2, "How far the ratio of new to old probabilities may differ from 1.", NOT_NEGATIVE)
    ent_coef: float | Literal["auto"] = knob(0.0, "Weight of the entropy bonus.", NOT_NEGATIVE)
    vf_coef: float = knob(0.5, "Weight of the value loss.", NOT_NEGATIVE)
    max_grad_norm: float = knob(0.5, "Norm to which gradients are clipped.", ABOVE_0)


@dataclass(frozen=True)
class HindsightSettings:
    """Hindsight Experience Replay, with sac and td3."""

    her_goal_selection_strategy: Literal["future", "final", "episode"] = knob(
        "future", "Which achieved goals replace the desired one."
    )
    her_n_sampled_goal: int = knob(4, "Relabelled transitions for each original one.", count(1_000))


@dataclass(frozen=True)
class FastSettings:
    """What our learner has beyond stock: off, but for the linear map before the networks, which costs nothing."""

    random_action_prob: float = knob(0.0, "Probability that an exploring action is uniformly random.", SHARE)
    action_persistence: float = knob(
        1.0,
        "Mean number of steps for which the choice between random and policy actions is kept.",
        Range(1, 10**6),
    )
    # Above 10 the lowest frequency is all that is left; above some hundred the amplitudes are no numbers any more.
    noise_beta: float = knob(
        0.0, "Exponent of the spectrum of random actions, 1/f^beta: 0 is white noise, 1 pink.", Range(0, 10)
    )
    moved_fraction: float = knob(
        0.0, "Fraction of each batch drawn from episodes in which the achieved goal moved more than 2 cm.", SHARE
    )
    match_desired_goals: bool = knob(
        False, "Draw that fraction from the episodes that came nearest to the task's desired goals."
    )
    achieved_goal_prob: float = knob(
        0.0, "Probability that an exploring episode acts on an achieved goal near the desired one.", SHARE
    )
    mirror: bool = knob(
        False, "Reflect half of each batch, left and right exchanged; for tasks that define it, as the Fetch tasks do."
    )
    augment: str = knob(
        "none", "Random change of sampled pictures before the encoder: NAME:key=value,… (shift, crop, jitter), or none."
    )
    n_steps: int = knob(1, "Steps whose rewards are added up before the critic estimates the rest.", count(10**6))
    kernel: str = knob(
        "auto",
        "How updates are computed: the readable learner (autograd), or its gradients written out on oneDNN's matrix "
        "products (onednn, processors only; bf16, the large ones in bfloat16, where the processor has instructions for "
        "it) or on PyTorch's default ones (blas). They round differently. auto takes onednn where the processor "
        "has AVX-512, and blas elsewhere.",
    )
    clip_targets: bool = knob(False, "Clip the critics' targets to [-1/(1 - gamma), 0]; for rewards between -1 and 0.")
    normalise: bool = knob(
        True, "Normalise observations by running mean and standard deviation, folded into the checkpoint's first layer."
    )
    relative_goal: bool = knob(True, "Add desired minus achieved goal as an input, folded into the first layer.")


@dataclass(frozen=True)
class DaggerSettings:
    """Imitation of a teacher: agents/dagger.py."""

    teacher: str = knob("", "Checkpoint of the policy from state whose actions are imitated.")


@dataclass(frozen=True)
class AsymmetricSettings:
    """Critics that read the state: agents/asymmetric.py."""

    critic_steps: int = knob(1, "Updates of the critics for each one of the actor, on the same batch.", count(1_000))


@dataclass(frozen=True)
class LocatingSettings:
    """An encoder that is taught where the object is: agents/locating.py."""

    first_lessons: int = knob(1_000, "Updates of the encoder before the first one of the policy.", Range(0, 10**6))
    lesson_every: int = knob(8, "Updates of the policy for each one of the encoder.", count(10**6))


@dataclass(frozen=True)
class Backend:
    """Whose learner: the algorithms that it has, what it reads beyond theirs, and where the function is that builds it.

    `builder`: module and function, which takes settings, environments and device. `learns_from_rewards`: an imitator
    learns a teacher's actions instead. `sees`: whether it needs pictures. `reads_vectors`: whether its encoder stands
    outside the learner, which reads vectors alone and may be any kernel. `ignores`: settings of its classes that change
    nothing here.
    """

    algorithms: tuple[str, ...]
    settings: tuple[type, ...]
    builder: str
    learns_from_rewards: bool = True
    sees: bool = False
    reads_vectors: bool = False
    ignores: tuple[str, ...] = ()

    def build(self, *arguments: Any) -> Any:
        """The learner."""
        module, name = self.builder.split(":")
        return getattr(import_module(module), name)(*arguments)


ALGORITHMS = {"ppo": PpoSettings, "sac": SacSettings, "td3": Td3Settings}
# An algorithm's default is the first that has it.
BACKENDS = {
    "fast": Backend(("sac", "td3"), (FastSettings,), "agents.build:build_fast"),
    "dagger": Backend(
        ("sac",),
        (FastSettings, DaggerSettings),
        "agents.dagger:build_dagger",
        False,
        True,
        # What critics learn, and what makes exploring find rewards.
        ignores=(
            "gamma",
            "tau",
            "ent_coef",
            "n_steps",
            "clip_targets",
            "achieved_goal_prob",
            "action_persistence",
            "noise_beta",
        ),
    ),  # fmt: skip
    "asymmetric": Backend(
        ("sac",), (FastSettings, AsymmetricSettings), "agents.asymmetric:build_asymmetric", sees=True
    ),
    "locating": Backend(
        ("sac",), (FastSettings, LocatingSettings), "agents.locating:build_locating", sees=True, reads_vectors=True
    ),
    "sb3": Backend(("ppo", "sac", "td3"), (), "agents.build:build_sb3"),
}


def default_backend(algo: str) -> str:
    """The learner that runs `algo` where nothing else is asked for."""
    return next(name for name, backend in BACKENDS.items() if algo in backend.algorithms)


def settings_of(algo: str, her: bool, backend: str) -> tuple[type, ...]:
    """The settings classes that such a learner reads."""
    return (ALGORITHMS[algo], *((HindsightSettings,) if her else ()), *BACKENDS[backend].settings)


def passed_on(algo: str) -> tuple[str, ...]:
    """Settings that Stable-Baselines3's constructor takes by the same name."""
    return tuple(field.name for field in fields(ALGORITHMS[algo]) if field.metadata["passed_on"])
