"""Checkpoints: one zip that stock Stable-Baselines3 loads, and that this project reads without running anything in it.

Beside Stable-Baselines3's own members the zip holds `run_state.json`: how far the run was, and which replay files
belong to it. One file, one rename: the zip is the manifest, and a kill at any moment leaves the last whole one.
Stable-Baselines3's `data` member holds pickled objects. It is written for others and never read here, unless the user
trusts the file (`load_trusted`).
"""

from __future__ import annotations

import hashlib
import io
import json
import warnings
import zipfile
from pathlib import Path
from typing import Any

import gymnasium as gym
import torch
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.policies import BasePolicy

from agents.build import ALGORITHMS, build_policy
from analysis.reports import TrainMeta, load
from common.errors import UserError, closest
from common.files import meta_path, parse_json

STATE = "run_state.json"
# Not .pth: stock loading takes every such member for one of its own networks.
EXTRA = "extra_state.tensors"
# What belongs to one process or one machine, or would make the zip need an environment to be loaded.
NOT_SAVED = ["_last_obs", "_last_original_obs", "_last_episode_starts", "ep_info_buffer", "ep_success_buffer",
             "replay_buffer_class", "replay_buffer_kwargs", "tensorboard_log", "start_time"]  # fmt: skip
# More than this is no policy of this project; reading it would only fill the memory.
LARGEST_POLICY = 512 * 2**20


def pack(model: BaseAlgorithm, state: dict[str, Any]) -> bytes:
    """The bytes of a checkpoint of `model`; `state` is any plain JSON."""
    buffer = io.BytesIO()
    model.save(buffer, exclude=NOT_SAVED)
    with zipfile.ZipFile(buffer, "a") as archive:
        if hasattr(model, "extra_state"):
            # What our learner keeps beyond the stock networks; stock loading does not look at it.
            stream = io.BytesIO()
            torch.save(model.extra_state(), stream)
            archive.writestr(EXTRA, stream.getvalue())
        archive.writestr(STATE, json.dumps(state, allow_nan=False))
    return buffer.getvalue()


def _read_members(path: Path, names: list[str] | None = None) -> dict[str, bytes]:
    """Members of the zip at `path` (all that end in .pth or are the run's state), each checked against its CRC."""
    if not path.exists():
        siblings = [p.name for p in path.parent.glob("*.zip")] if path.parent.is_dir() else []
        raise UserError(f"checkpoint {path} does not exist.{closest(path.name, siblings)}")

    def wanted(name: str) -> bool:
        return name in names if names is not None else name.endswith(".pth") or name in (STATE, EXTRA)

    try:
        with zipfile.ZipFile(path) as archive:
            chosen = [info for info in archive.infolist() if wanted(info.filename)]
            size = sum(info.file_size for info in chosen)
            # Adam keeps two numbers beside each weight, and each of three networks may have a target.
            if size > 4 * LARGEST_POLICY:
                raise UserError(f"checkpoint {path} is not ours: it holds {size} bytes.")
            return {info.filename: archive.read(info) for info in chosen}
    except UserError:
        raise
    # A damaged zip raises a dozen different things, one for each decompressor among them.
    except Exception:
        raise UserError(f"checkpoint {path} is truncated or no zip file; train again or take another copy.") from None


def read_tensors(data: bytes, what: str) -> Any:
    """Tensors and plain containers out of a `.pth` member; anything that would run code is refused."""
    try:
        with warnings.catch_warnings():
            # What PyTorch has to say about a stranger's pickle is no help to whoever reads the one line below.
            warnings.simplefilter("ignore")
            return torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    # The unpickler is fed by whoever made the file: it may fail in any way, and must fail in one line.
    except Exception:
        raise UserError(f"{what} does not hold plain weights and was not loaded; nothing in it was executed.") from None


def read_state(path: Path) -> dict[str, Any]:
    """The run's state out of the checkpoint at `path`. Raises `UserError` where it is not one of ours."""
    members = _read_members(path, [STATE])
    try:
        state = parse_json(members[STATE])
        if not isinstance(state, dict):
            raise ValueError
    except (KeyError, ValueError):
        raise UserError(
            f"checkpoint {path} is truncated or was not written by train.py; choose another --out."
        ) from None
    return state


