"""Small frames of a MuJoCo scene without a window, drawn at the size at which they are used.

A frame costs what its triangles cost more than what its pixels cost: the Fetch robot has 30,000 of them, and a 64 by 64
picture only 4,096 pixels. So a geom whose bounding box lies outside what the camera sees is not handed to OpenGL at
all. The picture stays the same (tests/wrappers/test_offscreen.py compares); from near the table, with four of five
triangles out of sight, it takes about a third less time. `python scripts/ch09_pixels.py render` measures. What matters
more is what is not done: no shadow map for lights that cast none, no multisampling, no larger picture made smaller.

Drawing changes nothing in the simulation. Positions are computed from `qpos` once more, in a `MjData` that is only for
drawing, which also makes the picture newer than what `mj_step` leaves behind: that is one substep old.
"""

from __future__ import annotations

import contextlib
import os
import threading
from typing import Any

import mujoco
import numpy as np

_of_thread = threading.local()
# OSMesa's contexts are not independent of each other: to see whether a buffer is in use, llvmpipe walks through what
# all contexts are about to draw, unlocked, and now and then the process dies of what another thread has just freed.
_software = threading.Lock()
# Signs of the eight corners of a box, (8, 3).
CORNERS = np.array([[x, y, z] for x in (-1.0, 1.0) for y in (-1.0, 1.0) for z in (-1.0, 1.0)])


def _exclusively() -> contextlib.AbstractContextManager[Any]:
    """Around every use of OpenGL: one thread at a time where the processor draws, any number on a GPU."""
    return _software if os.environ.get("MUJOCO_GL") == "osmesa" else contextlib.nullcontext()


def _gl_context(size: int) -> Any:
    """An OpenGL context of the backend that MUJOCO_GL names."""
    if os.environ.get("MUJOCO_GL") == "osmesa":
        # Small frames gain nothing from llvmpipe's own threads, and those touch memory behind the lock's back.
        os.environ.setdefault("LP_NUM_THREADS", "0")
        from mujoco.osmesa import GLContext
    else:
        from mujoco.egl import GLContext
    return GLContext(size, size)


class Studio:
    """What drawing needs: an OpenGL context, the meshes in it, a scene. Belongs to the thread that made it.

    Environments of one kind that are stepped in one thread share it (`studio`), since making one takes half a second.
    `samples`: multisampling, 0 for none; edges without it are a matter of yes or no for each pixel.
    """

    def __init__(self, model: mujoco.MjModel, size: int, samples: int):
        import copy

        settings = copy.copy(model)
        settings.vis.global_.offwidth = settings.vis.global_.offheight = size
        settings.vis.quality.offsamples = samples
        if not settings.light_castshadow.any():
            # A shadow map of 4096 by 4096 would take 64 MB for no shadow.
            settings.vis.quality.shadowsize = 0
        self.size, self.users = size, 0
        with _exclusively():
            self.gl = _gl_context(size)
            self.gl.make_current()
            self.context = mujoco.MjrContext(settings, mujoco.mjtFontScale.mjFONTSCALE_50)
            mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN, self.context)
        self.scene = mujoco.MjvScene(settings, 2 * (model.ngeom + model.nsite) + 50)
        self.data = mujoco.MjData(settings)
        self.option, self.perturbation = mujoco.MjvOption(), mujoco.MjvPerturb()
        self.area = mujoco.MjrRect(0, 0, size, size)
        self.pixels = np.zeros((size, size, 3), np.uint8)

    def close(self) -> None:
        """Give the memory back."""
        with _exclusively():
            self.gl.make_current()
            self.context.free()
            self.gl.free()


def studio(model: mujoco.MjModel, kind: Any, size: int, samples: int) -> Studio:
    """This thread's studio for models with the same meshes (`kind`). Call `leave` when done with it."""
    studios = _of_thread.__dict__.setdefault("studios", {})
    key = (kind, model.nmeshvert, model.ntexdata, size, samples)
    if key not in studios:
        studios[key] = Studio(model, size, samples)
    studios[key].users += 1
    return studios[key]


