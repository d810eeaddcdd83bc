"""What a stranger put into a checkpoint, its metadata or a recipe is never executed, whoever reads it."""

from __future__ import annotations

import io
import json
import pickle
import random
import shutil
import signal
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from agents.checkpoint import load_policy, read_state
from common.errors import UserError
from common.files import sha256
from envs.make import make_env, register
from tests.contract import tiny
from tests.contract.runs import TINY, meta

EVAL = "eval --ckpt a.zip --env TinyReach-v0 --seeds 0-1"
KILL = f"at_step(33, send({int(signal.SIGKILL)}))"
RUN = f"{TINY} --out a"
MEMBERS = ["data", "policy.pth", "pytorch_variables.pth", "actor.optimizer.pth", "critic.optimizer.pth",
           "ent_coef_optimizer.pth"]  # fmt: skip


class Evil:
    """Unpickling this writes a file."""

    def __init__(self, marker: Path):
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return (exec, (f"import pathlib; pathlib.Path({str(self.marker)!r}).touch()",))


def poison(kind: str, marker: Path) -> bytes:
    """A member whose unpickling would leave `marker`: bare, or in a file of PyTorch's format."""
    if kind == "pickle":
        return pickle.dumps(Evil(marker))
    stream = io.BytesIO()
    torch.save({"weight": Evil(marker)}, stream, _use_new_zipfile_serialization=kind == "torch-zip")
    return stream.getvalue()


def rewrite(path: Path, changes: dict[str, bytes | None]) -> None:
    """The zip again with some members replaced, added or, with None, left out."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in (members | changes).items():
            if data is not None:
                archive.writestr(name, data)


@pytest.fixture(scope="module")
def cut(tmp_path_factory: pytest.TempPathFactory, commands: Any) -> Path:
    """A run that was killed after its first segment: everything that a resumed run reads is there."""
    folder = tmp_path_factory.mktemp("cut")
    assert commands(RUN, folder, setup=KILL).status == -signal.SIGKILL
    return folder


@pytest.fixture
def run(cut: Path, tmp_path: Path) -> Path:
    """A copy of it to spoil."""
    shutil.copytree(cut, tmp_path / "run")
    return tmp_path / "run"


@pytest.fixture(scope="module")
def loads() -> Callable[[Path], None]:
    """`eval.py`'s loader on `<folder>/a.zip`."""
    register()
    tiny.register()
    env = make_env("TinyReach-v0")
    return lambda folder: load_policy(folder / "a.zip", env, "TinyReach-v0", "cpu")


def test_the_poison_works(tmp_path: Path) -> None:
    for kind in ("pickle", "torch-zip", "torch-old"):
        marker = tmp_path / kind
        data = poison(kind, marker)
        if kind == "pickle":
            pickle.loads(data)  # noqa: S301 - shows that it would
        else:
            torch.load(io.BytesIO(data), weights_only=False)
        assert marker.exists()


@pytest.mark.parametrize("member", MEMBERS)
def test_a_pickle_in_a_member_is_not_executed(run: Path, commands: Any, member: str) -> None:
    """Both commands, as processes: a refusal of one line, or a run that never looked at the member."""
    marker = run / "marker"
    path = run / "a.zip"
    good = path.read_bytes()
    for kind in ("torch-zip", "pickle", "torch-old") if member == "policy.pth" else ("torch-zip",):
        path.write_bytes(good)
        data = poison(kind, marker)
        if member == "data":
            # Stable-Baselines3's own format: base64 of a pickle, run by its `load`.
            import base64

            entry = {":type:": "<class 'x'>", ":serialized:": base64.b64encode(pickle.dumps(Evil(marker))).decode()}
            data = json.dumps({"policy_class": entry, "learning_rate": entry}).encode()
        rewrite(path, {member: data})
        evaluated, resumed = commands(EVAL, run), commands(RUN, run)
        assert not marker.exists()
        if member == "policy.pth":
            assert "plain weights" in evaluated.one_line()
        else:
            assert evaluated.status == 0, evaluated.stderr
        if member == "data":
            assert resumed.status == 0, resumed.stderr
        else:
            assert "plain weights" in resumed.one_line()


def test_a_pickle_in_the_replay_is_not_executed(run: Path, commands: Any) -> None:
    marker, file = run / "marker", run / "a.replay" / "000001.npz"
    import numpy as np

    stream = io.BytesIO()
    np.savez(stream, rewards=np.array([Evil(marker)], dtype=object))
    file.write_bytes(stream.getvalue())
    state = read_state(run / "a.zip")
    state["replay"][0]["sha256"] = sha256(stream.getvalue())
    rewrite(run / "a.zip", {"run_state.json": json.dumps(state).encode()})
    assert "damaged" in commands(RUN, run).one_line()
    assert not marker.exists()


