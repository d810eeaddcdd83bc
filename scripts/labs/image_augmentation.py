"""What may be done to a picture without changing what to do? Random shift, crop and colour jitter, and what each costs.

    python scripts/labs/image_augmentation.py --verify                # every claim, about 10 seconds
    python scripts/labs/image_augmentation.py --demo --figure runs/ch09/augmentations.png

Exit status 1 if a claim is wrong. For reading beside chapter 09; nothing imports it. `agents/augmentations.py` is what
training uses. Pictures are arrays (C, H, W) between 0 and 1. Sources: Kostrikov et al. 2020, "Image Augmentation Is All
You Need" (DrQ, arXiv:2004.13649); Laskin et al. 2020, "Reinforcement Learning with Augmented Data" (arXiv:2004.14990).
"""

from __future__ import annotations

import contextlib
import sys
import time
from pathlib import Path

import numpy as np

from analysis.reports import DataReport, save
from common import provenance
from common.cli import guarded, parse
from common.files import write_atomically
from envs.task import Task

Claim = tuple[str, float, float, float]


# --8<-- [start:random_shift]
def random_shift(image: np.ndarray, pad: int, rng: np.random.Generator) -> np.ndarray:
    """(C, H, W) moved by up to `pad` whole pixels: a window of the picture with its border repeated all around."""
    _, height, width = image.shape
    padded = np.pad(image, ((0, 0), (pad, pad), (pad, pad)), mode="edge")
    # dy, dx uniform in 0, ..., 2 pad
    dy, dx = rng.integers(0, 2 * pad + 1, size=2)
    return padded[:, dy : dy + height, dx : dx + width]
    # --8<-- [end:random_shift]


# --8<-- [start:random_crop]
def random_crop(image: np.ndarray, share: float, rng: np.random.Generator) -> np.ndarray:
    """(C, H, W): a window of `share` of the picture, enlarged to the full size by repeating the nearest pixel."""
    _, height, width = image.shape
    high, wide = round(share * height), round(share * width)
    top, left = rng.integers(0, height - high + 1), rng.integers(0, width - wide + 1)
    # Row i of the new picture is row top + i · high / height of the old one.
    rows, columns = top + np.arange(height) * high // height, left + np.arange(width) * wide // width
    return image[:, rows[:, None], columns]
    # --8<-- [end:random_crop]


# --8<-- [start:color_jitter]
def color_jitter(image: np.ndarray, gain: float, offset: float, rng: np.random.Generator) -> np.ndarray:
    """(3, H, W): each colour c becomes g c + b with g in 1 ± gain and b in ± offset. Nothing moves."""
    g = 1 + gain * rng.uniform(-1, 1, (3, 1, 1))
    b = offset * rng.uniform(-1, 1, (3, 1, 1))
    return np.clip(g * image + b, 0, 1)
    # --8<-- [end:color_jitter]


CHANGES = {
    "shift": lambda image, rng: random_shift(image, 3, rng),
    "crop": lambda image, rng: random_crop(image, 0.9, rng),
    "jitter": lambda image, rng: color_jitter(image, 0.2, 0.1, rng),
}


# --8<-- [start:augmented_pair]
def augmented_pair(image: np.ndarray, following: np.ndarray, change: str, rng: np.random.Generator) -> tuple:
    """What an update reads: s and s' changed each by itself, anew each time that they are drawn from the replay.

    y = r + γ V(aug(s')) and Q(aug(s), a) are taught to agree whatever the change was: that is the whole of DrQ.
    """
    return CHANGES[change](image, rng), CHANGES[change](following, rng)
    # --8<-- [end:augmented_pair]


def marked() -> np.ndarray:
    """A grey picture (3, 64, 64) with a bright square of 9 pixels: a thing whose place can be told exactly."""
    image = np.full((3, 64, 64), 0.4)
    image[:, 36:45, 16:25] = 0.9
    return image


