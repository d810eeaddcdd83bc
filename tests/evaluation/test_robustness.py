"""Curves over checkpoints that were trained behind wrappers."""

from pathlib import Path

from agents.archive import read_meta, zip_path
from configs.perturbations import OBSERVATION
from evaluation.robustness import filters_of, points_of
from train import TrainConfig, run

ENV = "FetchReach-v4"


def test_a_filter_of_training_belongs_to_the_policy_and_its_noise_does_not(tmp_path: Path) -> None:
    out = str(tmp_path / "w")
    wrap = ("obs_noise:std=0.01,true_goals=true", "obs_lowpass:alpha=0.3")
    run(TrainConfig(algo="sac", her=True, env=ENV, smoke=True, out=out, wrap=wrap))
    agent = str(zip_path(out))
    (filtered,) = filters_of(agent)
    assert filtered in read_meta(zip_path(out)).config["wrap"] and "alpha=0.3" in filtered
    clean, noisy = points_of(agent, ENV, OBSERVATION["white"], [0.0, 0.02])
    assert clean.subject().task.wrappers == (filtered,)
    # The filter stands after the noise.
    assert [text.partition(":")[0] for text in noisy.subject().task.wrappers] == ["obs_noise", "obs_lowpass"]
    assert "true_goals=false" in noisy.subject().task.wrappers[0], "no clean copy is left"
    assert points_of("scripted", ENV, OBSERVATION["white"], [0.02])[0].wrap == ("obs_noise:std=0.02",)
