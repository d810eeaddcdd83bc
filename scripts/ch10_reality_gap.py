"""Chapter 10: would it survive the real world? A checklist before hardware, and what makes a policy pass it.

    python scripts/ch10_reality_gap.py readiness --ckpt checkpoints/reference/FetchPush-v4.zip
    python scripts/ch10_reality_gap.py readiness --ckpt checkpoints/reference/FetchSlide-v4.zip   # should fail
    python scripts/ch10_reality_gap.py randomize --longer 0,1    # trained with and without: success robot by robot
    python scripts/ch10_reality_gap.py randomize --factors friction,lag --seeds 0          # one factor at a time
    python scripts/ch10_reality_gap.py augment                   # students from pixels under other cameras and lights
    python scripts/ch10_reality_gap.py sysid --retrain-steps 60000   # a robot from its logs, and a policy for it
    python scripts/ch10_reality_gap.py sysid-version    # what changed from MuJoCo 3.6 to 3.7, from logs (`record`)

Everything can be interrupted; the same command continues.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

from chapter import DEFAULT, Chapter, Mode

from analysis.reports import DataReport, TrainMeta, load
from common.errors import UserError
from common.files import meta_path, write_atomically
from common.seeds import parse_seeds

chapter = Chapter("ch10", "Would it survive the real world?")
ROBOT_36 = "results/ch10_arm_logs_mujoco_3.6.0.json"
PUSH, PUSH_ID = "checkpoints/reference/FetchPush-v4.zip", "FetchPush-v4"
FLAGS = ("--algo", "sac", "--her", "--threads", "1", "--eval-every", "8000")


def tell(found) -> None:
    """One point of a grid that is ready."""
    print(f"  {found.point.labels}: {sum(found.column('success'))} of {len(found.rows)}", flush=True)


def at_hand(ckpt: str, mode: Mode) -> str:
    """`ckpt`; in smoke mode, which keeps nothing, one that is trained for the occasion where there is none."""
    if not mode.smoke or Path(ckpt).exists():
        return ckpt
    chapter.train(*FLAGS[:-2], "--env", PUSH_ID, "--seed", "0", out="push", mode=mode)
    return str(chapter.file("push.zip", mode))


def counts_of(logs: str, mode: Mode) -> list[int]:
    """How many logs each identification gets. Raises `UserError`."""
    if min(counts := [1] if mode.smoke else parse_seeds(logs)) < 1:
        raise UserError("--logs: at least one log is needed.")
    return counts


@chapter.command
def readiness(ckpt: str = PUSH, n_episodes: int = 200, perturbed_episodes: int = 100, mode: Mode = DEFAULT) -> int:
    """The deployment checklist on any checkpoint: a report and a page, which say ready or not, and why."""
    from agents.acting import acting
    from agents.archive import read_meta, zip_path
    from analysis.readiness import verdict_text
    from analysis.readiness_page import page
    from evaluation.deployment import examine

    ckpt = at_hand(ckpt, mode)
    meta: TrainMeta = read_meta(zip_path(ckpt))
    many = (1, 1) if mode.smoke else (n_episodes, perturbed_episodes)
    data = examine(ckpt, meta.env_id, acting, *many, chapter.file("grid", mode), tell)
    print(verdict_text(data["policy"], data["verdict"]))
    name = f"readiness_{Path(ckpt).stem.lower()}"
    path = chapter.write(name, data, mode, env_id=meta.env_id, evaluation_protocol="deterministic policy, seeds from 0")
    write_atomically(html := path.with_suffix(".html"), page(load(path, DataReport)))
    print(f"page -> {html}")
    return 0


@chapter.command
def randomize(env: str = PUSH_ID, seeds: str = "0,1", factors: str | None = None, widths: str = "0.5,1",
              longer: str | None = None, clean: str | None = None, total_steps: int | None = None,
              n_episodes: int = 100, mode: Mode = DEFAULT) -> int:  # fmt: skip
    """Policies trained with and without randomised robots, over robots at the ends of each factor's range.

    `widths`: shares of the ranges, an arm with all factors each. `longer`: seeds of one more arm, the whole ranges for
    twice the steps. `clean`: prefix of finished checkpoints of the recipe, PREFIX0.zip and so on, instead of training.
    """
    from agents.acting import acting
    from analysis.plots import save_figure
    from analysis.randomization import robots_figure, summary, table_text
    from evaluation.randomized import meet, runs_of

    seeds, longer, clean = ("0", None, None) if mode.smoke else (seeds, longer, clean)
    trained, steps = [], {}
    for run in runs_of(factors, widths, seeds, longer):
        path = f"{clean}{run.seed}.zip" if clean and run.arm == "clean" else ""
        if not path:
            length = total_steps if run.times == 1 or total_steps is not None else steps["clean"]
            flags = [*FLAGS, "--env", env, *(["--wrap", run.wrap] if run.wrap else []), "--seed", str(run.seed),
                     *([] if length is None or mode.smoke else ["--total-steps", str(run.times * length)])]  # fmt: skip
            chapter.train(*flags, out=f"{env}_{run.name}", mode=mode)
            path = str(chapter.file(f"{env}_{run.name}.zip", mode))
        steps[run.arm] = load(meta_path(path), TrainMeta).steps
        trained.append((run.arm, run.seed, path))
    episodes, ends = (1, 1) if mode.smoke else (n_episodes, None)
    data = meet(trained, env, episodes, acting, chapter.file("grid", mode), tell, ends)
    print(table_text(data["rows"]))
    data |= {"steps": steps, "summary": summary(data["rows"])}
    save_figure(robots_figure(data["rows"]), str(chapter.file(f"randomize_{env.lower()}.png", mode)))
    chapter.write(f"randomize_{env.lower()}", data, mode, env_id=env)
    return 0


@chapter.command
def augment(augmentations: str = "none,shift,crop,jitter", students: str | None = None, seeds: str = "0,1",
            total_steps: int | None = None, n_episodes: int = 100, mode: Mode = DEFAULT) -> int:  # fmt: skip
    """Students of Push from pixels, one for each augmentation and seed, under changed cameras, lights and colours.

    `students`: prefixes of finished ones (NAME=PREFIX, joined by commas); the others are trained as in chapter 09.
    """
    from analysis.plots import save_figure
    from analysis.randomization import robots_figure, table_text
    from evaluation.visual import SHIFTS, arms_of, look, student_flags

    augmentations, seeds, students = ("shift", "0", None) if mode.smoke else (augmentations, seeds, students)
    trained = []
    for name, prefix in arms_of(augmentations, students).items():
        for seed in parse_seeds(seeds):
            out = f"{PUSH_ID}_student_{name}_seed{seed}"
            if not prefix:
                chapter.train(*student_flags(name, seed, total_steps, mode.smoke), out=out, mode=mode)
            trained.append((name, seed, f"{prefix}{seed}.zip" if prefix else str(chapter.file(f"{out}.zip", mode))))
    shifts, episodes = (dict(list(SHIFTS.items())[:2]), 1) if mode.smoke else (SHIFTS, n_episodes)
    data = look(trained, PUSH_ID, episodes, chapter.file("grid", mode), tell, shifts)
    print(table_text(data["rows"]))
    save_figure(robots_figure(data["rows"]), str(chapter.file("augment.png", mode)))
    chapter.write("augment", data, mode, env_id=PUSH_ID)
    return 0


@chapter.command
def sysid(ckpt: str = PUSH, env: str = PUSH_ID, logs: str = "1,2,4,8", validation: int = 8, n_episodes: int = 100,
          retrain_steps: int | None = None, mode: Mode = DEFAULT) -> int:  # fmt: skip
    """Sim to sim: a robot identified from its logs, and policies on it: as trained, and after `retrain_steps` there."""
    from agents.acting import acting
    from analysis.identification import sysid_figure, table_text
    from analysis.plots import save_figure
    from evaluation.sim_to_sim import on_the_robot, rehearse

    ckpt, episodes = at_hand(ckpt, mode), 1 if mode.smoke else n_episodes
    data = rehearse(ckpt, env, counts_of(logs, mode), 1 if mode.smoke else validation)
    for row in data["rows"]:
        print(f"{row['logs']} logs of each kind:\n{table_text(row)}")
    paths = {"as trained": ckpt}
    if retrain_steps:
        flags = [*FLAGS, "--env", env, "--wrap", data["wrap"], "--seed", "0", "--total-steps", str(retrain_steps)]
        chapter.train(*flags[: None if not mode.smoke else -2], out=f"{env}_identified_seed0", mode=mode)
        paths["trained on the identified robot"] = str(chapter.file(f"{env}_identified_seed0.zip", mode))
    data["policies"] = on_the_robot(paths, env, episodes, acting, chapter.file("grid", mode))
    for name, rates in data["policies"].items():
        print(f"  {name}: " + ", ".join(f"{k} {v['successes']} of {v['n']}" for k, v in rates.items()))
    save_figure(sysid_figure(data["rows"]), str(chapter.file("sysid.png", mode)))
    chapter.write("sysid", data, mode, env_id=env)
    return 0


@chapter.command
def record(env: str = PUSH_ID, mode: Mode = DEFAULT) -> int:
    """Logs of an arm in the air, moved by the MuJoCo that is installed, for `sysid-version` under another one."""
    from evaluation.version_gap import arm_logs

    chapter.write(f"arm_logs_mujoco_{(data := arm_logs(env))['mujoco']}", data, mode, env_id=env)
    return 0


@chapter.command("sysid-version")
def sysid_version(robot: str = ROBOT_36, ckpt: str = PUSH, logs: str = "1,2,4", n_episodes: int = 100,
                  mode: Mode = DEFAULT) -> int:  # fmt: skip
    """Another version of MuJoCo plays the robot: which change explains the logs `robot`, and what a policy loses."""
    from agents.acting import acting
    from analysis.identification import version_figure
    from analysis.plots import save_figure
    from evaluation.sim_to_sim import on_the_robot
    from evaluation.version_gap import VERSIONS, explain

    counts, report = counts_of(logs, mode), load(robot, DataReport)
    data, keep = explain(report.data, counts), chapter.file("grid", mode)
    episodes = 1 if mode.smoke else n_episodes
    data["policy"] = on_the_robot({"policy": at_hand(ckpt, mode)}, PUSH_ID, episodes, acting, keep, VERSIONS)
    save_figure(version_figure(data), str(chapter.file("sysid_version.png", mode)))
    chapter.write("sysid_version", data, mode, env_id=report.env_id)
    return 0


@chapter.command("all")
def run_all(mode: Mode = DEFAULT) -> int:
    """Readiness of a policy that is good and of one that is not, identification, and randomisation."""
    slide = "checkpoints/reference/FetchSlide-v4.zip"
    steps = {"readiness": partial(readiness, mode=mode), "readiness-slide": partial(readiness, slide, mode=mode),
             "sysid": partial(sysid, mode=mode.private), "sysid-version": partial(sysid_version, mode=mode),
             "randomize": partial(randomize, mode=mode.private), "augment": partial(augment, mode=mode)}  # fmt: skip
    return chapter.run_all(steps, mode)  # of what is private the page shows more


if __name__ == "__main__":
    chapter.main()
