"""A checkpoint belongs to Stable-Baselines3: without this project it loads, acts, and goes on learning."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agents.checkpoint import load_policy
from envs.make import make_env
from tests.contract.runs import PPO, SAC, TD3

RUNS = {"SAC": SAC, "TD3": TD3, "PPO": PPO, "fast": f"{SAC} --backend fast"}
ENVS = {"PPO": "FetchReachDense-v4"}
# Run where no module of this project can be found.
STOCK = """
import sys
import numpy as np
import stable_baselines3
try:
    import agents
    sys.exit("this project is on the path")
except ImportError:
    pass
data = dict(np.load("observations.npz"))
for name in sys.argv[1:]:
    model = getattr(stable_baselines3, "SAC" if name == "fast" else name).load(f"{name}.zip", device="cpu")
    # One at a time, as this project acts: batches go through other kernels.
    one = [model.predict({k: v[i] for k, v in data.items()}, deterministic=True)[0] for i in range(50)]
    np.save(f"{name}.npy", np.stack(one))
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, commands: Any) -> Path:
    """Four trained checkpoints, fifty observations, and what stock Stable-Baselines3 does with them."""
    folder = tmp_path_factory.mktemp("stock")
    for name, command in RUNS.items():
        assert commands(f"{command} --out {name}", folder).status == 0
    env = make_env("FetchReach-v4")
    observations = [env.reset(seed=0)[0]]
    for _ in range(49):
        observations.append(env.step(np.random.default_rng(len(observations)).uniform(-1, 1, 4))[0])
    env.close()
    np.savez(folder / "observations.npz", **{k: np.stack([o[k] for o in observations]) for k in observations[0]})
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "ROBOTICS"))} | {"OMP_NUM_THREADS": "1"}
    # -P: neither the current folder nor the script's is searched; -I would hide the virtual environment's own too.
    done = subprocess.run(
        [sys.executable, "-P", "-c", BLOCK + STOCK, *RUNS], cwd=folder, env=clean, capture_output=True, text=True,
        timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return folder


# An editable install puts the project on the path of every process of its environment; a stranger's has none.
BLOCK = """
import sys
PROJECT = {"agents", "analysis", "callbacks", "configs", "envs", "wrappers", "train", "eval", "tests"}
class Hidden:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in PROJECT and path is None:
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Hidden())
"""


@pytest.mark.parametrize("name", RUNS)
def test_stock_acts_identically(folder: Path, name: str) -> None:
    env_id = ENVS.get(name, "FetchReach-v4")
    env = make_env(env_id)
    policy, _ = load_policy(folder / f"{name}.zip", env, env_id, "cpu")
    env.close()
    data = dict(np.load(folder / "observations.npz"))
    ours = [policy.predict({k: v[i] for k, v in data.items()}, deterministic=True)[0] for i in range(50)]
    stock = np.load(folder / f"{name}.npy")
    assert stock.shape == (50, 4)
    np.testing.assert_array_equal(np.stack(ours), stock)
    # Not a constant, and not the policy of an untrained network of the same shape.
    assert np.ptp(stock, axis=0).max() > 0


def test_stock_goes_on_learning(folder: Path) -> None:
    from stable_baselines3 import SAC as Stock
    from stable_baselines3.common.logger import Logger

    model = Stock.load(folder / "SAC.zip", env=make_env("FetchReach-v4"), device="cpu")
    assert model.num_timesteps == 300 and model._n_updates > 0
    before = {k: v.clone() for k, v in model.policy.state_dict().items()}
    model.learning_starts = 0
    model.set_logger(Logger(None, []))
    model.learn(60, reset_num_timesteps=False)
    after = model.policy.state_dict()
    assert any(not np.array_equal(before[k].numpy(), after[k].numpy()) for k in before)
    model.get_env().close()