STATES = {
    "deep": b"[" * 100_000,
    "no-object": b"[1, 2]",
    "nan": b'{"config_hash": NaN}',
    "empty": b"",
    "not-utf8": b"\xff\xfe{}",
    "wrong-type": lambda state: state | {"segment": "one"},
    "negative": lambda state: state | {"steps": -1},
    "unknown-key": lambda state: state | {"newer": 1},
    "missing-key": lambda state: {k: v for k, v in state.items() if k != "config_hash"},
    "replay-elsewhere": lambda state: state | {"replay": [state["replay"][0] | {"name": "../a.replay/000001.npz"}]},
    "replay-absolute": lambda state: state | {"replay": [state["replay"][0] | {"name": "/etc/passwd"}]},
    "replay-no-rows": lambda state: state | {"replay": [{"name": "000001.npz"}]},
    "replay-no-object": lambda state: state | {"replay": ["000001.npz"]},
    "another-run": lambda state: state | {"config_hash": "0" * 16},
    "infos": lambda state: state | {"episode_infos": [{"r": "x"}]},
}


@pytest.mark.parametrize("name", STATES)
def test_a_bad_run_state_is_refused(run: Path, commands: Any, name: str) -> None:
    change = STATES[name]
    data = change if isinstance(change, bytes) else json.dumps(change(read_state(run / "a.zip"))).encode()
    rewrite(run / "a.zip", {"run_state.json": data})
    commands(RUN, run).one_line()


def test_members_that_are_missing_or_strange(run: Path, commands: Any) -> None:
    good = (run / "a.zip").read_bytes()

    def saved(value: Any) -> bytes:
        stream = io.BytesIO()
        torch.save(value, stream)
        return stream.getvalue()

    cases = [
        {name: None for name in MEMBERS}, {"actor.optimizer.pth": None}, {"pytorch_variables.pth": None},
        {"run_state.json": None}, {"policy.pth": saved([1, 2])}, {"policy.pth": saved({"x": torch.ones(1)})},
        {"actor.optimizer.pth": saved({"state": 3})}, {"pytorch_variables.pth": saved({"log_ent_coef": "x"})},
        {"pytorch_variables.pth": saved({})}, {"critic.optimizer.pth": b""},
        # Names that lead out of a folder: nothing is ever unpacked to disk, so they are not even looked at.
        {"../../escaped.pth": b"x", "policy.pth": None}, {"/tmp/escaped.pth": b"x", "actor.optimizer.pth": None},
    ]  # fmt: skip
    before = {p.name for p in run.parent.rglob("*")}
    for changes in cases:
        (run / "a.zip").write_bytes(good)
        rewrite(run / "a.zip", changes)
        commands(RUN, run).one_line()
        if "policy.pth" in changes:
            commands(EVAL, run).one_line()
    assert {p.name for p in run.parent.rglob("*")} == before


def test_weights_that_are_no_numbers(run: Path, loads: Callable[[Path], None]) -> None:
    with zipfile.ZipFile(run / "a.zip") as archive:
        weights = torch.load(io.BytesIO(archive.read("policy.pth")), weights_only=True)
    next(iter(weights.values()))[0] = float("nan")
    stream = io.BytesIO()
    torch.save(weights, stream)
    rewrite(run / "a.zip", {"policy.pth": stream.getvalue()})
    with pytest.raises(UserError, match="no finite numbers"):
        loads(run)


def test_a_member_that_would_fill_the_memory(run: Path, commands: Any) -> None:
    rewrite(run / "a.zip", {f"bomb{index}.pth": b"" for index in range(3)})
    data = bytearray((run / "a.zip").read_bytes())
    # In the central directory the name of a member stands 46 bytes after the signature, and its size 24 bytes after.
    for index in range(3):
        at = data.rindex(f"bomb{index}.pth".encode()) - 46
        assert data[at : at + 4] == b"PK\x01\x02"
        data[at + 24 : at + 28] = struct.pack("<I", 2**30)
    (run / "a.zip").write_bytes(data)
    assert "not ours: it holds 3" in commands(RUN, run).one_line()
    # Evaluation reads the policy alone.
    assert commands(EVAL, run).status == 0


