"""The linear map before the networks: what it computes, and that folding it changes nothing."""

from __future__ import annotations

import numpy as np
import torch

from agents.input_map import InputMap

GOAL, SIZE = 2, 9


def data(n: int = 500) -> np.ndarray:
    """Entries of very different place and spread, one of them constant, as positions in metres are."""
    generator = np.random.default_rng(0)
    x = generator.normal(1.3, 0.05, (n, SIZE)) * np.logspace(-2, 1, SIZE)
    x[:, 5] = 0.42
    return x.astype(np.float32)


def test_features_are_normalised_and_the_relative_goal_keeps_its_zero() -> None:
    x = data()
    mapping = InputMap(SIZE, GOAL)
    for part in np.array_split(x, 7):
        mapping.observe(part)
    mapping.refresh()
    phi = mapping(torch.from_numpy(x)).double().numpy()
    assert phi.shape == (500, SIZE + GOAL)
    spread = x.astype(np.float64).std(0)
    wide = spread > InputMap.SMALLEST
    assert np.abs(phi[:, :SIZE].mean(0)).max() < 1e-2
    assert np.abs(phi[:, :SIZE][:, wide].std(0) - 1).max() < 1e-2
    assert np.abs(phi[:, 5]).max() < 1e-3
    there = x.copy()
    there[:, :GOAL] = there[:, GOAL : 2 * GOAL]
    assert np.abs(mapping(torch.from_numpy(there))[:, SIZE:].numpy()).max() < 1e-2


def test_moments_do_not_depend_on_how_the_data_was_cut() -> None:
    x = data()
    whole, parts = InputMap(SIZE, GOAL), InputMap(SIZE, GOAL)
    whole.observe(x)
    for part in np.array_split(x, 13):
        parts.observe(part)
    np.testing.assert_allclose(whole.mean, parts.mean, rtol=1e-9)
    np.testing.assert_allclose(whole.square, parts.square, rtol=1e-9)


def test_folding_gives_the_same_layer() -> None:
    torch.manual_seed(0)
    x, extra = torch.from_numpy(data()), torch.randn(500, 3)
    mapping = InputMap(SIZE, GOAL)
    mapping.observe(x.numpy())
    mapping.refresh()
    weight, bias = torch.randn(SIZE + GOAL + 3, 16), torch.randn(1, 16)
    folded, folded_bias = mapping.fold(weight, bias)
    expected = torch.cat([mapping(x), extra], 1) @ weight + bias
    actual = torch.cat([x, extra], 1) @ folded + folded_bias
    torch.testing.assert_close(actual, expected, rtol=1e-3, atol=5e-3)


def test_both_parts_can_be_left_out() -> None:
    x = torch.from_numpy(data())
    plain = InputMap(SIZE, GOAL, normalise=False, relative_goal=False)
    plain.observe(x.numpy())
    plain.refresh()
    assert torch.equal(plain(x), x)
    relative = InputMap(SIZE, GOAL, normalise=False)
    relative.observe(x.numpy())
    relative.refresh()
    torch.testing.assert_close(relative(x)[:, SIZE:], x[:, GOAL : 2 * GOAL] - x[:, :GOAL])


def test_state_goes_around() -> None:
    first, second = InputMap(SIZE, GOAL), InputMap(SIZE, GOAL)
    first.observe(data())
    first.refresh()
    second.load(first.state())
    assert torch.equal(first.matrix, second.matrix) and torch.equal(first.offset, second.offset)


def test_a_goal_that_is_measured_elsewhere_is_read_there_alone() -> None:
    """The achieved goal's own columns hold the truth for hindsight: no feature may depend on them."""
    x = data()
    mapping = InputMap(SIZE, GOAL, measured_at=1)
    mapping.observe(x)
    mapping.refresh()
    other = x.copy()
    other[:, :GOAL] += 1.0
    assert torch.equal(mapping(torch.from_numpy(x)), mapping(torch.from_numpy(other)))
    # Observation entries 1 and 2 stand after both goals, at 5 and 6 of x.
    there = x.copy()
    there[:, GOAL : 2 * GOAL] = there[:, 5:7]
    assert np.abs(mapping(torch.from_numpy(there))[:, SIZE:].numpy()).max() < 1e-2
    weight, bias = torch.randn(SIZE + GOAL, 16), torch.randn(1, 16)
    assert not mapping.fold(weight, bias)[0][:GOAL].any()
