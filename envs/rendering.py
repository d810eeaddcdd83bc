"""Rendering without a display: EGL where it works, else OSMesa, else none.

MuJoCo and PyOpenGL choose their backend when they are first imported, and a backend that fails can take the process
down with it. So each candidate is tried in a process of its own, and the answer is put into this process's environment.
"""

from __future__ import annotations

import os
import subprocess
import sys

from common.errors import UserError

BACKENDS = ("egl", "osmesa")
CHOSEN = "ROBOTICS_RL_RENDERING"
PROBE = """
import mujoco
model = mujoco.MjModel.from_xml_string('<mujoco><worldbody><light pos="0 0 2"/><geom size="0.5"/></worldbody></mujoco>')
data = mujoco.MjData(model)
mujoco.mj_forward(model, data)
renderer = mujoco.Renderer(model, 32, 32)
renderer.update_scene(data)
assert renderer.render().max() > 0
renderer.close()
"""


def try_backend(name: str) -> str | None:
    """None where `name` renders a lit sphere on this machine, else the last line of what it complained about."""
    environment = os.environ | {"MUJOCO_GL": name, "PYOPENGL_PLATFORM": name}
    try:
        done = subprocess.run(
            [sys.executable, "-c", PROBE], env=environment, capture_output=True, text=True, timeout=60
        )
    except subprocess.TimeoutExpired:
        return "no answer within 60 s"
    if done.returncode == 0:
        return None
    lines = [line for line in done.stderr.strip().splitlines() if line.strip()]
    # Clean-up after a failure complains too; the first error is the one that says why.
    errors = [line for line in lines if "Error" in line and not line.startswith(("Exception ignored", "  "))]
    return (errors or lines or [f"exit status {done.returncode}"])[0]


def choose_backend() -> tuple[str | None, dict[str, str]]:
    """The first backend that works and why the ones before it do not; sets `MUJOCO_GL` and `PYOPENGL_PLATFORM`.

    Returns (None, reasons) where nothing renders, with `MUJOCO_GL` at `disabled`. A name that the user put there is
    tried first. The answer is remembered in the environment, so that child processes do not ask again.
    """
    known = os.environ.get(CHOSEN)
    if known and (known == "none" or os.environ.get("MUJOCO_GL") == known):
        return (None if known == "none" else known), {}
    wanted = os.environ.get("MUJOCO_GL", "")
    order = [wanted] if wanted in BACKENDS else []
    order += [name for name in BACKENDS if name not in order]
    reasons: dict[str, str] = {}
    for name in order:
        problem = try_backend(name)
        if problem is None:
            os.environ.update({"MUJOCO_GL": name, "PYOPENGL_PLATFORM": name, CHOSEN: name})
            return name, reasons
        reasons[name] = problem
    # The import of mujoco fails where the backend that it is told to use has no library; training needs no pictures.
    os.environ.update({"MUJOCO_GL": "disabled", CHOSEN: "none"})
    return None, reasons


def require_backend(what: str) -> None:
    """Raise `UserError` with the fix where nothing renders here; `what` needs it."""
    backend, reasons = choose_backend()
    if backend is None:
        tried = "; ".join(f"{name}: {reason}" for name, reason in reasons.items()) or "tried before"
        raise UserError(
            f"{what} needs a renderer and none works here ({tried}). On Debian or Ubuntu: "
            "apt-get install libegl1 libosmesa6; then `python scripts/doctor.py` says what works."
        )
