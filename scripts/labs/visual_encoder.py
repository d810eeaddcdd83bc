"""How does a network find a block in a picture, what does it cost, and which loss may teach it?

    python scripts/labs/visual_encoder.py --verify                    # every claim, about 20 seconds
    python scripts/labs/visual_encoder.py --demo                      # three encoders look for the block, a minute each
    python scripts/labs/visual_encoder.py --demo --figure runs/ch09/points.png

Exit status 1 if a claim is wrong. For reading beside chapter 09; nothing imports it. `agents/encoders/` is what
training uses. Pictures come as (B, C, H, W) between 0 and 1. Source of the spatial softmax: Levine et al. 2016,
"End-to-End Training of Deep Visuomotor Policies" (arXiv:1504.00702).
"""

from __future__ import annotations

import contextlib
import io
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from analysis.reports import DataReport, save
from common import provenance
from common.cli import guarded, parse
from common.errors import UserError
from common.files import write_atomically
from envs.task import Task

SIZE = 64
# (channels out, kernel, stride) of each layer.
LAYERS = {
    "nature": [(32, 8, 4), (64, 4, 2), (64, 3, 1)],
    "small kernels": [(16, 3, 2), (32, 3, 2), (32, 3, 1), (32, 3, 1)],
    "drq": [(32, 3, 2), (32, 3, 1), (32, 3, 1), (32, 3, 1)],
}
Claim = tuple[str, float, float, float]


# --8<-- [start:count]
def multiplications(layers: list[tuple[int, int, int]], size: int, channels: int = 3) -> int:
    """Products of one picture's forward pass: for each output number one for each weight of its filter."""
    total = 0
    for out, kernel, stride in layers:
        # H' = floor((H − k) / s) + 1
        size = (size - kernel) // stride + 1
        # C_out H' W' · C_in k²
        total += out * size * size * channels * kernel * kernel
        channels = out
    return total
    # --8<-- [end:count]


def convolutions(layers: list[tuple[int, int, int]], channels: int = 3) -> nn.Sequential:
    """The layers with ReLU between them, none at the end."""
    modules: list[nn.Module] = []
    for out, kernel, stride in layers:
        modules += [nn.Conv2d(channels, out, kernel, stride), nn.ReLU()]
        channels = out
    return nn.Sequential(*modules[:-1])


# --8<-- [start:spatial_softmax]
def spatial_softmax(maps: Tensor) -> Tensor:
    """Where each map (B, C, H, W) is high: mean places (B, C, 2) as (x, y) in [−1, 1]."""
    _, _, height, width = maps.shape
    # p_ij = exp(a_ij) / Σ exp(a): all places of a map share one unit of probability
    p = torch.softmax(maps.flatten(2), dim=2).view_as(maps)
    x, y = torch.linspace(-1, 1, width), torch.linspace(-1, 1, height)
    # x̄ = Σ_ij p_ij x_j,  ȳ = Σ_ij p_ij y_i;  (B, C) each
    return torch.stack([(p.sum(2) * x).sum(2), (p.sum(3) * y).sum(2)], dim=2)
    # --8<-- [end:spatial_softmax]


class Finder(nn.Module):
    """Pictures to a place on the table (B, 2): convolutions, then all numbers or only mean places, then two layers."""

    def __init__(self, layers: list[tuple[int, int, int]], points: bool):
        super().__init__()
        self.layers, self.convolutions, self.points = layers, convolutions(layers), points
        maps = self.convolutions(torch.zeros(1, 3, SIZE, SIZE))
        inputs = 2 * maps.shape[1] if points else maps.numel()
        self.head = nn.Sequential(nn.Linear(inputs, 64), nn.ReLU(), nn.Linear(64, 2))

    def forward(self, pictures: Tensor) -> Tensor:
        """(B, 2)."""
        maps = self.convolutions(pictures - 0.5)
        return self.head((spatial_softmax(maps) if self.points else torch.relu(maps)).flatten(1))


