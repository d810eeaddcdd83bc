"""The runs of chapter 09: what each policy may see, and what learns it.

| arm | acting, it sees | training, the learner also reads |
|---|---|---|
| state | the task's own observation | |
| pixels | frames with the goal's marker, its own joints | |
| pixels_drq | the same | |
| blind_her | its own joints, the desired goal; no pixels | achieved goals, in the replay |
| pixels_her_drq | frames, its own joints, the desired goal | achieved goals, in the replay |
| pixels_asym | the same | achieved goals, in the replay; its critics the whole state, in place of the frames |
| pixels_her_aux | the same, from two sides | achieved goals, in the replay and as labels of the encoder |
| distil | frames, its own joints, the desired goal | a teacher's actions, which come from the state |
| distil_blind | its own joints, the desired goal; no pixels | the same |

How the sizes were chosen: rendering is cheap (a frame costs about what a step of physics does), convolutions not.
An update with a batch of B pictures takes 4 B P multiplications, P of one forward pass: the pictures forward, twice
that backward, the next pictures forward. `python scripts/ch09_pixels.py count` gives P of each encoder and size, and
what an update takes here. So: 64 × 64 pixels, 3×3 kernels with a spatial softmax, bfloat16 where the processor has it;
128 pictures an update on Push, and 64 on Reach, which gets four times as many updates a step.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from common.errors import UserError, closest
from configs.sweep import SIZES
from configs.train_config import TrainConfig

REACH, PUSH, PICK = "FetchReachDense-v4", "FetchPush-v4", "FetchPickAndPlace-v4"
TEACHER = "checkpoints/reference/{env}.zip"
# Joints and goals are in metres and the camera does not move: a picture shifted by a pixel is wrong by 8 mm.
SHIFT = "shift:pad=1"
ENCODER = "spatial:bf16=true"
# The dense reward is minus the distance to the goal. With a horizon of five steps the critics' targets are mostly
# such distances, which teach an encoder, and little of what the critics themselves believe, which at first is nothing.
NEAR = {"gamma": 0.8}
# Each evaluation of training: with 20 episodes, one that is hard would hide that 95% were passed.
EPISODES = 50
# Two views at a right angle: one camera hardly sees how far away a goal in the air is. One update for each step.
REACH_PIXELS: dict[str, Any] = {
    "wrap": ("pixels:goal_mode=none,camera=side+front,size=64",), "encoder": ENCODER, "n_envs": 8,
    "total_steps": 16_800, "batch_size": 64, "net_arch": (256, 256), "learning_rate": 1e-3, "tau": 0.01,
    "ent_coef": 0.005, "learning_starts": 800, "gradient_steps": 8, "random_action_prob": 0.1, "buffer_size": 100_000,
    "checkpoint_every": 1_200, "eval_every": 1_200, "eval_episodes": EPISODES, **NEAR,
}  # fmt: skip
# From one camera alone, whichever it is, the policy learns to stand where the arm hides the block. One update for four
# steps: with the recipe's three a run would take many hours.
PUSH_PIXELS: dict[str, Any] = {
    "wrap": ("pixels:goal_mode=both,camera=near+front,size=64",), "encoder": ENCODER, "augment": SHIFT,
    "batch_size": 128, "mirror": False, "gradient_steps": 4, "buffer_size": 100_000,
    "checkpoint_every": 8_000, "eval_every": 8_000, "eval_episodes": EPISODES,
}  # fmt: skip
DISTIL: dict[str, Any] = {
    "backend": "dagger", "wrap": ("pixels:goal_mode=desired,camera=near,size=64",), "encoder": ENCODER,
    "augment": SHIFT, "n_envs": 16, "total_steps": 40_000, "batch_size": 128, "net_arch": (256, 256),
    "learning_rate": 1e-3, "learning_rate_end_factor": 0.1, "learning_starts": 4_000, "gradient_steps": 4,
    "random_action_prob": 0.1, "buffer_size": 100_000, "checkpoint_every": 4_000,
    "eval_every": 8_000, "eval_episodes": 20,
}  # fmt: skip
# The critics get as many updates as from state, and pictures are looked at for a third of them.
ASYMMETRIC = PUSH_PIXELS | {
    "backend": "asymmetric", "wrap": ("pixels:goal_mode=both,camera=near+front,size=64,truth=true",), "critic_steps": 3,
}  # fmt: skip
# SAC's part of it reads vectors, so that it can be the recipe from state. From one camera alone, whichever it is, the
# policy learns to stand where the arm hides the block, and the places that it then reads are guesses.
LOCATING: dict[str, Any] = {
    "backend": "locating", "wrap": ("pixels:goal_mode=both,camera=near+front,size=64",),
    "encoder": "locating:trunk=spatial,bf16=true", "total_steps": 200_000, "buffer_size": 200_000,
    "checkpoint_every": 8_000, "eval_every": 8_000, "eval_episodes": 50,
}  # fmt: skip
# There is a picture of 16 pixels, which this encoder does not read; so it can have the updates of the recipe.
BLIND: dict[str, Any] = PUSH_PIXELS | {
    "wrap": ("pixels:goal_mode=both,camera=near,size=16",), "encoder": "blind", "augment": "none",
    "batch_size": 256, "gradient_steps": 12,
}  # fmt: skip


@dataclass(frozen=True)
class Arm:
    """A kind of run: its task where none is named, with hindsight or without, and what departs from the recipe."""

    env: str
    her: bool
    settings: dict[str, Any]


ARMS = {
    "state": Arm(REACH, False, NEAR | {"eval_episodes": EPISODES}),
    "pixels": Arm(REACH, False, REACH_PIXELS),
    "pixels_drq": Arm(REACH, False, REACH_PIXELS | {"augment": "shift:pad=2"}),
    "push_state": Arm(PUSH, False, {}),
    "push_her": Arm(PUSH, True, {}),
    "blind_her": Arm(PUSH, True, BLIND),
    "pixels_her_drq": Arm(PUSH, True, PUSH_PIXELS),
    "pixels_asym": Arm(PUSH, True, ASYMMETRIC),
    "pixels_her_aux": Arm(PUSH, True, LOCATING),
    "distil": Arm(PUSH, False, DISTIL),
    "distil_blind": Arm(PUSH, False, DISTIL | {"encoder": "blind", "augment": "none"}),
}


def run_name(arm: str, env: str, seed: int, encoder: str | None = None) -> str:
    """`FetchPush-v4_distil_seed0`: the run's files are named so; with another `encoder`, `…_distil_nature_seed0`."""
    other = f"_{encoder.split(':')[0]}" if encoder else ""
    return f"{env}_{arm}{other}_seed{seed}"


