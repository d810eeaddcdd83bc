"""The benchmark: everybody is timed in turn, and the first round does not count."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

from common.errors import UserError


@pytest.fixture
def script(load_script: Callable[[str], ModuleType]) -> ModuleType:
    return load_script("benchmark")


def test_in_turn_takes_the_median_after_a_first_round(script: ModuleType) -> None:
    calls: list[str] = []

    def contestant(name: str, speeds: list[float]) -> Callable[[], float]:
        def run() -> float:
            calls.append(name)
            return speeds.pop(0)

        return run

    speeds = script.in_turn({"a": contestant("a", [1000.0, 3.0, 1.0, 2.0]), "b": contestant("b", [0.0, 5, 5, 9])}, 3)
    assert speeds == {"a": 2.0, "b": 5.0}
    assert calls == ["a", "b"] * 4


def test_simulation_times_all_contestants_for_real(script: ModuleType) -> None:
    """Two environments each: to start sixteen processes would take longer than all that is timed."""
    config = script.BenchmarkConfig(env="FetchReach-v4", rounds=1, n_envs=2)
    speeds = script.simulation(config, 100)
    assert list(speeds) == ["one_upstream", "DummyVecEnv", "SubprocVecEnv", "ours", "physics"]
    assert all(speed > 1 for speed in speeds.values())


def test_a_speed_is_steps_of_all_environments_in_a_second(script: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    class Vector:
        """Eight environments, a quarter of a second a step."""

        num_envs, now, shapes = 8, 0.0, set()

        def seed(self, seed: int) -> None:
            self.now += 100.0

        def reset(self) -> None:
            self.now += 100.0

        def step(self, action: Any) -> None:
            self.now += 0.25
            self.shapes.add(action.shape)

    vector = Vector()
    monkeypatch.setattr(script.time, "perf_counter", lambda: vector.now)
    assert script.step_speed(vector, 800) == 8 / 0.25 and vector.shapes == {(8, 4)}
    assert vector.now == 200.0 + 100 * 0.25
    # At least a whole episode, however few steps are asked for.
    script.step_speed(vector, 10)
    assert vector.now == 425.0 + 50 * 0.25


@pytest.mark.parametrize("wrong", [{"rounds": 0}, {"n_envs": 0}, {"episodes": 0}])
def test_nothing_to_time_is_a_mistake(script: ModuleType, wrong: dict[str, int]) -> None:
    with pytest.raises(UserError, match="at least 1"):
        script.benchmark(script.BenchmarkConfig(**wrong))


def test_ratios_are_of_the_best_of_each(script: ModuleType) -> None:
    quiet = {
        "sb3_1_threads": 60.0, "sb3_2_threads": 80.0, "autograd_1_threads": 90.0, "blas_1_threads": 100.0,
        "blas_2_threads": 160.0, "onednn_1_threads": 200.0, "onednn_2_threads": 240.0, "sbx_1_threads": 100.0,
        "sbx_2_threads": 160.0,
    }  # fmt: skip
    ratios = script.update_ratios(quiet, {"blas_2_threads": 10.0, "onednn_1_threads": 120.0})
    assert ratios == {
        "update_vs_sb3": 3.0, "update_vs_readable": 240 / 90, "update_vs_sbx": 1.5, "update_vs_sbx_one_core": 2.0,
        "update_beside_a_busy_process": 0.6,
    }  # fmt: skip
    faster = script.update_ratios(quiet | {"bf16_1_threads": 250.0}, quiet)
    assert (faster["update_bf16_vs_sbx_one_core"], faster["update_vs_sbx_one_core"]) == (2.5, 2.0)
    alone = {name: speed for name, speed in quiet.items() if not name.startswith("sbx")}
    assert "update_vs_sbx" not in script.update_ratios(alone, alone)


def test_a_guest_that_is_not_there_takes_no_part(script: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    """This Python has no EnvPool of its own."""
    import sys

    config = script.BenchmarkConfig(guest_python=sys.executable, smoke=True)
    with script.guests(config, "envpool", 100) as others:
        assert others == {}
    assert "envpool does not run in" in capsys.readouterr().err