# --8<-- [start:routing]
def update(encoder: nn.Module, critic: nn.Module, actor: nn.Module, pictures: Tensor, target: Tensor) -> dict:
    """One update of all three, critic(features + action) as Q(h, a); returns whose gradient reached the encoder."""
    features = encoder(pictures)
    # The critic's loss goes through the features into the encoder ...
    critic_loss = (critic(features) - target).square().mean()
    critic_loss.backward()
    from_critic = [p.grad.clone() for p in encoder.parameters()]
    # ... and the actor's stops before it: an actor that could would make pictures look as if they were worth more.
    actor_loss = -critic(features.detach() + actor(features.detach())).mean()
    actor_loss.backward()
    unchanged = all(torch.equal(a, p.grad) for a, p in zip(from_critic, encoder.parameters(), strict=True))
    return {"critic": max(g.abs().max().item() for g in from_critic), "actor": 0.0 if unchanged else 1.0}
    # --8<-- [end:routing]


def data(count: int) -> tuple[Tensor, Tensor]:
    """Pictures (N, 3, 64, 64) uint8 of Push and where the block is (N, 2), m from the middle of the table."""
    pictures, places = [], []
    with contextlib.closing(Task("FetchPush-v4", (f"pixels:goal_mode=both,camera=near,size={SIZE}",)).make()) as env:
        rng = np.random.default_rng(0)
        for seed in range(-(-count // 5)):
            shown, _ = env.reset(seed=seed)
            action = rng.uniform(-1, 1, 4).astype(np.float32)
            for _ in range(5):
                pictures.append(shown["pixels"])
                places.append(env.unwrapped.data.joint("object0:joint").qpos[:2] - [1.34, 0.75])
                shown, *_ = env.step(action)
    return torch.from_numpy(np.stack(pictures[:count])), torch.tensor(np.array(places[:count]), dtype=torch.float32)


def learn(name: str, points: bool, pictures: Tensor, places: Tensor, updates: int, batch: int = 64) -> dict[str, Any]:
    """A finder trained on four fifths of the pictures; its error on the rest, in cm, and the seconds it took."""
    torch.manual_seed(0)
    finder, train = Finder(LAYERS[name], points), int(0.8 * len(pictures))
    optimizer, began = torch.optim.Adam(finder.parameters(), 1e-3), time.process_time()
    for _ in range(updates):
        rows = torch.randint(train, (batch,))
        loss = (finder(pictures[rows].float() / 255) - 10 * places[rows]).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        errors = (finder(pictures[train:].float() / 255) / 10 - places[train:]).norm(dim=1)
    return {"finder": finder, "median_cm": 100 * errors.median().item(), "cpu_s": time.process_time() - began}


def check() -> list[Claim]:
    """Claims: what, its value, the least and the most that bear it out."""
    torch.manual_seed(0)
    peak = torch.zeros(1, 1, 9, 5)
    peak[0, 0, 0, 4] = 50.0
    moved = spatial_softmax(peak.roll(1, dims=2)) - spatial_softmax(peak)
    counted = {}
    for name, layers in LAYERS.items():
        found: list[int] = []
        net = convolutions(layers)
        for layer in net:
            if isinstance(layer, nn.Conv2d):
                layer.register_forward_hook(lambda m, i, o, f=found: f.append(o.numel() * m.weight[0].numel()))
        net(torch.zeros(1, 3, SIZE, SIZE))
        counted[name] = sum(found) - multiplications(layers, SIZE)
    encoder = nn.Sequential(convolutions(LAYERS["small kernels"]), nn.Flatten(), nn.LazyLinear(8))
    encoder(torch.zeros(1, 3, SIZE, SIZE))
    reached = update(encoder, nn.Linear(8, 1), nn.Linear(8, 8), torch.rand(4, 3, SIZE, SIZE), torch.ones(4, 1))
    million = {name: multiplications(layers, SIZE) / 1e6 for name, layers in LAYERS.items()}
    found = learn("small kernels", True, *data(400), updates=150, batch=32)
    return [
        ("x of a peak in the last column", spatial_softmax(peak)[0, 0, 0].item(), 0.999, 1),
        ("y of a peak in the first row", spatial_softmax(peak)[0, 0, 1].item(), -1, -0.999),
        ("how far its y moves with one row of nine, 2 / 8", moved[0, 0, 1].item(), 0.249, 0.251),
        ("products that the formula and the layers disagree about", sum(abs(v) for v in counted.values()), 0, 0),
        ("million products a picture, nature", million["nature"], 3, 3.5),
        ("small kernels", million["small kernels"], 3.5, 4.5),
        ("drq", million["drq"], 20, 23),
        ("times as many for drq at 84 as at 64", multiplications(LAYERS["drq"], 84) / 1e6 / million["drq"], 1.7, 2),
        ("largest gradient of the encoder from the critic's loss", reached["critic"], 1e-6, 1e3),
        ("whether the actor's loss reached the encoder", reached["actor"], 0, 0),
        ("median error of a finder after 150 small updates, cm; 13 without looking", found["median_cm"], 0, 6),
    ]


def pixels_of(points: Tensor, layers: list[tuple[int, int, int]], size: int = SIZE) -> Tensor:
    """Points (…) of a map, from −1 (its first output) to 1 (its last), as pixels: the middle of what an output sees."""
    first, step = 0.0, 1
    for _, kernel, stride in layers:
        # An output sees k of the outputs before it, and the next one sees them s further on.
        first += step * (kernel - 1) / 2
        step *= stride
        size = (size - kernel) // stride + 1
    return first + step * (size - 1) * (points + 1) / 2


def drawn(finder: Finder, pictures: Tensor, scale: int = 4) -> np.ndarray:
    """The points of a spatial softmax over some pictures, (H, W, 3) uint8."""
    from PIL import Image, ImageDraw

    cells = []
    with torch.no_grad():
        maps = finder.convolutions(pictures.float() / 255 - 0.5)
        points = pixels_of(spatial_softmax(maps), finder.layers)
    for picture, places in zip(pictures, points, strict=True):
        image = Image.fromarray(picture.permute(1, 2, 0).numpy()).resize((scale * SIZE,) * 2, Image.Resampling.NEAREST)
        pen = ImageDraw.Draw(image)
        for x, y in (scale * (places.numpy() + 0.5)).tolist():
            pen.ellipse((x - 4, y - 4, x + 4, y + 4), outline=(220, 0, 160), width=2)
        cells.append(np.asarray(image))
    return np.concatenate(cells, axis=1)


def look_for_the_block(updates: int, count: int, figure: str | None) -> dict[str, Any]:
    """Encoders that look for the block, all else equal."""
    pictures, places = data(count)
    rows = []
    for name, points in (("nature", False), ("small kernels", False), ("small kernels", True)):
        found = learn(name, points, pictures, places, updates)
        label = f"{name}{', spatial softmax' if points else ''}"
        rows.append({"encoder": label, "median_cm": found["median_cm"], "cpu_s": found["cpu_s"]})
        print(f"{label:30s} median error {found['median_cm']:.2f} cm after {updates} updates, {found['cpu_s']:.0f} s")
    if figure:
        from PIL import Image

        stream = io.BytesIO()
        Image.fromarray(drawn(found["finder"], pictures[-25::6])).save(stream, "PNG")
        write_atomically(Path(figure), stream.getvalue())
        print(f"the points of the last one -> {figure}")
    return {"updates": updates, "pictures": count, "rows": rows}


def main(
    verify: bool = False, demo: bool = False, updates: int = 1000, pictures: int = 3000, figure: str | None = None,
    json_out: str | None = None,
) -> int:  # fmt: skip
    """Check every claim (--verify), or let three encoders look for the block (--demo)."""
    if updates < 1 or pictures < 100:
        raise UserError("--updates must be at least 1 and --pictures at least 100.")
    torch.set_num_threads(1)
    began, claims = time.monotonic(), check() if verify or not demo else []
    for text, value, low, high in claims:
        print(f"{'ok   ' if low <= value <= high else 'WRONG'} {text:74s} {value:8.4g}   [{low:g}, {high:g}]")
    found: dict[str, Any] = {"claims": [float(value) for _, value, *_ in claims]}
    if demo:
        found |= look_for_the_block(updates, pictures, figure)
    if json_out:
        known = provenance.metadata({"updates": updates}, wall_clock_s=round(time.monotonic() - began, 3))
        save(json_out, DataReport(name="visual_encoder", data=found, **known))
    return 0 if all(low <= value <= high for _, value, low, high in claims) else 1


if __name__ == "__main__":
    sys.exit(guarded(lambda: parse(main, None, prog="visual_encoder.py")))
