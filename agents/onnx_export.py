"""A policy as an ONNX graph: what a robot's computer runs, where nobody installs PyTorch.

    graph = onnx_graph(acting, space)                     # `acting` from agents/acting.py
    act = OnnxPolicy(graph).predict

The graph has one input for each part of the observation, (1, D) float32, under its own name, and one output `action`.
A network that flattens, multiplies, adds and squashes needs four kinds of node, so they are written down here; tracing
PyTorch would do the same and ask for more packages. Needs `onnx` to write and `onnxruntime` to run.
"""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import Any

import gymnasium as gym
import numpy as np
from torch import nn

from common.errors import UserError

# Old enough for any runtime of the last years; newer ones change nothing that is used here.
OPSET, IR_VERSION = 17, 8
INSTALL = "pip install -e '.[onnx]'"


def needed(name: str) -> ModuleType:
    """The module `name`. Raises `UserError` where it is not installed."""
    try:
        return importlib.import_module(name)
    except ImportError:
        raise UserError(f"ONNX needs the package {name}, which is not installed: {INSTALL}.") from None


def onnx_graph(acting: Any, space: gym.Space) -> bytes:
    """The graph of `acting` (its `keys`, `layers`, `unscale`, `low` and `high`), which acts on `space`, serialised.

    Raises `UserError` without the package, and on layers that are none of Linear, ReLU and Tanh.
    """
    onnx = needed("onnx")
    helper, numbers = onnx.helper, onnx.numpy_helper.from_array
    boxes = {key: space[key] for key in acting.keys} if acting.keys else {"observation": space}
    inputs = [
        helper.make_tensor_value_info(key, onnx.TensorProto.FLOAT, [1, gym.spaces.flatdim(box)])
        for key, box in boxes.items()
    ]
    nodes = [helper.make_node("Concat", list(boxes), ["x0"], axis=1)]
    weights: list[Any] = []

    def add(kind: str, *constants: tuple[str, np.ndarray], **attributes: Any) -> None:
        """One node from the newest value to the next, with constants as its further inputs."""
        before, after = f"x{len(nodes) - 1}", f"x{len(nodes)}"
        names = [f"{after}_{name}" for name, _ in constants]
        weights.extend(numbers(value, name) for name, (_, value) in zip(names, constants, strict=True))
        nodes.append(helper.make_node(kind, [before, *names], [after], **attributes))

    for layer in acting.layers:
        if isinstance(layer, nn.Linear):
            # y = x Wᵀ + b
            add("Gemm", ("weight", _array(layer.weight)), ("bias", _array(layer.bias)), transB=1)
        elif isinstance(layer, nn.ReLU | nn.Tanh):
            add("Relu" if isinstance(layer, nn.ReLU) else "Tanh")
        else:
            raise UserError(f"a layer of kind {type(layer).__name__} is not exported.")
    low, high = np.float32(acting.low), np.float32(acting.high)
    if acting.unscale is None:
        add("Max", ("low", low))
        add("Min", ("high", high))
    else:
        # a = low + (u + 1) (high − low) / 2
        add("Mul", ("half", (high - low) / 2))
        add("Add", ("middle", (high + low) / 2))
    nodes.append(helper.make_node("Identity", [f"x{len(nodes) - 1}"], ["action"]))
    output = helper.make_tensor_value_info("action", onnx.TensorProto.FLOAT, [1, len(low)])
    graph = helper.make_graph(nodes, "policy", inputs, [output], weights)
    opsets = [helper.make_opsetid("", OPSET)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION)
    onnx.checker.check_model(model)
    return model.SerializeToString()


def _array(tensor: Any) -> np.ndarray:
    return tensor.detach().cpu().numpy()


class OnnxPolicy:
    """A graph of `onnx_graph` with `predict`, run by ONNX Runtime on one thread. Raises `UserError` without it."""

    def __init__(self, graph: bytes):
        runtime = needed("onnxruntime")
        options = runtime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self.session = runtime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
        self.keys = [node.name for node in self.session.get_inputs()]

    def predict(self, observation: Any, deterministic: bool = True) -> tuple[np.ndarray, None]:
        """The action (A,) float32 for one observation."""
        parts = observation if isinstance(observation, dict) else {"observation": observation}
        feed = {key: np.asarray(parts[key], np.float32).reshape(1, -1) for key in self.keys}
        return self.session.run(["action"], feed)[0][0], None