def leave(used: Studio) -> None:
    """Close the studio with its last user. In another thread than its own nothing can be closed, and nothing is."""
    used.users -= 1
    studios = _of_thread.__dict__.get("studios", {})
    for key in [key for key, known in studios.items() if known is used and used.users == 0]:
        studios.pop(key).close()


def camera_of(model: mujoco.MjModel, place: str | dict[str, Any]) -> mujoco.MjvCamera:
    """A camera of the model by its name, or a free one: `lookat` (3,) and `distance` in m, angles in degrees.

    Raises `ValueError` on a name that the model does not have.
    """
    camera = mujoco.MjvCamera()
    if isinstance(place, str):
        camera.type, camera.fixedcamid = mujoco.mjtCamera.mjCAMERA_FIXED, model.camera(place).id
        return camera
    camera.lookat[:] = place["lookat"]
    camera.distance, camera.azimuth, camera.elevation = place["distance"], place["azimuth"], place["elevation"]
    return camera


def outside(scene: mujoco.MjvScene, model: mujoco.MjModel, data: mujoco.MjData) -> np.ndarray:
    """Which geoms (ngeom,) lie beyond one side of the view, the eight corners of their bounding boxes all together."""
    left, right = scene.camera
    # MuJoCo keeps two eyes; a single picture is taken from between them.
    eye, forward, up = (np.array(left.pos) + np.array(right.pos)) / 2, np.array(left.forward), np.array(left.up)
    centre, half = model.geom_aabb[:, None, :3], model.geom_aabb[:, None, 3:]
    # (ngeom, 8, 3): corners in the geom's frame, then from the eye
    corners = (centre + CORNERS * half) @ data.geom_xmat.reshape(-1, 3, 3).transpose(0, 2, 1)
    corners += data.geom_xpos[:, None] - eye
    depth, height, width = corners @ forward, corners @ up, corners @ np.cross(forward, up)
    # |height| ≤ depth · tan(fovy / 2) inside the view, which is as wide as it is high
    reach = depth * (left.frustum_top / left.frustum_near)
    beyond = [depth < left.frustum_near, height > reach, -height > reach, width > reach, -width > reach]
    # A plane has no bounding box.
    boxed = model.geom_aabb[:, 3:].any(axis=1)
    return boxed & np.any([side.all(axis=1) for side in beyond], axis=0)


def draw(
    used: Studio, model: mujoco.MjModel, data: mujoco.MjData, camera: mujoco.MjvCamera,
    goal: tuple[int, np.ndarray] | None = None, cull: bool = True,
) -> np.ndarray:  # fmt: skip
    """A frame (size, size, 3) uint8 of what `data` holds now, as the camera sees it.

    `goal`: the site that marks the goal, and where it is (3,), m; without one no marker is drawn. Bodies that only mark
    where the gripper is told to be (mocap) are never drawn, nor sites other than the marker. `cull`: leave out the
    geoms outside the view.
    """
    own, scene = used.data, used.scene
    own.qpos[:], own.mocap_pos[:], own.mocap_quat[:] = data.qpos, data.mocap_pos, data.mocap_quat
    mujoco.mj_kinematics(model, own)
    mujoco.mj_comPos(model, own)
    mujoco.mj_camlight(model, own)
    if goal is not None:
        own.site_xpos[goal[0]] = goal[1]
    mujoco.mjv_updateScene(model, own, used.option, used.perturbation, camera, mujoco.mjtCatBit.mjCAT_ALL, scene)
    unseen = model.body_mocapid[model.geom_bodyid] >= 0
    if cull:
        unseen |= outside(scene, model, own)
    for geom in scene.geoms[: scene.ngeom]:
        if geom.objtype == mujoco.mjtObj.mjOBJ_GEOM:
            hidden = unseen[geom.objid]
        else:
            hidden = geom.objtype == mujoco.mjtObj.mjOBJ_SITE and (goal is None or geom.objid != goal[0])
        if hidden:
            geom.type = mujoco.mjtGeom.mjGEOM_NONE
    with _exclusively():
        # Another context may have been made current in this thread, such as the one that films the episode.
        used.gl.make_current()
        mujoco.mjr_render(used.area, scene, used.context)
        mujoco.mjr_readPixels(used.pixels, None, used.area, used.context)
    # OpenGL's first row is the lowest.
    return used.pixels[::-1].copy()
