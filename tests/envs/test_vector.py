"""Every kind of vector environment gives the same numbers."""

from __future__ import annotations

import numpy as np
import pytest

from common.errors import UserError
from envs.make import register
from envs.vector import make_vec_env
from tests.contract import tiny


@pytest.fixture(autouse=True)
def registered() -> None:
    register()
    tiny.register()


def rollout(env_id: str, kind: str, n_envs: int, steps: int) -> list[tuple]:
    env = make_vec_env(env_id, n_envs, kind)
    try:
        env.seed(5)
        rows = [({k: v.copy() for k, v in env.reset().items()},)]
        generator = np.random.default_rng(0)
        for _ in range(steps):
            actions = generator.uniform(-1, 1, (n_envs, *env.action_space.shape)).astype(np.float32)
            observation, rewards, dones, infos = env.step(actions)
            kept = [{k: i[k] for k in ("is_success", "TimeLimit.truncated", "terminal_observation") if k in i}
                    for i in infos]  # fmt: skip
            rows.append(({k: v.copy() for k, v in observation.items()}, rewards.copy(), dones.copy(), kept))
        return rows
    finally:
        env.close()


@pytest.mark.parametrize("env_id", ["TinyReach-v0", "FetchPush-v4"])
def test_threads_give_what_one_after_the_other_gives(env_id: str) -> None:
    steps = 25 if env_id.startswith("Tiny") else 55
    np.testing.assert_equal(rollout(env_id, "threads", 3, steps), rollout(env_id, "dummy", 3, steps))


def test_processes_give_the_same() -> None:
    np.testing.assert_equal(rollout("FetchReach-v4", "subproc", 2, 5), rollout("FetchReach-v4", "dummy", 2, 5))


def test_episodes_end_in_truncation_and_start_afresh() -> None:
    rows = rollout("TinyReach-v0", "threads", 2, 21)
    ends = [i for i, row in enumerate(rows[1:], 1) if row[2].any()]
    assert ends == [10, 20]
    for i in ends:
        observation, _, dones, infos = rows[i]
        assert dones.all() and all(info["TimeLimit.truncated"] for info in infos)
        # The observation is the next episode's first, the last one is in the info.
        assert (observation["achieved_goal"] == 0).all()
        assert any((info["terminal_observation"]["achieved_goal"] != 0).any() for info in infos)


def test_mistakes() -> None:
    with pytest.raises(UserError, match="--n-envs 0"):
        make_vec_env("TinyReach-v0", 0)
    with pytest.raises(UserError, match="Did you mean TinyReach-v0"):
        make_vec_env("TinyReech-v0", 1)
