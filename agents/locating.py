"""The encoder learns where the object is, since hindsight's replay knows that anyway; SAC learns from what it says.

    python train.py --algo sac --backend locating --env FetchPush-v4 --her \
        --wrap pixels:goal_mode=both --encoder locating

Hindsight must know the achieved goal of every stored step to give another goal. So the encoder may learn to read it
from the pictures, as a regression, an auxiliary loss: many more bits a transition than a reward that is 0 or −1. Actor
and critics then read a vector, with the place that the encoder sees where a policy from state has the one that it is
told, and desired minus seen beside it. What acts sees pictures, joints and the desired goal; `achieved_goal` is a label
of training and no input.

No other loss trains the encoder, and that is where the time is saved: an update of SAC reads places that were seen
once, when the frame came in, and passes no convolution. `lesson_every` updates of SAC cost one of the encoder. As it
learns, what it once said of old frames gets stale: at the beginning of each segment it looks at all of them again.

SAC must never learn from an encoder that knows nothing: `first_lessons` come before its first update, and the moments
by which its inputs are normalised are those of the places where the object was.
"""

from __future__ import annotations

import copy
from collections import OrderedDict
from collections.abc import Iterator
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.preprocessing import preprocess_obs
from stable_baselines3.common.vec_env import VecEnv
from torch import Tensor

from agents.build import build_fast
from agents.fast_sac import FastSAC
from agents.modules import adam_state, descend, extractor_weights, load_adam
from agents.replay import EpisodeReplay
from agents.task_questions import reflection_of
from common.errors import UserError

# Frames in one lesson, the encoder's step size, and episodes that are looked at again at once.
LESSON, LESSON_RATE, AT_ONCE = 128, 1e-3, 8


class LocatedReplay(EpisodeReplay):
    """Keeps frames for lessons; a batch of transitions comes without them, and with the places seen in them."""

    def __init__(self, *arguments: Any, **options: Any):
        super().__init__(*arguments, **options)
        self.sampled = []
        # Of x = (achieved goal, desired goal, place, joints).
        self.place = slice(2 * self.goal, 3 * self.goal)

    def _seen_at(self, slots: np.ndarray, steps: np.ndarray) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        return self.stored["x"][slots, steps], {key: self._seen(key, slots, steps) for key in self.extra}

    def lesson(self, n: int, generator: np.random.Generator) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """n steps of any episodes: x (n, D) and the frames."""
        slots = self.all[generator.integers(0, len(self.all), n)]
        return self._seen_at(slots, generator.integers(0, self.lengths[slots] + 1))

    def everything(self) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray, dict[str, np.ndarray]]]:
        """All steps, some episodes at a time: slots (n,), steps (n,), x (n, D) and the frames."""
        for first in range(0, len(self.all), AT_ONCE):
            some = self.all[first : first + AT_ONCE]
            slots = np.repeat(some, self.lengths[some] + 1)
            steps = np.concatenate([np.arange(self.lengths[slot] + 1) for slot in some])
            yield slots, steps, *self._seen_at(slots, steps)

    def keep_places(self, slots: np.ndarray, steps: np.ndarray, places: np.ndarray) -> None:
        """Replace the places (n, G), m, of these steps, `slots` and `steps` (n,)."""
        self.stored["x"][slots, steps, self.place] = places


