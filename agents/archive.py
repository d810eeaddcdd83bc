"""Checks of a checkpoint that need no PyTorch: it exists, is complete, is one of ours, and matches its metadata.

A broken file is found here in a moment, before anything slow is imported. Nothing is unpickled: the zip's members are
bytes, the metadata is JSON.
"""

from __future__ import annotations

import io
import os
import stat
import typing
import zipfile
from pathlib import Path

from agents.settings import Algo
from analysis.reports import TrainMeta, load
from common import provenance
from common.errors import UserError, closest
from common.files import exists, meta_path, parse_json
from common.net_arch import check_net_arch

POLICY = "policy.pth"
STATE = "run_state.json"
# Not .pth: stock loading takes every such member for one of its own networks.
EXTRA = "extra_state.tensors"
# More than this is no policy of this project; reading it would only fill the memory.
LARGEST_POLICY = 512 * 2**20


def zip_path(text: str) -> Path:
    """The checkpoint's path, whether or not the user typed `.zip`. Raises `UserError` on a name of nothing else."""
    path = Path(text if text.endswith(".zip") else text + ".zip")
    if path.name == ".zip":
        raise UserError(f"--ckpt {text}: give the name of a checkpoint.")
    return path


def _check_readable(path: Path) -> None:
    """Raise `UserError` unless there is an ordinary file at `path` that may be read."""
    if not exists(path):
        siblings = [p.name for p in path.parent.glob("*.zip")] if path.parent.is_dir() else []
        raise UserError(f"checkpoint {path} does not exist.{closest(path.name, siblings)}")
    mode = os.stat(path).st_mode
    # Opening a pipe would wait for somebody to write into it.
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise UserError(f"checkpoint {path} is a device or a pipe, not a file.")


def read_members(path: Path, names: list[str] | None = None) -> dict[str, bytes]:
    """Members of the zip at `path` (all that end in .pth or are the run's state), each checked against its CRC.

    Raises `UserError`: missing, unreadable, truncated, or larger than any checkpoint of ours.
    """
    _check_readable(path)

    def wanted(name: str) -> bool:
        return name in names if names is not None else name.endswith(".pth") or name in (STATE, EXTRA)

    try:
        with open(path, "rb") as file, zipfile.ZipFile(file) as archive:
            chosen = [info for info in archive.infolist() if wanted(info.filename)]
            size = sum(info.file_size for info in chosen)
            # Adam keeps two numbers beside each weight, and each of three networks may have a target.
            if size > (4 if names is None else 1) * LARGEST_POLICY:
                raise UserError(f"checkpoint {path} is not ours: it holds {size} bytes.")
            return {info.filename: archive.read(info) for info in chosen}
    except UserError:
        raise
    except PermissionError as error:
        raise UserError(f"checkpoint {path} cannot be read: {error.strerror}.") from None
    # A damaged zip raises a dozen different things, one for each decompressor among them.
    except Exception:
        raise UserError(f"checkpoint {path} is truncated or no zip file; train again or take another copy.") from None


def inflates(data: bytes) -> bool:
    """Whether a `.pth` member, itself a zip, says that it holds more bytes than it has.

    PyTorch stores its tensors as they are. A few megabytes that inflate to gigabytes were made to fill a memory.
    """
    with zipfile.ZipFile(io.BytesIO(data)) as inner:
        return sum(info.file_size for info in inner.infolist()) > len(data)


def read_meta(checkpoint: Path) -> TrainMeta:
    """The validated metadata beside a checkpoint that is there, whole, and of the run that it describes.

    Raises `UserError`.
    """
    members = read_members(checkpoint, [POLICY, STATE])
    path = meta_path(checkpoint)
    if not exists(path):
        raise UserError(
            f"{path} is missing, so {checkpoint.name} cannot be loaded safely. If you made the file "
            "yourself, add --trust-checkpoint: that runs code found in it."
        )
    meta = load(path, TrainMeta)
    if POLICY not in members:
        raise UserError(f"checkpoint {checkpoint} holds no policy: it is truncated, or was not written by train.py.")
    if not _describes_policy(meta):
        raise UserError(f"{path} does not describe a policy of this project.")
    _check_same_run(checkpoint, meta, members.get(STATE))
    return meta


def _describes_policy(meta: TrainMeta) -> bool:
    """Whether the free part of the metadata names an algorithm and layers that fit into memory."""
    algo = meta.config.get("algo")
    known = isinstance(algo, str) and algo in typing.get_args(Algo) and isinstance(meta.config.get("her"), bool)
    known = known and isinstance(meta.config.get("encoder", ""), str)
    return known and bool(meta.seeds) and check_net_arch(meta.config.get("net_arch")) is None


def _check_same_run(checkpoint: Path, meta: TrainMeta, state: bytes | None) -> None:
    """Raise `UserError` where the metadata was changed, or is another run's than the checkpoint's.

    The hash of the weights says it for a finished run (`agents.checkpoint.load_policy`); the configuration's, which
    the checkpoint carries too, for every run.
    """
    if meta.status == "finished" and provenance.config_hash(meta.config) != meta.config_hash:
        raise UserError(f"{meta_path(checkpoint)} was changed after its run: the settings do not fit their hash.")
    try:
        inside = parse_json(state)["config_hash"] if state is not None else meta.config_hash
    # Damage that only a continued run would notice: it says what is wrong.
    except (ValueError, KeyError, TypeError):
        return
    if inside != meta.config_hash:
        raise UserError(f"{checkpoint.name} is not of the run that {meta_path(checkpoint).name} describes.")
