"""How fast pictures come: milliseconds a frame with everything drawn and with what is in sight, and frames a second.

Milliseconds are of the processor, all threads of this process together, so that another program on the machine does not
count and the threads with which OpenGL draws in software do. With a GPU they are only what is left for the processor.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

from common.errors import UserError
from envs.task import Task
from wrappers.offscreen import draw, leave, studio

ENV = "FetchPush-v4"


def _milliseconds(what: Callable[[], Any], repeats: int) -> float:
    what()
    began = time.process_time()
    for _ in range(repeats):
        what()
    return round(1e3 * (time.process_time() - began) / repeats, 3)


def frame_rates(frames: int, threads: Sequence[int], env_id: str = ENV) -> dict[str, Any]:
    """Rows by camera and size, and by the number of threads that draw `frames` each at 84 by 84 at the same time.

    `ms` of the processor a frame, and frames a second by the clock. Raises `UserError` below one thread.
    """
    if min(threads) < 1:
        raise UserError("--threads: at least one thread has to draw.")
    rows = []
    for camera in ("near", "side", "front", "external_camera_0"):
        for size in (64, 84):
            with contextlib.closing(Task(env_id, (f"pixels:camera={camera},size={size}",)).make()) as env:
                env.reset(seed=0)
                frame, view = env.get_wrapper_attr("frame"), env.get_wrapper_attr("cameras")[0]
                inner, used = env.unwrapped, studio(env.unwrapped._model, type(env.unwrapped), size, 0)

                def everything(inner: Any = inner, used: Any = used, view: Any = view) -> Any:
                    return draw(used, inner._model, inner.data, view, cull=False)

                rows.append({"camera": camera, "size": size, "ms": _milliseconds(frame, frames),
                             "all_ms": _milliseconds(everything, frames)})  # fmt: skip
                leave(used)
    return {"env_id": env_id, "rows": rows, "threads": [_together(n, frames, env_id) for n in threads]}


def rates_text(data: dict[str, Any]) -> str:
    """What `frame_rates` found, a line a row."""
    drawn = [
        f"{row['camera']:18s} {row['size']:3d} px: {row['all_ms']:.2f} ms with all geoms, "
        f"{row['ms']:.2f} with those in sight"
        for row in data["rows"]
    ]
    by_clock = [
        f"{row['threads']} threads, 84 px: {row['per_second']:.0f} frames/s by the clock, "
        f"{row['per_second_each']:.0f} a thread"
        for row in data["threads"]
    ]
    return "\n".join(drawn + by_clock)


def _together(n: int, frames: int, env_id: str) -> dict[str, Any]:
    """`n` threads, each with an environment and an OpenGL context of its own: frames a second, by the clock."""
    ready = Barrier(n)

    def work(_: int) -> float:
        with contextlib.closing(Task(env_id, ("pixels:camera=near,size=84",)).make()) as env:
            env.reset(seed=0)
            ready.wait()
            began = time.perf_counter()
            for _ in range(frames):
                env.get_wrapper_attr("frame")()
            return frames / (time.perf_counter() - began)

    with ThreadPoolExecutor(n) as pool:
        each = list(pool.map(work, range(n)))
    return {"threads": n, "per_second": round(sum(each), 1), "per_second_each": round(sum(each) / n, 1)}
