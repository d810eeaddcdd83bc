"""Stable-Baselines3's off-policy loop with replay, exploration and updates of our own: what FastSAC and FastTD3 share.

The rest stays stock: the constructor, `learn`, callbacks, logging, `save`. A checkpoint holds plain Stable-Baselines3
networks, with the input map folded into their first layers, so that stock `load` acts identically.
"""

from __future__ import annotations

import copy
from abc import abstractmethod
from collections.abc import Iterator
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from stable_baselines3.common.buffers import DictReplayBuffer
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm
from stable_baselines3.common.preprocessing import preprocess_obs
from stable_baselines3.common.vec_env import VecEnv
from torch import nn

from agents.augmentations import augmentation
from agents.device_replay import DeviceReplay
from agents.exploration import Explorer
from agents.input_map import InputMap
from agents.kernels.device import DeviceUpdates
from agents.kernels.registry import KERNELS, usable_kernel
from agents.learner import Batch, Learner, target_bounds
from agents.replay import EpisodeReplay, extra_boxes
from agents.replay_memory import stacked_frames
from agents.round_means import RoundMeans
from agents.task_questions import measured_goal_of, reflection_of, reward_of, tensor_reward_of
from common.errors import UserError

# Batches for this many updates are drawn at once.
CHUNK = 16


