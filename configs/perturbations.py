"""The perturbations of chapter 07 by name: which wrappers, in which unit, at which sizes."""

from __future__ import annotations

from dataclasses import dataclass

from common.errors import UserError, closest


@dataclass(frozen=True)
class Perturbation:
    """`wrappers`; those that perturb have a place for the size, `{}`. `whole`: sizes are numbers of steps."""

    about: str
    wrappers: tuple[str, ...]
    unit: str
    grid: str
    whole: bool = False

    def around(self, size: float) -> tuple[str, ...]:
        """The wrappers at this size; at 0 only those that do not depend on it, such as a filter under test."""
        kept = [text for text in self.wrappers if size or "{}" not in text]
        return tuple(text.format(int(size) if self.whole else f"{size:g}") for text in kept)


METRES, STEPS = "0,0.005,0.01,0.02,0.03,0.05", "0,1,2,3,5"
OBSERVATION = {
    "white": Perturbation("white noise on every measured number", ("obs_noise:std={}",), "m", METRES),
    "sensor": Perturbation("white noise, scaled as sensors are", ("obs_noise:std={},scale=sensor",), "m", METRES),
    "correlated": Perturbation("noise that lasts 20 steps", ("obs_noise:std={},rho=0.95",), "m", METRES),
    "bias": Perturbation("a constant error, new in each episode", ("obs_noise:std={},rho=1",), "m", METRES),
    "filtered": Perturbation(
        "white noise, then a low-pass filter", ("obs_noise:std={}", "obs_lowpass:alpha=0.5"), "m", METRES
    ),
    "leak": Perturbation("white noise that forgets achieved_goal", ("obs_noise:std={},true_goals=true",), "m", METRES),
    "dropout": Perturbation(
        "frozen for so many steps, begun with probability 0.1", ("obs_dropout:prob=0.1,steps={}",), "steps",
        STEPS, True,
    ),
}  # fmt: skip
# What errs alone, by the name that `wrappers/sensors.py` gives it.
SENSORS = ("object", "angles", "velocity", "angular_velocity", "gripper", "gripper_velocity", "fingers")
ALONE = "obs_noise:std={{}},scale=sensor,only={}"
PARTS = {name: Perturbation(f"{name} alone", (ALONE.format(name),), "m", "0,0.02") for name in SENSORS}
UNITS = "0,0.2,0.5,1,2"
ACTION = {
    "action": Perturbation("white noise on the action", ("action_noise:std={}",), "action", UNITS),
    "pull": Perturbation("a constant pull, new in each episode", ("action_noise:std={},rho=1",), "action", UNITS),
    "delay": Perturbation("the action comes steps later", ("delay:steps={}",), "steps", STEPS, True),
}


def chosen(names: str, known: dict[str, Perturbation], flag: str) -> dict[str, Perturbation]:
    """The perturbations of a list of names between commas. Raises `UserError` with the nearest name."""
    found = {}
    for name in names.split(","):
        if name.strip() not in known:
            hint = f"{closest(name.strip(), known)} Known: {', '.join(known)}."
            raise UserError(f"{flag} {names!r}: unknown perturbation {name.strip()!r}.{hint}")
        found[name.strip()] = known[name.strip()]
    return found
