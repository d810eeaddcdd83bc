"""Films of a stress test's failures in a grid, the word of each kind drawn on it: `analysis.stress.gallery` chooses."""

from __future__ import annotations

from pathlib import Path

from analysis.stress import gallery, options, points
from common.errors import UserError
from common.files import sha256
from envs.rendering import choose_backend
from evaluation.strata import Found
from evaluation.subject import Wanted, checkpoint

SKIP = 3
"""Every third frame: 8 pictures a second are enough to see a cube drop, and a third of the bytes."""


def film_failures(path: Path, env: str, found: Found, out: Path, cells: int, size: int) -> None:
    """Film at most `cells` of the failed episodes in `found`, a stress test of the checkpoint `path`, to the GIF `out`.

    The episodes are simulated again; their outcome depends on seed and weights alone. Raises `UserError` where the
    stress test was another checkpoint's, where nothing failed, and where this machine cannot render.
    """
    from envs.video import FPS, film, in_a_grid, write_video

    if any(point["sha256"] != sha256(path.read_bytes()) for point in found.values()):
        raise UserError(f"the stress test is of other weights than {path}; give the command stress again.")
    if choose_backend()[0] is None:
        raise UserError("this machine renders with neither EGL nor OSMesa; python scripts/doctor.py names the fix.")
    chosen, strips = gallery(found, cells), []
    if not chosen:
        raise UserError("no episode of the stress test failed: there is nothing to film.")
    for name, seed, kind in chosen:
        subject = checkpoint(str(path), Wanted(env, env_option=options(points()[name])))
        strips += film(subject.make_policy, subject.task, [seed], size, n_envs=1, caption=kind)
        print(f"{kind}: seed {seed}, {name}", flush=True)
    write_video(out, in_a_grid(strips)[::SKIP], FPS // SKIP)
    print(f"{len(chosen)} failures -> {out}")
