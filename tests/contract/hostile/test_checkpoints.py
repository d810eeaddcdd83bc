"""Checkpoints and metadata that were damaged, mixed up or made to do harm: refused in one line, nothing executed."""

from __future__ import annotations

import io
import json
import shutil
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from common.provenance import config_hash
from tests.contract.runs import meta

EVAL = "eval --ckpt a.zip --env TinyReach-v0 --seeds 0-1"


def members(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def write(path: Path, content: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> None:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in content.items():
            archive.writestr(name, data)


def spoil_weights(folder: Path, change: Callable[[dict[str, torch.Tensor]], Any]) -> None:
    content = members(folder / "a.zip")
    weights = torch.load(io.BytesIO(content["policy.pth"]), weights_only=True)
    stream = io.BytesIO()
    torch.save(change(weights), stream)
    write(folder / "a.zip", content | {"policy.pth": stream.getvalue()})


def each(change: Callable[[torch.Tensor], torch.Tensor]) -> Callable[[dict[str, torch.Tensor]], Any]:
    return lambda weights: {name: change(tensor) for name, tensor in weights.items()}


def first(change: Callable[[torch.Tensor], torch.Tensor]) -> Callable[[dict[str, torch.Tensor]], Any]:
    def act(weights: dict[str, torch.Tensor]) -> Any:
        name = next(iter(weights))
        return weights | {name: change(weights[name])}

    return act


WEIGHTS = {
    "half": (each(torch.Tensor.half), "float16, not float32"), "bfloat16": (each(torch.Tensor.bfloat16), "bfloat16"),
    "double": (each(torch.Tensor.double), "float64"), "bool": (each(torch.Tensor.bool), "bool, not float32"),
    "integers": (each(torch.Tensor.long), "int64"), "complex": (each(lambda t: t + 0j), "complex64"),
    "one-complex": (first(lambda t: t + 0j), "complex64"), "sparse": (first(torch.Tensor.to_sparse), "does not fit"),
    "huge": (each(lambda t: torch.full_like(t, 1e38)), "no training leaves such weights"),
    "minus-huge": (each(lambda t: torch.full_like(t, -1e38)), "no training leaves such weights"),
    "nan": (first(lambda t: t * float("nan")), "no finite numbers"),
    "infinite": (first(lambda t: t + float("inf")), "no finite numbers"),
    "other-weights": (first(lambda t: t + 1e-3), "does not hold the weights"),
    "transposed": (each(lambda t: t.T.contiguous() if t.dim() == 2 else t), "does not fit"),
    "longer": (each(lambda t: torch.cat([t, t])), "does not fit"), "scalar": (each(torch.Tensor.sum), "does not fit"),
    "expanded": (each(lambda t: torch.zeros(1).expand(10**6)), "does not fit"),
    "empty": (each(lambda t: t[:0]), "does not fit"), "none": (lambda w: {}, "does not fit"),
    "a-list": (lambda w: list(w.values()), "does not fit"), "a-number": (lambda w: 3, "does not fit"),
    "one-missing": (lambda w: dict(list(w.items())[1:]), "does not fit"),
    "one-surplus": (lambda w: w | {"more": torch.ones(1)}, "more does not belong there"),
    "nested": (lambda w: {"x": w}, "does not fit"), "numbers-as-names": (lambda w: dict(enumerate(w.values())), "fit"),
    "escape-codes": (lambda w: w | {"\x1b[2J": torch.ones(1)}, "does not belong there"),
}  # fmt: skip


@pytest.mark.parametrize("name", WEIGHTS)
def test_weights(place: Path, refused: Callable[..., str], name: str) -> None:
    change, words = WEIGHTS[name]
    spoil_weights(place, change)
    assert words in refused(EVAL, place)


def settings(**changes: Any) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """Other settings, with a hash that fits them."""

    def act(found: dict[str, Any]) -> dict[str, Any]:
        config = found["config"] | changes
        return found | {"config": config, "config_hash": config_hash(config)}

    return act


METADATA = {
    "one-huge-layer": settings(net_arch=[60_000_000]), "many-layers": settings(net_arch=[16] * 200_000),
    "wide-layers": settings(net_arch=[16_384, 16_384]), "huge-number": settings(net_arch=[10**30]),
    "no-layers": settings(net_arch=[]), "text": settings(net_arch="256"), "true": settings(net_arch=[True, True]),
    "fractions": settings(net_arch=[16.5]), "nested-layers": settings(net_arch=[[16]]),
    "large-but-possible": settings(net_arch=[4096, 4096]), "two-more": settings(net_arch=[16, 16, 16]),
    "changed-gamma": lambda m: m | {"config": m["config"] | {"gamma": 0.5}},
    "changed-gamma-and-hash": settings(gamma=0.5), "changed-seed": settings(seed=77),
    "wrong-hash": lambda m: m | {"config_hash": "0" * 16}, "wrong-weights": lambda m: m | {"weights_sha256": "0" * 64},
    "escape-env": lambda m: m | {"env_id": "\x1b]0;owned\x07\x1b[2J"},
    "escape-kind": lambda m: m | {"kind": "\x1b[31m"}, "escape-status": lambda m: m | {"status": "\x1b[31m"},
    "escape-key": lambda m: m | {"\x1b[31m\x07": 1}, "escape-version": lambda m: m | {"schema_version": "\x1b[2J"},
    "newline-env": lambda m: m | {"env_id": "a\nb\nc"}, "long-env": lambda m: m | {"env_id": "x" * 100_000},
    "no-config": lambda m: m | {"config": {}},
    "algo": settings(algo="__import__('os')"), "algo-none": settings(algo=None), "her-text": settings(her="yes"),
    "future": lambda m: m | {"schema_version": 10**6}, "negative-version": lambda m: m | {"schema_version": -1},
}  # fmt: skip


@pytest.mark.parametrize("name", METADATA)
def test_metadata(place: Path, refused: Callable[..., str], name: str) -> None:
    (place / "a.meta.json").write_text(json.dumps(METADATA[name](meta(place / "a"))))
    began = time.monotonic()
    refused(EVAL, place)
    assert time.monotonic() - began < 20


def test_the_zip_of_another_run(place: Path, refused: Callable[..., str]) -> None:
    """Of equal shape, so that nothing but the hashes can tell."""
    spoil_weights(place, each(lambda t: t + 0.01))
    shutil.move(place / "a.zip", place / "b.zip")
    shutil.copy(place / "a.meta.json", place / "b.meta.json")
    assert "does not hold the weights" in refused(EVAL.replace("a.zip", "b.zip"), place)


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA], ids=str)
def test_a_small_member_that_inflates(place: Path, refused: Callable[..., str], method: int) -> None:
    content = members(place / "a.zip")
    inner = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content["policy.pth"])) as old, zipfile.ZipFile(inner, "w", method) as new:
        for name in old.namelist():
            new.writestr(name, old.read(name))
        new.writestr("archive/data/99", bytes(64 * 2**20))
    assert len(inner.getvalue()) < 2**20
    write(place / "a.zip", content | {"policy.pth": inner.getvalue()})
    assert "plain weights" in refused(EVAL, place)


def test_what_ships_is_accepted() -> None:
    from agents.checkpoint import load_policy
    from envs.make import make_env

    folder = Path(__file__).resolve().parents[3] / "checkpoints" / "reference"
    found = sorted(folder.glob("*.zip"))
    assert len(found) >= 4
    for path in found:
        _, facts = load_policy(path, make_env(path.stem), path.stem, "cpu")
        assert facts.status == "finished" and facts.weights_sha256