class FastOffPolicy(OffPolicyAlgorithm):
    """Mixed in before a stock off-policy class, for goal-conditioned tasks with episodes of at most `length` steps.

    `fast`: the settings that stock classes do not have: `her_ratio`, `her_goal_selection_strategy` and
    `agents.settings.FastSettings`. A subclass says how to make its learner (`_learner`).
    """

    def __init__(self, policy: str, env: VecEnv, length: int, fast: dict[str, Any], **arguments: Any):
        self.length = length
        capacity = arguments.pop("buffer_size")
        # Stock's buffer would hold every observation twice; one row satisfies the constructor.
        super().__init__(policy, env, buffer_size=1, replay_buffer_class=DictReplayBuffer, **arguments)
        self.buffer_size = capacity
        self.fast = fast | {"kernel": usable_kernel(fast["kernel"], self.device.type)}
        size = self.action_space.shape[0]
        self.replay_buffer = self._make_replay(capacity, size, env)
        self.input_map = InputMap(
            self.replay_buffer.size, self.replay_buffer.goal, fast["normalise"], fast["relative_goal"],
            str(self.device), self._measured_goal(env),
        )  # fmt: skip
        self.encoder = self._encoder()
        self.features = self.input_map.outputs if self.encoder is None else self.encoder.features_dim
        self.augment = augmentation(fast.get("augment", "none"), self.observation_space)
        self.stock_order = None if self.encoder is not None else self._stock_order()
        self.learner = self._learner(target_bounds(fast["clip_targets"], self.gamma))
        self.device_updates = None
        if isinstance(self.replay_buffer, DeviceReplay):
            self.device_updates = DeviceUpdates(self.replay_buffer, self.input_map, self.learner, size)
        self.generator = np.random.default_rng(0)
        self.seen: list[np.ndarray] = []
        noise = [fast[key] for key in ("action_persistence", "noise_beta")]
        self.explorer = Explorer(self.n_envs, length, size, *noise)
        self.acting_goals = np.zeros((self.n_envs, self.replay_buffer.goal), np.float32)
        self.publish()

    def _encoder(self) -> nn.Module | None:
        """The learner's own copy of the encoder, if the settings ask for one; it begins with the stock policy's."""
        chosen = "features_extractor_class" in self.policy_kwargs
        return copy.deepcopy(self.policy.actor.features_extractor) if chosen else None

    def _measured_goal(self, env: VecEnv) -> int | None:
        """Where in the observation networks must read the achieved goal; None where its own key holds it."""
        return measured_goal_of(env)

    def _stock_order(self) -> list[int] | None:
        """Which inputs of the input map the stock policy reads, in its order; None where it is ours."""
        return _stock_order(self.observation_space)

    def _make_replay(self, capacity: int, actions: int, env: VecEnv) -> EpisodeReplay:
        """On the GPU if the learner is there and the task's reward can be computed there; else in main memory."""
        arguments, options = self._replay_arguments(capacity, actions, env), self._replay_options(env)
        on_device = replay_on_device(self.device) and KERNELS[self.fast["kernel"]].recordable
        reward = tensor_reward_of(env) if on_device else None
        if reward is None:
            return EpisodeReplay(*arguments, **options)
        # TF32, which some images switch on, would round positions of a metre to half a millimetre.
        torch.set_float32_matmul_precision("highest")
        return DeviceReplay(*arguments, reward=reward, device=str(self.device), **options)

    def _kept_space(self) -> gym.spaces.Dict:
        """What the replay keeps."""
        return self.observation_space

    def _replay_arguments(self, capacity: int, actions: int, env: VecEnv) -> tuple[Any, ...]:
        fast = self.fast
        return (
            capacity, self.length, self._kept_space(), actions, self.n_envs, reward_of(env),
            fast["her_goal_selection_strategy"], fast["her_ratio"], fast["moved_fraction"],
        )  # fmt: skip

    def _replay_options(self, env: VecEnv) -> dict[str, Any]:
        fast = self.fast
        return {
            "reflection": self._reflection(env) if fast["mirror"] else None,
            "match_desired_goals": fast["match_desired_goals"], "gamma": self.gamma, "n_steps": fast["n_steps"],
            "stacks": stacked_frames(env),
        }  # fmt: skip

    def _reflection(self, env: VecEnv) -> Any:
        """The task in a mirror. Raises `UserError` where it does not know, or shows more than vectors."""
        if extra := extra_boxes(self.observation_space):
            raise UserError(f"--mirror True: {', '.join(extra)} cannot be mirrored.")
        return reflection_of(env)

    @abstractmethod
    def _learner(self, bounds: tuple[float, float] | None) -> Learner:
        """Networks and their update; `bounds` of the critics' targets, or None."""

    def _excluded_save_params(self) -> list[str]:
        # What the stock class does not know: kept apart by `agents/checkpoint.py`, as plain tensors.
        own = ["length", "fast", "input_map", "encoder", "features", "learner", "device_updates", "generator", "seen",
               "explorer", "augment"]  # fmt: skip
        return [*super()._excluded_save_params(), *own, "acting_goals", "stock_order"]

    def set_random_seed(self, seed: int | None = None) -> None:
        """Seed everything stock seeds, and the generator of replay and exploration."""
        super().set_random_seed(seed)
        self.generator = np.random.default_rng(seed)

    def learn(self, *arguments: Any, **options: Any) -> FastOffPolicy:
        """Stock `learn`. `policy` holds what was learned whenever a callback looks, and afterwards."""
        # Every segment begins with a reset.
        if self._last_obs is None:
            self.replay_buffer.drop_open()
            self.explorer.begin()
        try:
            return super().learn(*arguments, **options)
        finally:
            self._take_in()

    def _flat(self, observation: dict[str, np.ndarray]) -> np.ndarray:
        """What of an observation of n environments is kept as a vector, (n, D)."""
        return self.replay_buffer.flat(observation)

    def _features(self, x: np.ndarray) -> torch.Tensor:
        return self.input_map(torch.from_numpy(x).to(self.device))

    def _observations(self, x: np.ndarray, extra: dict[str, np.ndarray]) -> torch.Tensor | dict[str, torch.Tensor]:
        """What the learner reads: features of x (B, D) or, with an encoder, tensors as stock gives them to its own."""
        if self.encoder is None:
            return self._features(x)
        parts = self.replay_buffer.unflatten(x) | extra
        # In the order of the space, which an encoder may go by.
        tensors = {key: torch.from_numpy(parts[key]).to(self.device) for key in self.observation_space.spaces}
        return preprocess_obs(tensors, self.observation_space)

    def _sample_action(
        self, learning_starts: int, action_noise: Any = None, n_envs: int = 1
    ) -> tuple[np.ndarray, np.ndarray]:
        """Random actions in the warm-up; then the policy's, of which a share is replaced by random ones."""
        # Bursts carry the gripper away from an object that it has just learned to find, so they come as it learns that.
        moved = self.replay_buffer.moved_lately()
        noise, scaled, random_now = self.explorer.draw(self.generator, self.fast["random_action_prob"], moved)
        x, goal = self._flat(self._last_obs), slice(self.replay_buffer.goal, 2 * self.replay_buffer.goal)
        self._choose_goals(x[:, goal])
        if self.num_timesteps >= learning_starts:
            x[:, goal] = self.acting_goals
            observations = self._observations(x, self.replay_buffer.rest(self._last_obs))
            chosen = self.learner.act(observations, torch.from_numpy(noise).to(self.device)).cpu().numpy()
            scaled = np.where(random_now[:, None], scaled, chosen)
        return self.policy.unscale_action(scaled), scaled

    def _choose_goals(self, asked: np.ndarray) -> None:
        """Where an episode begins, which goal to act on: the task's (n, G), or a reachable one near to it."""
        fresh = np.flatnonzero(self.explorer.steps == 1)
        if len(fresh):
            self.acting_goals[fresh] = asked[fresh]
            swapped = fresh[self.generator.random(len(fresh)) < self.fast["achieved_goal_prob"]]
            self.acting_goals[swapped] = self.replay_buffer.achieved_goals_near(asked[swapped], self.generator)

    def _store_transition(
        self, replay_buffer: Any, buffer_action: np.ndarray, new_obs: Any, reward: np.ndarray, dones: np.ndarray,
        infos: list[dict[str, Any]],
    ) -> None:  # fmt: skip
        """Keep one step of all environments; where an episode ended, its own last observation."""
        buffer = self.replay_buffer
        x, next_x = self._flat(self._last_obs), self._flat(new_obs)
        next_extra = {key: part.copy() for key, part in buffer.rest(new_obs).items()}
        terminated = np.zeros(self.n_envs, np.float32)
        for i in np.flatnonzero(dones):
            last = infos[i]["terminal_observation"]
            next_x[i] = self._flat({key: value[None] for key, value in last.items()})[0]
            for key, part in next_extra.items():
                part[i] = last[key]
            terminated[i] = not infos[i].get("TimeLimit.truncated", False)
        buffer.add(x, next_x, buffer_action, reward, dones, terminated, buffer.rest(self._last_obs), next_extra)
        self.explorer.ended(dones)
        self.seen.append(x)
        if len(self.seen) >= self.length:
            self._take_in()
        self._last_obs = new_obs

    def _take_in(self) -> None:
        """Bring the input map up to date with what was seen since the last time."""
        if self.seen:
            self.input_map.observe(np.concatenate(self.seen))
            self.input_map.refresh()
            self.seen = []
            # The input map is part of what the policy does.
            self.publish()

    def train(self, gradient_steps: int, batch_size: int = 64) -> None:
        """`gradient_steps` updates on batches of `batch_size`."""
        rate = self.lr_schedule(self._current_progress_remaining)
        self.learner.set_learning_rate(rate)
        self.logger.record("train/learning_rate", rate)
        if self.device_updates is not None:
            self.replay_buffer.refresh(self.generator)
            measured = self.device_updates(gradient_steps, batch_size)
        else:
            means = RoundMeans()
            for batch in self._batches(gradient_steps, batch_size):
                means.add(self.learner.update(batch))
            measured = means.values()
        self._n_updates += gradient_steps
        self.logger.record("train/n_updates", self._n_updates, exclude="tensorboard")
        for name, value in measured.items():
            self.logger.record(f"train/{name}", float(value))
        self.logger.record("replay/moved_lately", self.replay_buffer.moved_lately())
        self.publish()

    def _batches(self, count: int, size: int) -> Iterator[Batch]:
        """What `count` updates need."""
        return self._chunked(count, size) if self.encoder is None else (self._encoded(size) for _ in range(count))

    def _encoded(self, size: int) -> Batch:
        """One batch for a learner with an encoder: many images at once would fill the memory."""
        batch = self.replay_buffer.sample(size, self.generator)
        # Each of the two with random numbers of its own (DrQ, arXiv:2004.13649, with one sample of both targets).
        here, there = (
            self.augment(self._observations(x, extra))
            for x, extra in ((batch.x, batch.extra), (batch.next_x, batch.next_extra))
        )
        others = [torch.from_numpy(a).to(self.device) for a in (batch.actions, batch.rewards, batch.discounts)]
        noise = torch.randn(2 * size, batch.actions.shape[1], device=self.device)
        return Batch(here, there, *others, noise)

    def _chunked(self, count: int, size: int) -> Iterator[Batch]:
        """Batches drawn for `CHUNK` updates at once."""
        for first in range(0, count, CHUNK):
            n = min(CHUNK, count - first)
            batch = self.replay_buffer.sample(n * size, self.generator)

            def split(rows: torch.Tensor, n: int = n) -> torch.Tensor:
                # Row b · n + i goes to update i: the relabelled rows come first, and each update gets its share.
                return rows.reshape(size, n, *rows.shape[1:]).transpose(0, 1).contiguous()

            others = [torch.from_numpy(a).to(self.device) for a in (batch.actions, batch.rewards, batch.discounts)]
            noise = torch.randn(n, 2 * size, batch.actions.shape[1], device=self.device)
            # (updates, batch, …)
            parts = [split(t) for t in (self._features(batch.x), self._features(batch.next_x), *others)] + [noise]
            yield from map(Batch._make, zip(*parts, strict=True))

    @torch.no_grad()
    def publish(self) -> None:
        """Write the networks into the stock policy, the input map folded into each first layer."""
        weights = self.learner.stock_weights()
        # An encoder reads observations as they are: there is nothing to fold.
        mapped = weights if self.encoder is None else {}
        for layer in [name.removesuffix(".weight") for name in mapped if is_first_weight(name)]:
            folded, bias = self.input_map.fold(weights[f"{layer}.weight"].T, weights[f"{layer}.bias"])
            if self.stock_order is not None:
                folded = torch.cat([folded[self.stock_order], folded[self.input_map.size :]])
            weights |= {f"{layer}.weight": folded.T, f"{layer}.bias": bias}
        stock = self.policy.state_dict()
        for name, value in weights.items():
            stock[name].copy_(value)

    def extra_state(self) -> dict[str, Any]:
        """What a continued run needs beyond the stock networks; plain tensors in dictionaries."""
        pool = {key: torch.from_numpy(value) for key, value in self.replay_buffer.pool().items()}
        return {"learner": self.learner.state(), "input_map": self.input_map.state(), "pool": pool}

    def load_extra_state(self, state: dict[str, Any]) -> None:
        """Take over `extra_state` of another process."""
        self.learner.load(state["learner"])
        self.input_map.load(state["input_map"])
        self.replay_buffer.keep_pool({key: value.numpy() for key, value in state["pool"].items()})
        self.publish()


def is_first_weight(name: str) -> bool:
    """Whether the tensor of this name in a stock policy is the weight of a layer that reads features."""
    return name.endswith(".0.weight") and "features_extractor" not in name


def _stock_order(space: gym.spaces.Dict) -> list[int] | None:
    """Our place of each input of the stock policy, which takes the keys as `space` lists them; None where it is equal.

    A `Dict` made of keyword arguments keeps their order, one made of a dictionary sorts it.
    """
    starts, size = {}, 0
    for key in ("achieved_goal", "desired_goal", "observation"):
        starts[key], size = size, size + space[key].shape[0]
    order = [starts[key] + i for key in space.spaces for i in range(space[key].shape[0])]
    return None if order == list(range(size)) else order


def replay_on_device(device: torch.device) -> bool:
    """Whether transitions live where the networks do: on a GPU they would have to travel there at every update."""
    return device.type == "cuda"
