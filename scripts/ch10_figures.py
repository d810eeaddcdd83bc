"""The film of chapter 10: the same episodes on the robot of training and on another one.

    python scripts/ch10_figures.py film                                  # a robot with half the lag
    python scripts/ch10_figures.py film --wrap plant:delay=2 --text "two steps of delay"

It goes to runs/ch10/robots.gif, and with --publish to tutorials/figures/ch10_robots.gif.
"""

from __future__ import annotations

from chapter import DEFAULT, Chapter, Mode

from common.errors import UserError
from common.seeds import parse_seeds

chapter = Chapter("ch10", "What does a policy do on a robot that it was not trained on?")
PUSH, PUSH_ID = "checkpoints/reference/FetchPush-v4.zip", "FetchPush-v4"


@chapter.command
def film(ckpt: str = PUSH, env: str = PUSH_ID, wrap: str = "plant:lag=0.5", text: str = "half the lag",
         seeds: str = "0,1,5", size: int = 200, mode: Mode = DEFAULT) -> int:  # fmt: skip
    """A column an episode: above on the robot of training, below on that of `wrap`, which `text` calls by a name."""
    from envs.rendering import choose_backend
    from envs.video import FPS, film, in_a_grid, write_video
    from evaluation.grid import Point

    if choose_backend()[0] is None:
        raise UserError("this machine renders with neither EGL nor OSMesa; python scripts/doctor.py names the fix.")
    chosen, strips = parse_seeds(seeds)[: 1 if mode.smoke else None], []
    for caption, wraps in (("as trained", ()), (text, (wrap,))):
        subject = Point(ckpt, env, wraps).subject()
        strips += film(subject.make_policy, subject.task, chosen, 64 if mode.smoke else size, caption=caption)
    # Half as fast as it was: a push takes a fifth of a second.
    write_video(path := chapter.file("robots.gif", mode), in_a_grid(strips, len(chosen)), FPS // 2)
    print(f"film -> {path}")
    return 0


if __name__ == "__main__":
    chapter.main()
