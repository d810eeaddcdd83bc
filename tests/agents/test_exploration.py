"""Exploration: the distributions are as stated, whatever their colour, and shares and bursts come out as asked for."""

from __future__ import annotations

import numpy as np
import pytest

from agents.exploration import Explorer, coloured_noise

LENGTH, SIZE = 50, 4


@pytest.mark.parametrize(("colour", "neighbours"), [(0.0, 0.0), (1.0, 0.67), (2.0, 0.97)])
def test_noise_is_standard_normal_at_every_step_and_correlated_as_its_colour(colour: float, neighbours: float) -> None:
    noise = coloured_noise(np.random.default_rng(0), 4000, LENGTH, SIZE, colour)
    assert noise.shape == (4000, LENGTH, SIZE)
    assert np.abs(noise.mean(axis=(0, 2))).max() < 0.05
    assert np.abs(noise.std(axis=(0, 2)) - 1.0).max() < 0.05
    assert np.mean(noise[:, 1:] * noise[:, :-1]) == pytest.approx(neighbours, abs=0.03)
    # Components of the action do not follow each other.
    assert abs(np.mean(noise[..., 0] * noise[..., 1])) < 0.03


def test_the_power_falls_with_frequency_as_asked() -> None:
    noise = coloured_noise(np.random.default_rng(0), 4000, 256, 1, 1.0)[..., 0]
    power = np.mean(np.abs(np.fft.rfft(noise)) ** 2, axis=0)
    frequencies = np.arange(len(power))
    # Away from both ends, where the cut to half the length shows.
    slope = np.polyfit(np.log(frequencies[4:64]), np.log(power[4:64]), 1)[0]
    assert slope == pytest.approx(-1.0, abs=0.1)


def play(
    explorer: Explorer, steps: int, share: float, bursts: float = 1.0
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    generator, drawn = np.random.default_rng(1), []
    for step in range(steps):
        drawn.append(explorer.draw(generator, share, bursts))
        explorer.ended(np.full(explorer.n_envs, (step + 1) % LENGTH == 0))
    return tuple(np.stack(part) for part in zip(*drawn, strict=True))


@pytest.mark.parametrize("colour", [0.0, 1.0])
def test_random_actions_are_uniform(colour: float) -> None:
    noise, actions, _ = play(Explorer(64, LENGTH, SIZE, beta=colour), 200, 0.3)
    assert actions.dtype == noise.dtype == np.float32 and actions.shape == (200, 64, SIZE)
    shares = np.histogram(actions, bins=10, range=(-1, 1))[0] / actions.size
    assert np.abs(shares - 0.1).max() < 0.01
    assert noise.std() == pytest.approx(1.0, abs=0.02)


@pytest.mark.parametrize("length", [1.0, 5.0])
def test_share_and_length_of_bursts(length: float) -> None:
    _, _, random_now = play(Explorer(64, LENGTH, SIZE, action_persistence=length), 1000, 0.3)
    assert random_now.mean() == pytest.approx(0.3, abs=0.03)
    inside = np.arange(1, 1000) % LENGTH != 0
    stays = (random_now[1:] & random_now[:-1])[inside].sum() / random_now[:-1][inside].sum()
    # A burst goes on unless it ends (1 / length) and the next is not random (0.7).
    assert stays == pytest.approx(1.0 - 0.7 / length, abs=0.03)


def test_bursts_in_a_share_of_episodes() -> None:
    explorer = Explorer(200, LENGTH, SIZE, action_persistence=1000.0, beta=2.0)
    _, actions, random_now = play(explorer, LENGTH, 0.5, bursts=0.25)
    # In a burst nothing changes within the episode; elsewhere the choice is made anew at each step.
    same = (random_now == random_now[0]).all(axis=0)
    assert 0.15 < same.mean() < 0.35
    neighbours = (actions[1:] * actions[:-1]).mean(axis=(0, 2)) / (actions**2).mean()
    assert neighbours[same].mean() > 0.7 and abs(neighbours[~same].mean()) < 0.05


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_none_and_all(share: float) -> None:
    _, _, random_now = play(Explorer(3, LENGTH, SIZE), 120, share)
    assert (random_now == bool(share)).all()


def test_the_same_seed_gives_the_same_actions() -> None:
    first, second = (play(Explorer(2, LENGTH, SIZE, 5.0, 1.0), 130, 0.5) for _ in range(2))
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))
