"""Figures: what is drawn is what the data say, and what cannot be drawn is said in one line."""

from __future__ import annotations

import re
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from analysis import plots, reports
from analysis.logs import evaluations, read_log
from analysis.reports import EvalReport
from common.errors import UserError


def size(path: Path) -> tuple[int, int]:
    """Width and height in a PNG's header (PNG specification, 11.2.2)."""
    data = path.read_bytes()
    assert data[:8] == b"\x89PNG\r\n\x1a\n" and data[12:16] == b"IHDR"
    return struct.unpack(">II", data[16:24])


@pytest.fixture
def log(tmp_path: Path, evaluation_line: Callable[..., str]) -> Path:
    path = tmp_path / "run.metrics.jsonl"
    # The first five of 20 episodes began solved; a kill cut the last line.
    path.write_text("\n".join(evaluation_line(600 * i, 5 * i, net=15) for i in range(4)) + '\n{"kind": "ev')
    return path


@pytest.fixture
def report(make_report: Callable, make_episode: Callable) -> EvalReport:
    episodes = [make_episode(i, True, final_distance=0.004 * i, time_to_success=3 * i + 1) for i in range(12)]
    episodes += [make_episode(12 + i, False, final_distance=0.1 + 0.03 * i) for i in range(7)]
    episodes += [make_episode(19, True, solved_at_reset=True, time_to_success=0)]
    return make_report(episodes)


def test_a_curve_is_its_log(log: Path) -> None:
    run = evaluations(read_log(log))
    (axes,) = plots.curve_figure({"run": run}).axes
    (line,) = axes.get_lines()
    assert line.get_xydata().tolist() == [[0, 0], [600, 25], [1200, 50], [1800, 75]]
    assert line.get_label() == "run" and axes.get_xlabel() == "environment steps"
    band = axes.collections[0].get_paths()[0].vertices[:, 1]
    assert band.min() == pytest.approx(0.0) and band.max() == pytest.approx(100 * run[-1].success.high)
    assert "n = 20 episodes a point" in axes.get_title()


def test_a_curve_over_minutes_and_without_those_solved_at_reset(log: Path) -> None:
    run = evaluations(read_log(log))
    (axes,) = plots.curve_figure({"run": run}, x="minutes", net=True).axes
    # 600 steps take 6 s here; 15 episodes are counted.
    assert axes.get_lines()[0].get_xdata() == pytest.approx([0, 0.1, 0.2, 0.3])
    assert axes.get_xlabel() == "training time (minutes)"
    assert "n = 15 episodes a point, those solved at reset left out" in axes.get_title()


def test_every_run_has_its_own_line(log: Path) -> None:
    run = evaluations(read_log(log))
    (axes,) = plots.curve_figure({f"seed {i}": run for i in range(9)}).axes
    looks = {(line.get_color(), line.get_linestyle()) for line in axes.get_lines()}
    assert len(looks) == len(axes.get_lines()) == len(axes.collections) == 9


def test_a_run_without_an_evaluation_is_named(log: Path) -> None:
    with pytest.raises(UserError, match="fresh has no evaluation yet"):
        plots.curve_figure({"run": evaluations(read_log(log)), "fresh": []})


def test_a_distribution_counts_every_episode_once(report: EvalReport) -> None:
    figure = plots.distribution_figure("policy", report)
    left, right = figure.axes
    assert sum(patch.get_height() for patch in left.patches) == 20
    assert sum(patch.get_height() for patch in right.patches) == 20
    legends = [[text.get_text() for text in axes.get_legend().get_texts()] for axes in figure.axes]
    assert sorted(legends[0]) == ["inside: 13", "outside: 7", "threshold 5 cm"]
    assert sorted(legends[1]) == ["never solved: 7", "solved at reset: 1", "solved later: 12"]
    assert left.get_lines()[0].get_xdata() == pytest.approx([5, 5])
    # The threshold is the edge of a bin, so that no bar mixes the two sides.
    edges = {round(patch.get_x(), 9) for patch in left.patches}
    assert 5.0 in edges
    assert "n = 20" in left.get_title() and "n = 20, 13 ever solved" in right.get_title()
    assert "13 of 20 = 65.0% [43.3, 81.9]" in figure.get_suptitle()


@pytest.mark.parametrize(
    ("distances", "inside", "threshold"),
    [
        ([0.01, 0.2], [True, False], 0.05),
        ([0.01], [True], 0.05),
        ([0.2], [False], 0.05),
        ([0.03, 0.02], [False, True], 0.025),
        ([0.08, 0.09], [True, False], 0.085),
        ([0.08], [True], 0.08),
    ],
)
def test_threshold_is_what_the_episodes_were_judged_by(
    make_report: Callable, make_episode: Callable, distances: list[float], inside: list[bool], threshold: float
) -> None:
    pairs = enumerate(zip(distances, inside, strict=True))
    episodes = [make_episode(i, flag, final_distance=distance) for i, (distance, flag) in pairs]
    assert plots.distance_threshold(make_report(episodes)) == pytest.approx(threshold)