def where(image: np.ndarray) -> np.ndarray:
    """Row and column (2,) of the bright square: the mean place of what is above the middle of all brightness."""
    grey = image.mean(axis=0)
    return np.argwhere(grey > (grey.min() + grey.max()) / 2).mean(axis=0)


def frames(seeds: range) -> list[np.ndarray]:
    """Pictures (3, 64, 64) between 0 and 1 of Push after a reset."""
    with contextlib.closing(Task("FetchPush-v4", ("pixels:goal_mode=both,camera=near,size=64",)).make()) as env:
        return [env.reset(seed=seed)[0]["pixels"] / 255 for seed in seeds]


def check() -> list[Claim]:
    """Claims: what, its value, the least and the most that bear it out."""
    rng = np.random.default_rng(0)
    pictures = frames(range(6))
    picture = pictures[0]
    thing = marked()
    places = {name: np.array([where(change(thing, rng)) - where(thing) for _ in range(300)])
              for name, change in CHANGES.items()}  # fmt: skip
    one, other = augmented_pair(picture, picture, "shift", rng)
    values = [np.sort(CHANGES["jitter"](p, rng)[:, 32, 32]) for p in pictures]
    wide = [picture.shape == CHANGES[name](picture, rng).shape for name in CHANGES]
    return [
        ("changes that keep the picture's shape", np.sum(wide), 3, 3),
        ("pixels that a shift of 3 moves a thing at most", np.abs(places["shift"]).max(), 3, 3),
        ("mean move of a shift, pixels: no direction", np.abs(places["shift"].mean(axis=0)).max(), 0, 0.4),
        ("pixels that a crop of 0.9 moves it at most", np.abs(places["crop"]).max(), 3, 6),
        ("pixels that a colour jitter moves it at most", np.abs(places["jitter"]).max(), 0, 0),
        ("jitter's values outside [0, 1]", np.sum([(v < 0) | (v > 1) for v in values]), 0, 0),
        ("pixels in which s and s' differ though nothing happened, share", (one != other).any(0).mean(), 0.01, 1),
        ("the picture itself is left as it was", np.abs(picture - frames(range(1))[0]).max(), 0, 0),
    ]


def sheet(pictures: list[np.ndarray], scale: int = 3) -> np.ndarray:
    """Rows: each picture and four drawings of each change; (H, W, 3) uint8."""
    rng, rows = np.random.default_rng(0), []
    for picture in pictures:
        for name in CHANGES:
            cells = [picture, *(CHANGES[name](picture, rng) for _ in range(4))]
            rows.append(np.concatenate(cells, axis=2))
    whole = (255 * np.concatenate(rows, axis=1)).round().astype(np.uint8).transpose(1, 2, 0)
    return whole.repeat(scale, axis=0).repeat(scale, axis=1)


def main(verify: bool = False, demo: bool = False, figure: str | None = None, json_out: str | None = None) -> int:
    """Check every claim (--verify); draw a picture and what each change makes of it (--demo --figure)."""
    began, claims = time.monotonic(), check() if verify or not demo else []
    for text, value, low, high in claims:
        print(f"{'ok   ' if low <= value <= high else 'WRONG'} {text:66s} {value:8.4g}   [{low:g}, {high:g}]")
    if demo:
        import io

        from PIL import Image

        path, stream = Path(figure or "runs/ch09/augmentations.png"), io.BytesIO()
        Image.fromarray(sheet(frames(range(1)))).save(stream, "PNG")
        write_atomically(path, stream.getvalue())
        print(f"rows: {', '.join(CHANGES)}; first column: the picture as it is -> {path}")
    if json_out:
        known = provenance.metadata({}, wall_clock_s=round(time.monotonic() - began, 3))
        data = {"claims": [float(value) for _, value, *_ in claims]}
        save(json_out, DataReport(name="image_augmentation", data=data, **known))
    return 0 if all(low <= value <= high for _, value, low, high in claims) else 1


if __name__ == "__main__":
    sys.exit(guarded(lambda: parse(main, None, prog="image_augmentation.py")))
