"""Every setting of a training run, typed, each with what it means. `recipes.py` fills in what was left out.

What a learner reads stands beside it, in agents/settings.py; the run's own settings are here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from tyro.conf import UseAppendAction

from agents.settings import ALGORITHMS, BACKENDS, Algo, HindsightSettings
from common.knobs import Range, accepts, count, knob

# A flag that may be given several times: --wrap lowpass --wrap obs_noise:std=0.01
Repeated = UseAppendAction[tuple[str, ...]]
MOST_ENVS = 4_096


@dataclass(frozen=True)
class RunSettings:
    """The size of a run, and how it is carried out."""

    total_steps: int = knob(
        100_000, "Environment steps, over all environments together; rounded up to whole episodes.", count(10**12)
    )
    n_envs: int = knob(4, "Parallel environments.", count(MOST_ENVS))
    vec_env: Literal["threads", "dummy", "subproc"] = knob(
        "threads", "Environments in threads, one after another, or each in a process; the numbers are the same."
    )
    # Small networks gain nothing from more; a fixed number also keeps results equal between machines with other cores.
    threads: int = knob(
        1, "CPU threads of PyTorch; results on CPU are equal bit for bit only for equal numbers.", count(256)
    )
    checkpoint_every: int = knob(
        10_000,
        "Steps between checkpoints: the length of a segment, which a resumed run may have to repeat.",
        count(10**12),
    )
    eval_every: int = knob(
        10_000, "Steps between evaluations during training, which come with checkpoints; 0 for none.", Range(0, 10**12)
    )
    eval_episodes: int = knob(50, "Episodes of each evaluation, on seeds used for nothing else.", count(10_000))


READERS = {name: (RunSettings, settings) for name, settings in ALGORITHMS.items()} | {
    name: backend.settings for name, backend in BACKENDS.items() if backend.settings
}


@dataclass(frozen=True)
@accepts(READERS | {"with --her": (HindsightSettings,)}, everyone=ALGORITHMS)
class TrainConfig:
    """Train a policy. A setting left out comes from the recipe for the algorithm and task, then from the defaults."""

    algo: Algo
    """Learning algorithm."""
    env: str
    """Environment id, such as FetchReach-v4; my_module:MyReach-v0 imports my_module first, which registers it."""
    her: bool = False
    """Hindsight Experience Replay (Andrychowicz et al. 2017); off-policy algorithms on goal-conditioned tasks."""
    seed: int = 0
    """Seed of everything random in the run."""
    out: str | None = None
    """Checkpoint to write, without .zip; by default under checkpoints/, named after algorithm, task and seed."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where the networks live; auto takes the GPU where PyTorch sees one."""
    backend: Literal[tuple(BACKENDS)] | None = None
    """Which implementation: ours (sac, td3), or Stable-Baselines3's own classes with the same hyperparameters."""
    track: Literal["tb", "none"] = "tb"
    """TensorBoard logs under runs/, or none; <out>.metrics.jsonl is written either way."""
    config: str | None = None
    """Recipe to use instead of the one for algorithm and task: a file, or a name in configs/."""
    overwrite: bool = False
    """Replace an existing run of this name; without it, the same command continues an interrupted run."""
    show_settings: bool = False
    """Print every setting and where it came from before the training starts."""
    smoke: bool = False
    """Run everything at its smallest size: shows in seconds that the command works; nothing is learned."""

    wrap: Repeated = ()
    """Wrapper around the environment, NAME or NAME:key=value,…; repeat for more, the first one innermost."""
    env_option: Repeated = ()
    """Option of the environment, key=value; repeat for more."""