@pytest.mark.parametrize("distance", [0.0, 0.049, 3.0, 250.0])
def test_a_distribution_of_odd_reports(make_report: Callable, make_episode: Callable, distance: float) -> None:
    inside = distance < 0.05
    episode = make_episode(0, inside, final_distance=distance, length=1, time_to_success=1 if inside else None)
    left, right = plots.distribution_figure("odd", make_report([episode])).axes
    assert sum(patch.get_height() for patch in left.patches) == sum(patch.get_height() for patch in right.patches) == 1
    assert len(left.patches) < 400
    with pytest.raises(UserError, match="empty has no episodes"):
        plots.distribution_figure("empty", make_report([]))


def test_compare_draws_rates_intervals_and_every_distance(report: EvalReport, make_report: Callable) -> None:
    other = make_report(report.episodes[:10], env_id="FetchReach-v4")
    figure = plots.compare_figure({"a": report, "b": other})
    left, right = figure.axes
    texts = [text.get_text() for text in left.texts]
    assert texts == ["13 of 20 = 65.0% [43.3, 81.9]", "10 of 10 = 100.0% [72.2, 100.0]"]
    assert [len(points.get_offsets()) for points in right.collections] == [20, 10]
    drawn = np.sort(np.asarray(right.collections[0].get_offsets())[:, 0])
    assert drawn[0] == pytest.approx(0.01) and drawn[-1] == pytest.approx(28.0)
    assert [label.get_text() for label in left.get_yticklabels()] == ["a\nFetchPush-v4", "b\nFetchReach-v4"]
    assert "n = 10 to 20 episodes" in left.get_title()
    with pytest.raises(UserError, match="empty has no episodes"):
        plots.compare_figure({"a": report, "empty": make_report([])})


def test_commands_write_figures_of_readable_size(
    tmp_path: Path, log: Path, report: EvalReport, capsys: pytest.CaptureFixture[str]
) -> None:
    reports.save(tmp_path / "r.json", report)
    one, out = str(tmp_path / "r.json"), str(tmp_path / "figures" / "out.png")
    curve = ["curve", str(log), str(log), "--net", "--x", "minutes"]
    for command in (curve, ["distribution", one], ["compare", one, one]):
        assert plots.main([*command, "--out", out]) == 0
        assert capsys.readouterr().out == f"{out}\n"
        width, height = size(Path(out))
        assert 800 <= width <= 1400 and 300 <= height <= 1000
        first = Path(out).read_bytes()
        assert plots.main([*command, "--out", out]) == 0 and Path(out).read_bytes() == first
        capsys.readouterr()


def test_mistakes_are_one_line_and_write_nothing(
    tmp_path: Path, log: Path, report: EvalReport, capsys: pytest.CaptureFixture[str]
) -> None:
    reports.save(tmp_path / "r.json", report)
    out = str(tmp_path / "out.png")
    for arguments in (
        ["curve", str(tmp_path / "missing.jsonl"), "--out", out],
        ["curve", str(tmp_path / "r.json"), "--out", out],
        ["distribution", str(log), "--out", out],
        ["compare", str(tmp_path / "r.json"), str(tmp_path / "missing.json"), "--out", out],
        ["distribution", str(tmp_path / "r.json"), "--out", str(tmp_path / "out.pdf")],
        ["distribution", str(tmp_path / "r.json"), "--out", str(tmp_path / "r.json" / "out.png")],
    ):
        assert plots.main(arguments) == 2
        assert re.fullmatch(r"error: [^\n]+\n", capsys.readouterr().err)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["r.json", "run.metrics.jsonl"]


def test_help_waits_for_no_plotting_library(root: Path) -> None:
    code = "import sys, analysis.plots, analysis.compare; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=root, timeout=60, check=False).returncode == 0


def test_no_global_state_of_the_plotting_library(root: Path, tmp_path: Path, log: Path, report: EvalReport) -> None:
    reports.save(tmp_path / "r.json", report)
    code = """if True:
        import sys
        from analysis import plots
        log, report, out = sys.argv[1:]
        for command in (["curve", log], ["distribution", report], ["compare", report]):
            assert plots.main([*command, "--out", out]) == 0
        # Importing pyplot would choose a window system, and keep every figure alive.
        sys.exit("matplotlib.pyplot" in sys.modules)
    """
    arguments = [str(log), str(tmp_path / "r.json"), str(tmp_path / "r.png")]
    done = subprocess.run([sys.executable, "-W", "error", "-c", code, *arguments], cwd=root, timeout=60, check=False)
    assert done.returncode == 0
