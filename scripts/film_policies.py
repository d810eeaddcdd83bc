"""Films the reference policies, each beside the same network before training: the GIFs of README.md.

    python scripts/film_policies.py             # runs/videos/fetch_*.gif
    python scripts/film_policies.py --publish   # videos/fetch_*.gif, which git tracks

`fetch_tasks.gif` has a column for each task, untrained above trained. `fetch_push.gif` and the others show three
episodes of one task in the same way. Seeds are held-out ones, taken in order, not chosen.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from common.cli import guarded, parse
from common.errors import UserError

TASKS = ("Reach", "Push", "PickAndPlace", "Slide")
REFERENCE = Path("checkpoints/reference")


def policies(task: str) -> dict[str, Callable[[], Any]]:
    """`untrained` and `trained`: makers of the policy with fresh weights and with those of its reference checkpoint."""
    import torch

    from agents.build import build_policy
    from agents.checkpoint import load_policy
    from envs.make import make_env

    env_id = f"Fetch{task}-v4"
    env = make_env(env_id)
    trained, meta = load_policy(REFERENCE / f"{env_id}.zip", env, env_id, "cpu")
    torch.manual_seed(0)
    untrained = build_policy(meta.config, env, "cpu")
    untrained.set_training_mode(False)
    return {"untrained": lambda: untrained, "trained": lambda: trained}


def film_all(publish: bool = False, seeds: int = 3, size: int = 200, smoke: bool = False) -> None:
    """Film the four reference policies, each beside the same network before training.

    Args:
        publish: Write to videos/, which git tracks, instead of to runs/videos/.
        seeds: Episodes of each task, from seed 0 on; the film of all tasks takes the second one.
        size: Pixels of one picture.
        smoke: One small episode of each, in a temporary folder.
    """
    import torch

    from envs.rendering import choose_backend

    if choose_backend()[0] is None:
        raise UserError("this machine renders with neither EGL nor OSMesa; python scripts/doctor.py names the fix.")
    from envs.task import Task
    from envs.video import FPS, film, in_a_grid, write_video

    torch.set_num_threads(1)
    folder = Path("videos" if publish else "runs/videos")
    if smoke:
        folder, seeds, size = Path(tempfile.mkdtemp(prefix="videos-")), 1, 48
    first: dict[str, list[Any]] = {"untrained": [], "trained": []}
    for task in TASKS:
        films = {
            name: film(make, Task(f"Fetch{task}-v4"), range(seeds), size, caption=name)
            for name, make in policies(task).items()
        }
        for name in first:
            first[name].append(films[name][min(1, seeds - 1)])
        path = folder / f"fetch_{task.lower()}.gif"
        write_video(path, in_a_grid([*films["untrained"], *films["trained"]], seeds)[::2], FPS // 2)
        print(path, flush=True)
    path = folder / "fetch_tasks.gif"
    write_video(path, in_a_grid([*first["untrained"], *first["trained"]], len(TASKS))[::2], FPS // 2)
    print(path)


if __name__ == "__main__":
    sys.exit(guarded(lambda: parse(film_all, None, prog="film_policies.py")))
