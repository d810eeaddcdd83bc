"""Environments of one task step on one model, until somebody asks for an environment's own."""

from __future__ import annotations

import mujoco
import numpy as np
import pytest

from envs.fetch import FetchPush
from envs.make import FETCH_IDS, make_env


def content(model: mujoco.MjModel) -> bytes:
    buffer = np.empty(mujoco.mj_sizeModel(model), np.uint8)
    mujoco.mj_saveModel(model, None, buffer)
    return buffer.tobytes()


@pytest.mark.parametrize("env_id", FETCH_IDS)
def test_the_shared_model_is_the_one_that_each_would_have(env_id: str) -> None:
    one, two = make_env(env_id).unwrapped, make_env(env_id).unwrapped
    for env in (one, two):
        env.reset(seed=0)
        env.step(np.ones(4))
    assert one._model is two._model
    shared = content(one._model)
    assert shared == content(one.model) == content(two.model)


def test_a_change_reaches_one_environment_alone() -> None:
    changed, other, before = (make_env("FetchPush-v4") for _ in range(3))
    others = [env.unwrapped._model for env in (other, before)]

    def run(env: object) -> np.ndarray:
        env.reset(seed=3)
        return np.stack([env.step(np.array([0.3, 0.2, -1.0, 0.0]))[0]["observation"] for _ in range(30)])

    expected = run(before)
    changed.unwrapped.model.opt.gravity[:] = 0.0
    changed.unwrapped.model.geom_friction[:] = 0.1
    assert changed.unwrapped._model is changed.unwrapped.model is changed.unwrapped.data.model
    assert not np.array_equal(run(changed), expected)
    assert np.array_equal(run(other), expected)
    assert [env.unwrapped._model for env in (other, before)] == others


def test_rendering_and_subclasses_have_their_own() -> None:
    """Rendering writes the goal's place into the model; a subclass may have changed what it loaded."""

    class Heavy(FetchPush):
        def _initialize_simulation(self) -> None:
            super()._initialize_simulation()
            self.model.body_mass[:] *= 2.0

    for env in (FetchPush(render_mode="rgb_array"), Heavy()):
        assert env._model is env.model is env.data.model
        assert env._model is not FetchPush()._model
        env.reset(seed=0)
        env.step(np.ones(4))