class LocatingSAC(FastSAC):
    """SAC on vectors, of which an encoder that it trains, `eye`, sees the object's place in the pictures."""

    def __init__(self, policy: str, env: VecEnv, length: int, fast: dict[str, Any], **arguments: Any):
        super().__init__(policy, env, length, fast, **arguments)
        self.eye_optimizer = torch.optim.Adam(self.eye.parameters(), lr=LESSON_RATE)
        # The last observation that was looked at, and what was seen.
        self.looked: tuple[Any, np.ndarray] = None, np.zeros(0)

    def _excluded_save_params(self) -> list[str]:
        return [*super()._excluded_save_params(), "eye", "eye_optimizer", "looked"]

    def _encoder(self) -> None:
        """The learner behind gets vectors and needs no encoder: it is ours."""
        self.eye = copy.deepcopy(self.policy.actor.features_extractor)

    def _measured_goal(self, env: VecEnv) -> int:
        # The networks read the place that was seen, and never the achieved goal.
        return 0

    def _stock_order(self) -> list[int]:
        # All but the achieved goal: the features of encoders/locating.py.
        return list(range(self.replay_buffer.goal, self.replay_buffer.size))

    def _make_replay(self, capacity: int, actions: int, env: VecEnv) -> EpisodeReplay:
        """In main memory on every device: frames would fill a GPU's."""
        return LocatedReplay(*self._replay_arguments(capacity, actions, env), **self._replay_options(env))

    def _kept_space(self) -> gym.spaces.Dict:
        shown = self.observation_space.spaces
        size = shown["desired_goal"].shape[0] + sum(shown[key].shape[0] for key in ("observation",) if key in shown)
        seen = gym.spaces.Box(-np.inf, np.inf, (size,), np.float32)
        return gym.spaces.Dict(OrderedDict({**shown, "observation": seen}))

    def _reflection(self, env: VecEnv) -> Any:
        if "observation" not in self.observation_space.spaces:
            raise UserError("--mirror True needs the robot's own numbers: pixels:proprioception=true.")
        return reflection_of(env, "located_reflection")

    def _parts(self, joints: np.ndarray, extra: dict[str, np.ndarray]) -> dict[str, Tensor]:
        """What the eye reads, as stock gives it to extractors."""
        parts = extra | ({"observation": joints} if "observation" in self.observation_space.spaces else {})
        spaces = OrderedDict((key, self.observation_space[key]) for key in parts)
        tensors = {key: torch.from_numpy(np.ascontiguousarray(part)).to(self.device) for key, part in parts.items()}
        return preprocess_obs(tensors, gym.spaces.Dict(spaces))

    @torch.no_grad()
    def look(self, joints: np.ndarray, extra: dict[str, np.ndarray]) -> np.ndarray:
        """The places (n, G), m, world frame, that the eye sees."""
        return self.eye.place(self._parts(joints, extra)).cpu().numpy()

    def _flat(self, observation: dict[str, np.ndarray]) -> np.ndarray:
        joints = observation.get("observation", np.zeros((len(observation["desired_goal"]), 0), np.float32))
        # What follows one step comes before the next: each is looked at once.
        if observation is not self.looked[0]:
            self.looked = observation, self.look(joints.astype(np.float32), self.replay_buffer.rest(observation))
        return self.replay_buffer.flat(observation | {"observation": np.hstack([self.looked[1], joints])})

    def _take_in(self) -> None:
        # Of places that an eye saw before its first lesson, the spread is many times too large, and stays so.
        for x in self.seen:
            x[:, self.replay_buffer.place] = x[:, : self.replay_buffer.goal]
        super()._take_in()

    def learn(self, *arguments: Any, **options: Any) -> LocatingSAC:
        """`FastOffPolicy.learn`, after another look at all frames."""
        if self.learner.updates:
            self.look_again()
        return super().learn(*arguments, **options)

    def look_again(self) -> None:
        """The places of all stored frames, as the eye sees them now."""
        replay = self.replay_buffer
        for slots, steps, x, extra in replay.everything():
            replay.keep_places(slots, steps, self.look(x[:, replay.place.stop :], extra))
        self.looked = None, np.zeros(0)

    def train(self, gradient_steps: int, batch_size: int = 64) -> None:
        """The eye's lessons of this round, then SAC's updates."""
        every, done = self.fast["lesson_every"], self.learner.updates
        if not done:
            for _ in range(self.fast["first_lessons"]):
                self.teach()
            self.look_again()
        for _ in range((done + gradient_steps) // every - done // every):
            self.logger.record("train/locating_error", self.teach())
        super().train(gradient_steps, batch_size)

    def teach(self) -> float:
        """One lesson; the mean distance, m, of what the eye said from where the object was."""
        x, extra = self.replay_buffer.lesson(LESSON, self.generator)
        achieved = torch.from_numpy(x[:, : self.replay_buffer.goal]).to(self.device)
        labels = self.eye.places(achieved)
        error = self.eye.normalised(self._parts(x[:, self.replay_buffer.place.stop :], extra)) - labels
        # L = mean |ĝ − g|: a few blocks that fell from the table or are hidden would be most of a sum of squares.
        descend(self.eye_optimizer, error.abs().mean())
        return float((error.detach() * self.eye.places.spread()).norm(dim=1).mean())

    @torch.no_grad()
    def publish(self) -> None:
        """Write eye and networks into the stock policy."""
        super().publish()
        stock = self.policy.state_dict()
        for name, value in extractor_weights(self.eye, ("actor", "critic", "critic_target")).items():
            stock[name].copy_(value)

    def extra_state(self) -> dict[str, Any]:
        """What a continued run needs beyond the stock networks; plain tensors in dictionaries."""
        optimizer = adam_state(self.eye_optimizer, dict(self.eye.named_parameters()))
        return super().extra_state() | {"eye": self.eye.state_dict(), "eye_optimizer": optimizer}

    def load_extra_state(self, state: dict[str, Any]) -> None:
        """Take over `extra_state` of another process."""
        self.eye.load_state_dict(state["eye"])
        load_adam(self.eye_optimizer, dict(self.eye.named_parameters()), state["eye_optimizer"])
        super().load_extra_state(state)


def build_locating(settings: dict[str, Any], env: VecEnv, device: str) -> BaseAlgorithm:
    """The learner that `settings` describe. Raises `UserError` where the task does not show what it needs."""
    shown = set(getattr(env.observation_space, "spaces", {}))
    if not {"achieved_goal", "desired_goal"} <= shown or not settings.get("encoder", "").startswith("locating"):
        raise UserError(
            "--backend locating needs pictures, both goals and an encoder that locates: "
            "add --wrap pixels:goal_mode=both and --encoder locating."
        )
    if settings.get("augment"):
        raise UserError("--backend locating learns places: pictures that are shifted would be labelled wrongly.")
    more = {key: settings[key] for key in ("first_lessons", "lesson_every")}
    return build_fast(settings, env, device, {"sac": LocatingSAC}, **more)
