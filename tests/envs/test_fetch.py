"""Our Fetch tasks equal upstream's, bit for bit, on all eight v4 ids."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from envs.make import FETCH_IDS, make_env, register

register()
EPISODES, STEPS = 20, 50


def equal(a: Any, b: Any) -> bool:
    """Equal values of equal types, down to the last bit (and with NaN nowhere)."""
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(equal(a[key], b[key]) for key in a)
    return type(a) is type(b) and np.array_equal(a, b) and np.asarray(a).dtype == np.asarray(b).dtype


@pytest.mark.parametrize("env_id", FETCH_IDS)
def test_equals_upstream(env_id: str) -> None:
    upstream, ours = gym.make(env_id, disable_env_checker=True), make_env(env_id)
    assert ours.observation_space == upstream.observation_space
    assert ours.action_space == upstream.action_space
    generator = np.random.default_rng(0)
    for seed in range(EPISODES):
        # Half of the episodes go on from the generator that the one before left.
        options = {"seed": seed} if seed % 2 == 0 else {}
        (a, info_a), (b, info_b) = upstream.reset(**options), ours.reset(**options)
        assert equal(a, b) and info_a == info_b
        for _ in range(STEPS):
            # Beyond the bounds too, so that clipping is compared.
            action = generator.uniform(-1.3, 1.3, 4).astype(np.float32)
            for x, y in zip(upstream.step(action), ours.step(action), strict=True):
                assert equal(x, y), f"{env_id}, episode {seed}"
    upstream.close()
    ours.close()


@pytest.mark.parametrize("kind", [np.float64, list])
def test_other_kinds_of_action_equal_upstream_too(kind: Any) -> None:
    upstream, ours = gym.make("FetchPickAndPlace-v4", disable_env_checker=True), make_env("FetchPickAndPlace-v4")
    upstream.reset(seed=3)
    ours.reset(seed=3)
    for values in np.random.default_rng(1).uniform(-1.3, 1.3, (20, 4)):
        action = list(values) if kind is list else values.astype(kind)
        for x, y in zip(upstream.step(action), ours.step(action), strict=True):
            assert equal(x, y)


def test_euler_angles_equal_upstream_to_the_last_bit() -> None:
    """Random rotations, ones on and near the angle where two axes meet, and matrices that are no rotations."""
    from gymnasium_robotics.utils.rotations import mat2euler

    from envs.fetch import euler_angles

    generator = np.random.default_rng(0)
    matrices = np.linalg.qr(generator.normal(size=(6000, 3, 3)))[0]
    matrices[:1000, 1:, 2] *= generator.choice([0.0, -0.0, 1e-17, 1e-16, 1e-15], (1000, 2))
    matrices[1000:2000] = matrices[1000:2000].round(0)
    matrices[2000:3000] = generator.choice([0.0, -0.0, 1.0, -1.0, 1e-300], (1000, 3, 3))
    theirs = np.stack([mat2euler(matrix) for matrix in matrices])
    ours = np.array([euler_angles(matrix.ravel().tolist()) for matrix in matrices])
    assert ours.tobytes() == theirs.tobytes()


@pytest.mark.parametrize("shape", [(3,), (7, 3)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_distance_equals_numpys_norm_to_the_last_bit(shape: tuple[int, ...], dtype: type) -> None:
    from envs.fetch import distance

    generator = np.random.default_rng(0)
    for _ in range(2000):
        a, b = (generator.normal(size=(2, *shape)) * 10.0 ** generator.uniform(-4, 1)).astype(dtype)
        ours, numpys = distance(a, b), np.linalg.norm(a - b, axis=-1)
        assert np.array_equal(ours, numpys) and type(ours) is type(numpys) and ours.dtype == numpys.dtype


def test_a_changed_operation_would_be_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """The comparison above can fail: one last bit in the action is enough."""
    import envs.fetch

    monkeypatch.setattr(envs.fetch, "STEP_M", np.nextafter(0.05, 1.0))
    upstream, ours = gym.make("FetchPush-v4", disable_env_checker=True), make_env("FetchPush-v4")
    upstream.reset(seed=0)
    ours.reset(seed=0)
    action = np.full(4, 0.7)
    differs = [not equal(upstream.step(action)[0], ours.step(action)[0]) for _ in range(10)]
    assert any(differs)


def test_a_wrong_action_shape_is_an_error() -> None:
    env = make_env("FetchReach-v4")
    env.reset(seed=0)
    with pytest.raises(ValueError, match="shape"):
        env.step(np.zeros(3))
