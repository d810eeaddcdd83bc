"""How exploring actions are chosen: the policy's own noise, and random actions with some probability.

Both may be correlated in time. Independent noise only jitters the gripper around its path;
correlated ("coloured") noise carries it somewhere, so that it meets an object more often and pushes it further.

Sources: random actions in hindsight learning, Andrychowicz et al. 2017 (arXiv:1707.01495), section 4.4; coloured noise,
Eberhard et al. 2023, "Pink Noise Is All You Need", made as in Timmer & König 1995.
"""

from __future__ import annotations

import numpy as np
import torch


def coloured_noise(generator: np.random.Generator, rows: int, length: int, size: int, colour: float) -> np.ndarray:
    """Standard normal noise (rows, length, size) whose power falls with frequency as 1/f^colour; 0 is white, 1 pink."""
    if colour == 0:
        return generator.standard_normal((rows, length, size))
    # Twice as long as asked for: a sequence made from Fourier coefficients ends where it began.
    frequencies = np.fft.rfftfreq(2 * length)
    frequencies[0] = frequencies[1]
    # S(f) ∝ f^−colour, so amplitudes ∝ f^(−colour/2)
    amplitudes = frequencies ** (-colour / 2)
    shape = (rows, size, len(frequencies))
    spectrum = (generator.standard_normal(shape) + 1j * generator.standard_normal(shape)) * amplitudes
    # The two coefficients that are their own conjugates are real, with the power of both parts.
    for own in (0, -1):
        spectrum[..., own] = spectrum[..., own].real * np.sqrt(2.0)
    noise = np.fft.irfft(spectrum, 2 * length)[..., :length]
    # Var = Σ |c|² over all frequencies, each counted with its conjugate
    power = 2.0 * amplitudes**2
    variance = (2.0 * power[1:-1].sum() + power[0] + power[-1]) / (2 * length) ** 2
    return (noise / np.sqrt(variance)).transpose(0, 2, 1)


class Explorer:
    """Noise and random actions for `n_envs` environments with episodes of at most `length` steps.

    `action_persistence`: for how many steps the choice between random and policy holds, on average.
    `beta`: exponent of the random actions' spectrum, see `coloured_noise`; the policy's noise is white.
    """

    def __init__(
        self, n_envs: int, length: int, size: int, action_persistence: float = 1.0, beta: float = 0.0,
    ):  # fmt: skip
        self.n_envs, self.length, self.size = n_envs, length, size
        self.action_persistence, self.beta = action_persistence, beta
        self.begin()

    def begin(self) -> None:
        """All environments were reset."""
        self.steps = np.full(self.n_envs, self.length)
        self.random_now, self.bursts = np.zeros(self.n_envs, bool), np.zeros(self.n_envs, bool)
        self.noise = np.zeros((self.n_envs, self.length, self.size))

    def ended(self, dones: np.ndarray) -> None:
        """Episodes that ended get new noise; `dones` (n,)."""
        self.steps[dones] = self.length

    def draw(
        self, generator: np.random.Generator, share: float, bursts: float = 1.0
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """One step of all environments, of which `share` is random; a share `bursts` of new episodes has bursts.

        Returns the policy's noise (n, A), standard normal, and random actions (n, A), uniform in [−1, 1], both float32,
        and where to take the random action, (n,) bool.
        """
        fresh = np.flatnonzero(self.steps >= self.length)
        if len(fresh):
            self.steps[fresh] = 0
            self.bursts[fresh] = chosen = generator.random(len(fresh)) < bursts
            for rows, colour in ((fresh[chosen], self.beta), (fresh[~chosen], 0.0)):
                self.noise[rows] = coloured_noise(generator, len(rows), self.length, self.size, colour)
            self.random_now[fresh] = generator.random(len(fresh)) < share
        rows = np.arange(self.n_envs)
        other = self.noise[rows, self.steps]
        noise = generator.standard_normal((self.n_envs, self.size))
        # A burst ends with probability 1 / length, and the next is random with the share asked for.
        changes = generator.random(self.n_envs) < np.where(self.bursts, 1.0 / self.action_persistence, 1.0)
        again = generator.random(self.n_envs) < share
        self.random_now = np.where(changes, again, self.random_now)
        self.steps += 1
        # Φ(z) of a standard normal z is uniform, so the marginal is the same for every colour.
        uniform = 2.0 * torch.special.ndtr(torch.from_numpy(other)).numpy() - 1.0
        return noise.astype(np.float32), uniform.astype(np.float32), self.random_now
