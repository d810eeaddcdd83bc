"""Every setting of a training run, typed, each with what it means. `recipes.py` fills in what was left out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from tyro.conf import UseAppendAction

# A flag that may be given several times: --wrap lowpass --wrap obs_noise:std=0.01
Repeated = UseAppendAction[tuple[str, ...]]
Algo = Literal["ppo", "sac", "td3"]


@dataclass(frozen=True)
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
    total_steps: int | None = None
    """Environment steps, over all environments together; rounded up to whole episodes."""
    n_envs: int | None = None
    """Environments that run side by side."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where the networks live; auto takes the GPU where PyTorch sees one."""
    backend: Literal["fast", "sb3"] | None = None
    """Whose learner: ours (sac, td3), or Stable-Baselines3's own classes with the same hyperparameters."""
    track: Literal["tb", "none"] = "tb"
    """TensorBoard logs under runs/, or none; <out>.metrics.jsonl is written either way."""
    config: str | None = None
    """Recipe to use instead of the one for algorithm and task: a file, or a name in configs/."""
    overwrite: bool = False
    """Start anew where a run of this name exists; without it the same command continues one that was interrupted."""
    show_settings: bool = False
    """Print every setting and where it came from before the training starts."""
    smoke: bool = False
    """Make everything small: shows in seconds that the path works, and teaches nothing."""

    wrap: Repeated = ()
    """Wrapper around the environment, NAME or NAME:key=value,…; repeat for more, the first one innermost."""
    env_option: Repeated = ()
    """Option of the environment, key=value; repeat for more."""

    her_goal_selection_strategy: Literal["future", "final", "episode"] | None = None
    """Which achieved goals stand in for the desired one."""
    her_n_sampled_goal: int | None = None
    """Relabelled transitions for each original one."""

    gamma: float | None = None
    """Discount factor."""
    learning_rate: float | None = None
    """Step size of Adam, for all networks."""
    learning_rate_end_factor: float | None = None
    """Share of it that is left at the end of the run; it falls in a straight line. 1 keeps it constant."""
    batch_size: int | None = None
    """Transitions in one update."""
    net_arch: tuple[int, ...] | None = None
    """Hidden layers of actor and critics."""
    threads: int | None = None
    """CPU threads of PyTorch; results on CPU are equal bit for bit only for equal numbers."""
    vec_env: Literal["threads", "dummy", "subproc"] | None = None
    """Environments in threads, one after another, or each in a process; the numbers are the same."""
    checkpoint_every: int | None = None
    """Steps between checkpoints: the length of a segment, which a resumed run may have to repeat."""
    eval_every: int | None = None
    """Steps between evaluations during training, which come with checkpoints; 0 for none."""
    eval_episodes: int | None = None
    """Episodes of each of them, on seeds of their own."""

    buffer_size: int | None = None
    """Replay: transitions that are kept (sac, td3)."""
    learning_starts: int | None = None
    """Random steps before the first update (sac, td3)."""
    train_freq: int | None = None
    """Vector steps between two rounds of updates (sac, td3)."""
    gradient_steps: int | None = None
    """Updates a round; -1: as many as transitions were collected (sac, td3)."""
    tau: float | None = None
    """Share of the new weights that enters the target networks at each update (sac, td3)."""
    ent_coef: float | Literal["auto"] | None = None
    """Weight of the policy's entropy; auto tunes it (sac). Weight of the entropy bonus (ppo)."""
    random_action_prob: float | None = None
    """Share of exploring actions that are uniform instead of the policy's (fast)."""
    action_persistence: float | None = None
    """For how many steps the choice between a random action and the policy's holds, on average (fast)."""
    noise_beta: float | None = None
    """Correlation in time of the random actions: power falls as 1/f to this; 0 white, 1 pink (fast)."""
    moved_fraction: float | None = None
    """Share of each batch from episodes in which the achieved goal moved more than 2 cm (fast)."""
    match_desired_goals: bool | None = None
    """Take moved_fraction from the episodes that came nearest to the goals of the task (fast)."""
    achieved_goal_prob: float | None = None
    """Share of exploring episodes that act on a goal near the task's that was achieved before (fast)."""
    mirror: bool | None = None
    """Half of each batch with left and right exchanged; for tasks that say how, as the Fetch tasks do (fast)."""
    kernel: Literal["autograd", "blas", "onednn"] | None = None
    """How updates are computed: the readable learner, the same written out on PyTorch's own matrix products, or on
    oneDNN's, which are twice as fast on AMD's processors and round differently (fast)."""
    clip_targets: bool | None = None
    """Cut the critics' targets to [-1/(1 - gamma), 0]; for rewards between -1 and 0 (fast)."""
    normalise: bool | None = None
    """Observations by their running mean and spread, folded into the first layer of the checkpoint (fast)."""
    relative_goal: bool | None = None
    """Desired minus achieved goal as an input of its own, folded the same way (fast)."""
    action_noise: float | None = None
    """Standard deviation of the exploration noise, in units of the action space (td3)."""
    policy_delay: int | None = None
    """Critic updates for each actor update (td3)."""
    target_policy_noise: float | None = None
    """Noise that smooths the target action (td3)."""
    target_noise_clip: float | None = None
    """Bound of that noise (td3)."""

    n_steps: int | None = None
    """Steps of each environment between two updates (ppo). Steps of an n-step return (sac, td3 of our learner)."""
    n_epochs: int | None = None
    """Passes over them (ppo)."""
    gae_lambda: float | None = None
    """Bias against variance of the advantage (ppo; Schulman et al. 2016)."""
    clip_range: float | None = None
    """How far the ratio of new to old probabilities may move (ppo)."""
    vf_coef: float | None = None
    """Weight of the value loss (ppo)."""
    max_grad_norm: float | None = None
    """Gradients longer than this are cut (ppo)."""