def test_truncated_or_flipped_anywhere(run: Path, loads: Callable[[Path], None]) -> None:
    good = (run / "a.zip").read_bytes()
    generator = random.Random(0)
    lengths = {0, 1, 4, 22, len(good) - 1, len(good) - 22, *(generator.randrange(len(good)) for _ in range(80))}
    for length in sorted(lengths):
        (run / "a.zip").write_bytes(good[:length])
        with pytest.raises(UserError):
            loads(run)
        with pytest.raises(UserError):
            read_state(run / "a.zip")
    refused = 0
    for _ in range(150):
        data = bytearray(good)
        data[generator.randrange(len(data))] ^= 1 << generator.randrange(8)
        (run / "a.zip").write_bytes(data)
        # A bit in a member that is not read may pass; one in the weights may not, and none may end in a traceback.
        try:
            loads(run)
        except UserError:
            refused += 1
    assert refused > 20


METADATA = {
    "newer": (lambda m: m | {"schema_version": 99}, "schema version 99"),
    "no-version": (lambda m: {k: v for k, v in m.items() if k != "schema_version"}, "schema_version"),
    "version-text": (lambda m: m | {"schema_version": "1"}, "schema_version"),
    "kind": (lambda m: m | {"kind": "evaluation"}, "kind"),
    "steps-text": (lambda m: m | {"steps": "many"}, "steps"),
    "steps-none": (lambda m: m | {"steps": None}, "steps"),
    "config-list": (lambda m: m | {"config": []}, "config"),
    "unknown-key": (lambda m: m | {"surprise": 1}, "surprise"),
    "other-algo": (lambda m: m | {"config": m["config"] | {"algo": "ppo"}}, "does not fit"),
    "unknown-algo": (lambda m: m | {"config": m["config"] | {"algo": "os.system"}}, "does not describe"),
    "algo-list": (lambda m: m | {"config": m["config"] | {"algo": ["sac"]}}, "does not describe"),
    "no-algo": (lambda m: m | {"config": {}}, "does not describe"),
    "her-deep": (lambda m: m | {"config": m["config"] | {"her": [[[[]]]]}}, "does not describe"),
    "no-seeds": (lambda m: m | {"seeds": []}, "does not describe"),
    "arch-text": (lambda m: m | {"config": m["config"] | {"net_arch": "16 16"}}, "does not describe"),
    "arch-negative": (lambda m: m | {"config": m["config"] | {"net_arch": [-16, 16]}}, "does not describe"),
    "arch-huge": (lambda m: m | {"config": m["config"] | {"net_arch": [65536, 65536, 65536]}}, "does not describe"),
    "arch-many": (lambda m: m | {"config": m["config"] | {"net_arch": [16] * 300}}, "does not"),
    "arch-other": (lambda m: m | {"config": m["config"] | {"net_arch": [8, 8]}}, "does not fit"),
    "other-env": (lambda m: m | {"env_id": "FetchPush-v4"}, "trained on FetchPush-v4; pass --env FetchPush-v4"),
    "env-none": (lambda m: m | {"env_id": None}, "trained on"),
    "status": (lambda m: m | {"status": "perfect"}, "status"),
}


@pytest.mark.parametrize("name", METADATA)
def test_bad_metadata_is_refused(run: Path, loads: Callable[[Path], None], name: str) -> None:
    change, words = METADATA[name]
    (run / "a.meta.json").write_text(json.dumps(change(meta(run / "a"))))
    with pytest.raises(UserError, match=words) as caught:
        loads(run)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "data",
    [b"", b"{", b"[" * 200_000, b'{"schema_version": 1, "x": NaN}', b"\xff", b"null", b"1e999", b'"' + b"x" * 100],
    ids=["empty", "half", "deep", "nan", "not-utf8", "null", "infinite", "text"],
)  # fmt: skip
def test_metadata_that_is_no_metadata(run: Path, commands: Any, data: bytes) -> None:
    (run / "a.meta.json").write_bytes(data)
    for command in (EVAL, RUN):
        assert "a.meta.json" in commands(command, run).one_line()


def test_metadata_of_an_absurd_size(run: Path, loads: Callable[[Path], None]) -> None:
    with open(run / "a.meta.json", "r+b") as file:
        file.truncate(2**40)
    with pytest.raises(UserError, match="larger than any report"):
        loads(run)


def test_metadata_nested_as_deep_as_json_allows(run: Path, commands: Any) -> None:
    value: Any = 1
    for _ in range(800):
        value = {"x": value}
    found = meta(run / "a")
    (run / "a.meta.json").write_text(json.dumps(found | {"config": found["config"] | {"extra": value}}))
    assert commands(f"{EVAL} --json-out r.json", run).status == 0
    commands(RUN, run).one_line()
