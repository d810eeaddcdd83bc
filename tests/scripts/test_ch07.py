"""The script of chapter 07: every command at its smallest, its files, and what it refuses."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from analysis.reports import DataReport, TrainMeta, load, save
from common.errors import UserError
from configs.perturbations import ACTION, OBSERVATION, PARTS
from envs.task import Task

ROOT = Path(__file__).resolve().parents[2]
REACH = "FetchReach-v4"


@pytest.fixture
def script(load_script: Callable[[str], ModuleType], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.chdir(tmp_path)
    Path("checkpoints").mkdir()
    (tmp_path / "checkpoints/reference").symlink_to(ROOT / "checkpoints/reference")
    return load_script("ch07_robustness_curves")


def test_sweeps_write_curves_and_figures(script: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    sweep = script.chapter.commands["obs-sweep"]
    assert sweep(REACH, "white,dropout", grid="0,2", n_episodes=3) == 0
    data = load("runs/ch07/obs_reach.json", DataReport).data
    assert data["panels"].keys() == {"white", "dropout"}
    white = data["panels"]["white"]["curves"]
    assert white.keys() == {"policy", "scripted"} and white["policy"]["runs"][0]["name"] == f"{REACH}.zip"
    # 2 m of noise break everything, and the episodes without noise are solved.
    assert [point["successes"] for point in white["policy"]["pooled"]["success"]] == [3, 0]
    assert Path("runs/ch07/obs_reach.png").stat().st_size > 10_000
    kept = sorted(path.stat().st_mtime_ns for path in Path("runs/ch07/grid").iterdir())
    assert sweep(REACH, "white,dropout", grid="0,2", n_episodes=3) == 0
    assert kept == sorted(path.stat().st_mtime_ns for path in Path("runs/ch07/grid").iterdir())
    assert "2 m of noise" not in capsys.readouterr().err
    assert script.chapter.commands["act-sweep"](REACH, "delay", agent="", grid="0,1", n_episodes=2) == 0
    assert load("runs/ch07/act_reach.json", DataReport).data["panels"]["delay"]["curves"].keys() == {"policy"}


def test_clean_against_trained_under_noise(script: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    """The checkpoint that ships stands for both."""
    ships, folder = ROOT / f"checkpoints/reference/{REACH}", Path("sweeps/ch07_reach_noise")
    folder.mkdir(parents=True)
    for suffix in (".zip", ".meta.json"):
        for seed in (0, 1):
            (folder / f"true_goals_0.05_seed{seed}{suffix}").write_bytes(Path(f"{ships}{suffix}").read_bytes())
    assert script.chapter.commands["compare"](REACH, grid="0,0.05", n_episodes=3) == 0
    data = load("runs/ch07/compare_reach.json", DataReport).data
    assert data["curves"].keys() == {"clean", "true_goals_0.05"} == {"clean", *data["gains"]}
    gain = data["gains"]["true_goals_0.05"]
    assert gain["area"]["value"] == 0 and gain["improvement"]["value"] == 0.5
    assert "true_goals_0.05 minus clean: " in capsys.readouterr().out


def test_half_a_run_is_no_seed_of_a_curve(script: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    ships = load(ROOT / f"checkpoints/reference/{REACH}.meta.json", TrainMeta)
    for seed, status in enumerate(("finished", "interrupted", "running")):
        Path(f"checkpoints/sac_her_{REACH}_seed{seed}.zip").touch()
        save(f"checkpoints/sac_her_{REACH}_seed{seed}.meta.json", ships.model_copy(update={"status": status}))
    assert script.paths_of(None, REACH, script.DEFAULT) == [f"checkpoints/sac_her_{REACH}_seed0.zip"]
    assert "seed1.zip is left out: its run is interrupted" in capsys.readouterr().out


def test_training_under_noise_names_its_wrapper(script: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[Any, ...]] = []
    monkeypatch.setattr(script.chapter, "train", lambda *flags, out, mode: seen.append((*flags, out)))
    assert script.chapter.commands["train-robust"](std=0.03, true_goals=False, seeds="4-5", total_steps=500) == 0
    assert [row[-1] for row in seen] == [f"robust_push_noisy_goals_0.03_seed{seed}" for seed in (4, 5)]
    (wrap,) = [word for word in seen[0] if word.startswith("obs_noise")]
    assert Task(script.PUSH, (wrap,)) == Task(script.PUSH, ("obs_noise:std=0.03",))
    assert seen[0][seen[0].index("--total-steps") + 1] == "500"
    assert script.chapter.commands["train-robust"](std=0.01, alpha=0.3, seeds="2") == 0
    assert seen[-1][-1] == "robust_push_filter_0.3_true_goals_0.01_seed2"
    assert [word.partition(":")[0] for word in seen[-1] if ":" in word] == ["obs_noise", "obs_lowpass"]


def test_a_film_has_a_column_a_size(script: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """The frames are drawn elsewhere: what is filmed, in which order, and where it goes."""
    from envs import rendering, video

    filmed: list[tuple[Any, ...]] = []
    monkeypatch.setattr(rendering, "choose_backend", lambda: ("osmesa", {}))

    def film(make_policy: Any, task: Task, seeds: list[int], size: int, caption: str) -> list[list[str]]:
        filmed.append(task.wrappers)
        return [[f"{caption}, seed {seed}"] for seed in seeds]

    monkeypatch.setattr(video, "film", film)
    monkeypatch.setattr(video, "in_a_grid", lambda strips, columns: (columns, [strip[0] for strip in strips]))
    monkeypatch.setattr(video, "write_video", lambda path, frames: filmed.append((path, *frames)))
    assert script.chapter.commands["video"](REACH, sizes="0,0.05", seeds="3,4") == 0
    assert filmed[0] == () and filmed[1] == Task(REACH, ("obs_noise:std=0.05",)).wrappers
    rows = [f"noise {mm} mm, seed {seed}" for seed in (3, 4) for mm in (0, 50)]
    assert filmed[2] == ("runs/ch07/white_reach.gif", 2, rows)


@pytest.mark.parametrize("kind", [*OBSERVATION, *ACTION, *PARTS])
def test_every_perturbation_can_be_made(kind: str) -> None:
    perturbation = (OBSERVATION | ACTION | PARTS)[kind]
    filters = ("obs_lowpass:alpha=0.5",) if kind == "filtered" else ()
    assert perturbation.around(0) == filters, "the filter under test stays, only the noise goes"
    Task("FetchPush-v4", perturbation.around(2)).make().close()


@pytest.mark.parametrize(
    ("command", "arguments", "says"),
    [
        ("obs-sweep", {"kinds": "wite"}, "mean white"),
        ("obs-sweep", {"grid": "0,-0.1"}, "not negative"),
        ("obs-sweep", {"grid": "0,nan"}, "finite"),
        ("obs-sweep", {"grid": ""}, "expected numbers"),
        ("obs-sweep", {"n_episodes": 0}, "at least 1"),
        ("obs-sweep", {"env": REACH, "kinds": "white", "ckpts": str(ROOT / "checkpoints/reference/FetchPush-v4.zip")},
         "was trained on FetchPush-v4"),
        ("obs-sweep", {"env": REACH, "ckpts": "nothing.zip"}, "does not exist"),
        ("act-sweep", {"env": "FetchPush-v5"}, "no checkpoint of FetchPush-v5"),
        ("act-sweep", {"kinds": "white"}, "unknown perturbation 'white'"),
        ("compare", {"env": REACH}, "no policy of FetchReach-v4 trained under noise"),
        ("train-robust", {"seeds": "3-1"}, "runs backwards"),
    ],
)  # fmt: skip
def test_mistakes_are_told(script: ModuleType, command: str, arguments: dict[str, Any], says: str) -> None:
    with pytest.raises(UserError, match=says):
        script.chapter.commands[command](**arguments)