def run_config(
    arm: str, seed: int, env: str | None = None, changes: dict[str, Any] | None = None, smoke: bool = False
) -> TrainConfig:
    """The run of `arm` on `env` with what `changes` of its settings. Raises `UserError` on an unknown arm."""
    if arm not in ARMS:
        raise UserError(f"unknown arm {arm}; known: {', '.join(ARMS)}.{closest(arm, ARMS)}")
    chosen = ARMS[arm]
    env = env or chosen.env
    settings = chosen.settings | (changes or {})
    if chosen.settings.get("backend") == "dagger":
        settings |= {"teacher": TEACHER.format(env=env)}
    wrap = " ".join(settings.get("wrap", ()))
    if env == PICK:
        # One camera cannot tell what is high from what is far.
        wrap = wrap.replace("camera=near,", "camera=near+front,")
    if smoke:
        # Not smaller: of what is left of 24 pixels after the convolutions, a spatial softmax has one place to choose.
        wrap = wrap.replace("size=64", "size=40")
    settings |= {"wrap": tuple(wrap.split())} if wrap else {}
    if arm == "push_state":
        from configs.hindsight import run_config as paired

        return paired(env, False, seed, smoke=smoke)
    if smoke:
        # A size that is named would count as a flag, which smoke mode leaves as it is.
        settings = {key: value for key, value in settings.items() if key not in SIZES}
    return TrainConfig(algo="sac", env=env, her=chosen.her, seed=seed, smoke=smoke, **settings)