def restore(model: BaseAlgorithm, path: Path) -> None:
    """Put weights, optimiser states and free variables of the checkpoint into `model`, built from equal settings."""
    members = _read_members(path)
    names, variables = model._get_torch_save_params()
    try:
        parameters = {name: read_tensors(members[f"{name}.pth"], f"{path}: {name}") for name in names}
        model.set_parameters(parameters, exact_match=True, device=model.device)
        stored = read_tensors(members["pytorch_variables.pth"], f"{path}: variables") if variables else {}
        for name in variables:
            # In place: the optimiser of the entropy coefficient holds this very tensor.
            getattr(model, name).data.copy_(stored[name].to(model.device))
        if hasattr(model, "extra_state"):
            model.load_extra_state(read_tensors(members[EXTRA], f"{path}: learner"))
    except UserError:
        raise
    # Members that are missing or hold something else than this algorithm's tensors.
    except Exception as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UserError(
            f"{path} does not fit these settings ({reason[:120]}); use --overwrite to start anew."
        ) from None


def weights_sha256(policy: BasePolicy) -> str:
    """Hash of every tensor of the policy, targets included: equal runs have equal hashes."""
    digest = hashlib.sha256()
    for name, tensor in sorted(policy.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def zip_path(text: str) -> Path:
    """The checkpoint's path, whether or not the user typed `.zip`."""
    return Path(text if text.endswith(".zip") else text + ".zip")


def _describes_policy(meta: TrainMeta) -> bool:
    """Whether the free part of the metadata names an algorithm and layers that fit into memory."""
    algo, arch = meta.config.get("algo"), meta.config.get("net_arch")
    if not (isinstance(algo, str) and algo in ALGORITHMS and isinstance(meta.config.get("her"), bool) and meta.seeds):
        return False
    if not (isinstance(arch, list) and arch and all(type(n) is int and n > 0 for n in arch)):
        return False
    weights = sum(a * b for a, b in zip(arch, arch[1:], strict=False)) + sum(arch)
    return 4 * weights <= LARGEST_POLICY


def read_meta(checkpoint: Path) -> TrainMeta:
    """The validated metadata beside a checkpoint that is there. Raises `UserError`."""
    _read_members(checkpoint, [])
    if not meta_path(checkpoint).exists():
        raise UserError(
            f"{meta_path(checkpoint)} is missing, so {checkpoint.name} cannot be loaded safely. If you made the file "
            "yourself, add --trust-checkpoint: that runs code found in it."
        )
    return load(meta_path(checkpoint), TrainMeta)


def load_policy(checkpoint: Path, env: gym.Env, env_id: str, device: str) -> tuple[BasePolicy, TrainMeta]:
    """A policy built from its validated metadata, with weights read as plain tensors. Nothing in the file is executed.

    Raises `UserError`: missing, truncated, not ours, trained on another environment, or of another shape.
    """
    meta, members = read_meta(checkpoint), _read_members(checkpoint, ["policy.pth"])
    if meta.env_id != env_id:
        raise UserError(f"{checkpoint.name} was trained on {meta.env_id}; pass --env {meta.env_id}.")
    if "policy.pth" not in members:
        raise UserError(f"checkpoint {checkpoint} holds no policy: it is truncated, or was not written by train.py.")
    if not _describes_policy(meta):
        raise UserError(f"{meta_path(checkpoint)} does not describe a policy of this project.")
    weights = read_tensors(members["policy.pth"], f"{checkpoint}: policy")
    policy = build_policy(meta.config, env, device)
    try:
        policy.load_state_dict(weights)
    except (RuntimeError, TypeError, AttributeError) as error:
        raise UserError(f"{checkpoint.name} does not fit {env_id}: {str(error).splitlines()[0]}") from None
    if not all(torch.isfinite(tensor).all() for tensor in policy.state_dict().values()):
        raise UserError(f"{checkpoint.name} holds weights that are no finite numbers; train again.")
    policy.set_training_mode(False)
    return policy, meta


def load_trusted(checkpoint: Path, device: str) -> BasePolicy:
    """The policy of a foreign Stable-Baselines3 checkpoint, loaded the stock way: code found in the file runs.

    For your own files alone.
    """
    data = _read_members(checkpoint, ["data"]).get("data")
    try:
        module = json.loads(data)["policy_class"]["__module__"]
    except (TypeError, ValueError, KeyError):
        raise UserError(f"checkpoint {checkpoint} is no Stable-Baselines3 file.") from None
    algo = next((name for name in ALGORITHMS if f".{name}." in f"{module}."), "ppo")
    try:
        return ALGORITHMS[algo].load(checkpoint, device=device).policy
    except Exception as error:  # whatever a foreign file raises ends in one line
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UserError(f"checkpoint {checkpoint} could not be loaded as {algo}: {reason}") from error
