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

from agents.archive import EXTRA, LARGEST_POLICY, POLICY, STATE, inflates, read_members, read_meta, zip_path
from agents.build import ALGORITHMS, build_policy
from agents.networks import vector_size
from analysis.reports import TrainMeta
from common.errors import UserError
from common.files import meta_path, parse_json

__all__ = ["load_policy", "load_trusted", "pack", "read_meta", "read_state", "read_tensors", "restore",
           "weights_sha256", "zip_path"]  # fmt: skip
# What belongs to one process or one machine, or would make the zip need an environment to be loaded.
NOT_SAVED = ["_last_obs", "_last_original_obs", "_last_episode_starts", "ep_info_buffer", "ep_success_buffer",
             "replay_buffer_class", "replay_buffer_kwargs", "tensorboard_log", "start_time"]  # fmt: skip
# Beyond this a few layers overflow, and no training of this project ever comes near.
LARGEST_WEIGHT = 1e9


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


def read_tensors(data: bytes, what: str) -> Any:
    """Tensors and plain containers out of a `.pth` member. Raises `UserError` on anything else, and runs none of it."""
    try:
        if inflates(data):
            raise ValueError
        with warnings.catch_warnings():
            # What PyTorch has to say about a stranger's pickle is no help to whoever reads the one line below.
            warnings.simplefilter("ignore")
            return torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    # The unpickler is fed by whoever made the file: it may fail in any way, and must fail in one line.
    except Exception:
        raise UserError(f"{what} does not hold plain weights and was not loaded; nothing in it was executed.") from None


def read_state(path: Path) -> dict[str, Any]:
    """The run's state out of the checkpoint at `path`. Raises `UserError` where it is not one of ours."""
    members = read_members(path, [STATE])
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
    """Put weights, optimiser states and free variables of the checkpoint into `model`, built from equal settings.

    Raises `UserError` where the checkpoint is damaged or does not fit `model`.
    """
    members = read_members(path)
    names, variables = model._get_torch_save_params()
    try:
        parameters = {name: read_tensors(members[f"{name}.pth"], f"{path}: {name}") for name in names}
        if why := misfit(parameters["policy"], model.policy.state_dict()):
            raise ValueError(why)
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


def misfit(weights: Any, expected: dict[str, torch.Tensor]) -> str | None:
    """Where `weights` differ from `expected`, tensors of any shape, in names, shapes or types; None: nowhere."""
    if not isinstance(weights, dict) or not all(isinstance(value, torch.Tensor) for value in weights.values()):
        return "no dictionary of tensors"
    if missing := sorted(expected.keys() - weights.keys()):
        return f"{missing[0]} is missing"
    if surplus := sorted(str(name) for name in weights.keys() - expected.keys()):
        return f"{surplus[0][:80]} does not belong there"
    for name, tensor in expected.items():
        found = weights[name]
        if found.layout != torch.strided or found.shape != tensor.shape:
            return f"{name} has shape {tuple(found.shape)}, not {tuple(tensor.shape)}"
        # Loading would convert half-precision and boolean weights without a word, and drop imaginary parts.
        if found.dtype != tensor.dtype:
            return f"{name} holds {found.dtype}, not {tensor.dtype}".replace("torch.", "")
    return None


def _too_large(layers: list[int], env: gym.Env) -> bool:
    """Whether networks of these hidden layers on the spaces of `env` are more than any policy of this project."""
    sizes = [vector_size(env.observation_space) + gym.spaces.flatdim(env.action_space), *layers]
    weights = sum((a + 1) * b for a, b in zip(sizes, sizes[1:], strict=False))
    # TD3 has the most networks: an actor, two critics, and a target of each.
    return 4 * 6 * weights > LARGEST_POLICY


def _holds_layers(weights: Any, layers: list[int]) -> bool:
    """Whether matrices of these hidden layers are among `weights`: so that nothing larger than the file is built."""
    if not isinstance(weights, dict):
        return False
    found = {tuple(t.shape) for t in weights.values() if isinstance(t, torch.Tensor) and t.layout == torch.strided}
    hidden = zip(layers[1:], layers, strict=False)
    return any(shape[:1] == (layers[0],) for shape in found) and all(pair in found for pair in hidden)


def load_policy(checkpoint: Path, env: gym.Env, env_id: str, device: str) -> tuple[BasePolicy, TrainMeta]:
    """A policy built from its validated metadata, with weights read as plain tensors. Nothing in the file is executed.

    Raises `UserError`: missing, truncated, not ours, trained on another environment, or of another shape.
    """
    meta, members = read_meta(checkpoint), read_members(checkpoint, [POLICY])
    if meta.env_id != env_id:
        raise UserError(f"{checkpoint.name} was trained on {meta.env_id}; pass --env {meta.env_id}.")
    weights = read_tensors(members[POLICY], f"{checkpoint}: policy")
    # Before anything is built: what the metadata says may be larger than the memory.
    layers = meta.config["net_arch"]
    if _too_large(layers, env):
        raise UserError(f"{meta_path(checkpoint)} does not describe a policy of this project.")
    if not _holds_layers(weights, layers):
        raise UserError(f"{checkpoint.name} does not fit {env_id}: it has no hidden layers {layers}.")
    policy = build_policy(meta.config, env, device)
    if why := misfit(weights, policy.state_dict()):
        raise UserError(f"{checkpoint.name} does not fit {env_id}: {why}.")
    policy.load_state_dict(weights)
    largest = max(float(tensor.abs().max()) for tensor in weights.values() if tensor.numel())
    if not largest < float("inf"):
        raise UserError(f"{checkpoint.name} holds weights that are no finite numbers; train again.")
    if largest > LARGEST_WEIGHT:
        raise UserError(f"{checkpoint.name} holds a weight of {largest:.0e}: no training leaves such weights.")
    if meta.status == "finished" and meta.weights_sha256 not in (None, weights_sha256(policy)):
        raise UserError(
            f"{checkpoint.name} does not hold the weights that {meta_path(checkpoint).name} describes: the two are of "
            "different runs, or one of them was changed."
        )
    policy.set_training_mode(False)
    return policy, meta


def load_trusted(checkpoint: Path, device: str) -> BasePolicy:
    """The policy of a foreign Stable-Baselines3 checkpoint, loaded the stock way: code found in the file runs.

    For your own files alone. Raises `UserError` where it is no such file, or loading it fails.
    """
    data = read_members(checkpoint, ["data"]).get("data")
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
