"""Chapter 00: does this machine work? Four checks, each standing on the ones before it.

    python scripts/ch00_proof_of_life.py all           # the four below in a row, until one fails
    python scripts/ch00_proof_of_life.py gpu-check     # or list-envs
    python scripts/ch00_proof_of_life.py render --out smoke_frame.png
    python scripts/ch00_proof_of_life.py ppo-smoke --n-envs 8 --total-steps 50000 --out ppo_smoke

A machine without a GPU passes. One that renders nothing passes `all`, which says that there will be no videos.
"""

from __future__ import annotations

import functools
import io
from typing import Any

from chapter import DEFAULT, Chapter, Mode

from common.errors import TrainingFailure
from common.steps import Skipped, one_line

ENV = "FetchReachDense-v4"
NEXT = "bash docker/dev.sh python scripts/ch01_env_anatomy.py all"
chapter = Chapter("ch00", "does this machine work?")


@functools.cache
def backend() -> tuple[str | None, dict[str, str]]:
    """What renders here. Before mujoco is imported: that fails where it is told to use what is missing."""
    from envs.rendering import choose_backend

    return choose_backend()


def gpu_check(mode: Mode = DEFAULT) -> dict[str, Any]:
    """Does PyTorch compute, and on a GPU? Without one everything runs on the CPU."""
    import torch

    from common.provenance import gpu_name

    gpu, device = gpu_name(), "cuda" if torch.cuda.is_available() else "cpu"
    a = torch.eye(512, device=device) * 3
    if not torch.equal((a @ a).cpu(), 9 * torch.eye(512)):
        raise TrainingFailure(f"{device} multiplies matrices wrongly; check the driver and the hardware.")
    why = f"{gpu} is here, but PyTorch cannot use it; see scripts/doctor.py" if gpu else "no GPU here"
    said = f"PyTorch {torch.__version__} computes on {gpu or 'a GPU' if device == 'cuda' else f'the CPU ({why})'}"
    print(said)
    return {"torch": torch.__version__, "device": device, "gpu": gpu, "said": said}


def list_envs(mode: Mode = DEFAULT) -> dict[str, Any]:
    """Are the Fetch tasks registered, and does the simulator step one of them?"""
    backend()
    import gymnasium

    from envs.make import FETCH_IDS, GOAL_KEYS, make_env, register

    register()
    print(*(gymnasium.spec(name).id for name in FETCH_IDS), sep="\n")
    observation, _ = (env := make_env(ENV)).reset(seed=0)
    if set(observation) != set(GOAL_KEYS):
        raise TrainingFailure(f"{ENV} observes {sorted(observation)}, not {sorted(GOAL_KEYS)}.")
    env.step(env.action_space.sample())
    said = f"{ENV} steps, and observes {', '.join(f'{key} ({observation[key].size})' for key in GOAL_KEYS)}"
    print(said)
    return {"env_ids": len(FETCH_IDS), "said": said}


def render(out: str | None = None, mode: Mode = DEFAULT) -> dict[str, Any]:
    """Write a picture (PNG) of the robot, made without a display, to `out` (smoke_frame.png)."""
    name, reasons = backend()
    if name is None:
        why = "; ".join(f"{key}: {reason}" for key, reason in reasons.items())
        raise Skipped(f"no EGL and no OSMesa, so no videos ({why}); python scripts/doctor.py names the fix.")
    from PIL import Image

    from common.files import write_atomically
    from envs.make import make_env

    env, png, path = (
        make_env(ENV, render_mode="rgb_array"),
        io.BytesIO(),
        chapter.file("frame.png", mode, out or (None if mode.publish else "smoke_frame.png")),
    )
    env.reset(seed=0)
    frame = env.render()
    env.close()
    if not frame.std() > 5:  # grey levels; a picture of the robot varies about ten times as much
        raise TrainingFailure(f"{name} renders a blank picture; try MUJOCO_GL={'osmesa' if name == 'egl' else 'egl'}.")
    Image.fromarray(frame).save(png, "PNG")
    write_atomically(path, png.getvalue())
    said = f"{name} renders {frame.shape[1]} x {frame.shape[0]} pixels -> {path.name}"
    print(said)
    facts = {"backend": name, "width": frame.shape[1], "height": frame.shape[0], "std": round(float(frame.std()), 1)}
    return facts | {"said": said}


def ppo_smoke(n_envs: int = 8, total_steps: int = 50_000, out: str = "ppo_smoke", overwrite: bool = False,
              mode: Mode = DEFAULT) -> dict[str, Any]:  # fmt: skip
    """Train PPO, write `out`.zip, and let stock Stable-Baselines3 load it. An earlier `ppo_smoke` is replaced."""
    backend()
    from stable_baselines3 import PPO

    from agents.checkpoint import weights_sha256
    from envs.make import make_env
    from train import TrainConfig, run

    path = str(chapter.file("ppo_smoke", mode, out))
    knobs: dict[str, Any] = {"track": "none"} if mode.smoke else {"n_envs": n_envs, "total_steps": total_steps}
    knobs |= {"smoke": mode.smoke, "overwrite": overwrite or out == "ppo_smoke"}
    meta = run(TrainConfig("ppo", ENV, backend="sb3", out=path, **knobs))
    if meta.status != "finished":
        raise KeyboardInterrupt
    model, env = PPO.load(f"{path}.zip", device="cpu"), make_env(ENV)
    action, _ = model.predict(env.reset(seed=0)[0], deterministic=True)
    if weights_sha256(model.policy) != meta.weights_sha256 or not env.action_space.contains(action):
        raise TrainingFailure(f"{path}.zip does not hold the policy that was trained.")
    env.close()
    said = f"PPO: {meta.steps:,} steps in {meta.wall_clock_s:.0f} s -> {out}.zip, which PPO.load loads and which acts"
    print(said)
    facts = meta.model_dump(include={"steps", "updates", "n_envs", "device", "wall_clock_s", "steps_per_second"})
    return facts | {"said": said}


def everything(json_out: str | None = None, mode: Mode = DEFAULT) -> int:
    """Run the four checks in order; the first that fails ends them.

    Args:
        json_out: Report to write instead of runs/ch00/all.json.
        mode: Sizes and places.
    """
    return chapter.run_all(
        {name: functools.partial(step, mode=mode) for name, step in STEPS.items()}, mode, NEXT, given=json_out
    )


CHECKS = {"gpu-check": gpu_check, "list-envs": list_envs, "render": render, "ppo-smoke": ppo_smoke}
STEPS = {
    name: chapter.command(name)(one_line(check, "`python scripts/doctor.py` looks for the cause."))
    for name, check in CHECKS.items()
}
chapter.command("all")(everything)

if __name__ == "__main__":
    chapter.main()
