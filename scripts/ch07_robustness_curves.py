"""Chapter 07: where does it break? Success against errors of sensors and actions, and training under noise.

    python scripts/ch07_robustness_curves.py obs-sweep --env FetchPush-v4            # seven perturbations of sensors
    python scripts/ch07_robustness_curves.py part-sweep                              # one sensor alone, at 20 mm
    python scripts/ch07_robustness_curves.py act-sweep --env FetchPush-v4            # noise, pull and delay of actions
    python scripts/ch07_robustness_curves.py baseline                                # the scripted controllers alone
    python scripts/ch07_robustness_curves.py train-robust --std 0.01 --alpha 0.3     # SAC and HER under noise, filtered
    python scripts/ch07_robustness_curves.py video --sizes 0,0.02,0.05               # one policy, rising noise
    python scripts/ch07_robustness_curves.py compare --env FetchPush-v4              # clean and trained under noise

A curve has 100 held-out episodes a point and training seed, the same ones everywhere. Every point that is evaluated is
kept under `runs/ch07/grid/`; the same command continues. `configs/perturbations.py` lists the perturbations.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from chapter import DEFAULT, Chapter, Mode

from analysis.robustness import compared, gains_text, read_grid, tables_of
from analysis.runs import finished
from common.errors import UserError
from common.seeds import parse_seeds
from configs.perturbations import ACTION, OBSERVATION, PARTS, Perturbation, chosen

chapter = Chapter("ch07", "Where does it break?")
REACH, PUSH, PICK = "FetchReach-v4", "FetchPush-v4", "FetchPickAndPlace-v4"
# Where the runs of the chapter's sweeps and of `train-robust` end; the part before `_seed` names the curve.
ROBUST = ("sweeps/ch07_{task}_*/*.zip", "runs/ch07/robust_{task}_*.zip")


def short(env: str) -> str:
    """`push` of `FetchPush-v4`."""
    return env.removeprefix("Fetch").split("-")[0].lower()


def paths_of(text: str | None, env: str, mode: Mode) -> list[str]:
    """Checkpoints named between commas; or those of the recipe, one a training seed; or the one that ships."""
    if text:
        return [part.strip() for part in text.split(",")]
    found = finished(Path("checkpoints").glob(f"sac_her_{env}_seed*.zip"))
    found = found or [str(path) for path in [Path("checkpoints/reference", f"{env}.zip")] if path.exists()]
    if not found and mode.smoke:
        chapter.train("--algo", "sac", "--her", "--env", env, out=f"tiny_{short(env)}", mode=mode)
        found = [str(chapter.file(f"tiny_{short(env)}.zip", mode))]
    if not found:
        raise UserError(f"no checkpoint of {env}; train one: python train.py --algo sac --her --env {env} --seed 0")
    return found


def curves_of(agents: dict[str, list[str]], env: str, kind: Perturbation, grid: list[float], n_episodes: int,
              mode: Mode) -> dict[str, Any]:  # fmt: skip
    """The curves of `evaluation.robustness.curves_of`, on all cores; points are kept among the chapter's files."""
    from agents.acting import acting
    from evaluation.robustness import curves_of as measured

    return measured(agents, env, kind, grid, n_episodes, acting, chapter.file("grid", mode))


def sweep(kinds: dict[str, Perturbation], env: str, ckpts: str | None, agent: str, grid: str | None, n_episodes: int,
          mode: Mode, name: str) -> int:  # fmt: skip
    """All `kinds` for the policies and the controller `agent` (none where it is empty): report and figure."""
    from analysis.plots import save_figure
    from analysis.robustness_figures import curves_figure

    grids = {key: read_grid(kind.grid if grid is None else grid, "--grid", kind.whole) for key, kind in kinds.items()}
    if n_episodes < 1:
        raise UserError(f"--n-episodes {n_episodes}: must be at least 1.")
    if mode.smoke:
        n_episodes, grids = 2, {key: values[:: len(values) - 1] for key, values in list(grids.items())[:2]}
    agents = {"policy": paths_of(ckpts, env, mode)} | ({agent: [agent]} if agent else {})
    panels = {key: curves_of(agents, env, kinds[key], values, n_episodes, mode) for key, values in grids.items()}
    about = {f"{key}: {panel['about']}": panel for key, panel in panels.items()}
    figure = curves_figure(about, f"{env}: thick lines are means over training seeds, thin lines each seed")
    save_figure(figure, str(chapter.file(f"{name}_{short(env)}.png", mode)))
    chapter.write(f"{name}_{short(env)}", {"env": env, "n_episodes": n_episodes, "panels": panels}, mode, env_id=env)
    return 0


def one_sweep(name: str, known: dict[str, Perturbation], what: str) -> Any:
    """Make the subcommand NAME-sweep over perturbations of one kind."""

    def command(
        env: str = PUSH, kinds: str = ",".join(known), ckpts: str | None = None, agent: str = "scripted",
        grid: str | None = None, n_episodes: int = 100, mode: Mode = DEFAULT,
    ) -> int:  # fmt: skip
        return sweep(chosen(kinds, known, "--kinds"), env, ckpts, agent, grid, n_episodes, mode, name)

    command.__doc__ = what
    return chapter.command(f"{name}-sweep")(command)


obs_sweep = one_sweep("obs", OBSERVATION, "Errors of sensors: four kinds of noise, a filter, a clean copy, dropouts.")
act_sweep = one_sweep("act", ACTION, "Errors of actions: white noise, a constant pull, delay.")
one_sweep("part", PARTS, "One sensor alone errs, as much as it does among all of them: which one is it?")


@chapter.command
def baseline(envs: str = f"{REACH},{PUSH},{PICK}", kinds: str = "white,action,delay", agent: str = "scripted",
             n_episodes: int = 100, mode: Mode = DEFAULT) -> int:  # fmt: skip
    """A controller alone, on the same episodes as the policies."""
    known = chosen(kinds, OBSERVATION | ACTION, "--kinds")
    n_episodes, envs, panels = (2, REACH, {}) if mode.smoke else (n_episodes, envs, {})
    for env in envs.split(","):
        for key, kind in known.items():
            grid = read_grid(kind.grid, "--grid", kind.whole)[: 2 if mode.smoke else None]
            panels[f"{short(env)} {key}"] = curves_of({agent: [agent]}, env, kind, grid, n_episodes, mode)
    chapter.write("baseline", {"agent": agent, "panels": panels}, mode)
    return 0


@chapter.command
def train_robust(env: str = PUSH, std: float = 0.02, mixed: bool = False, true_goals: bool = True, alpha: float = 1.0,
                 seeds: str = "0", total_steps: int | None = None, mode: Mode = DEFAULT) -> int:  # fmt: skip
    """SAC and hindsight with the recipe of the task, under observation noise; nothing else is changed.

    `alpha` below 1 puts a low-pass filter between noise and policy, for training and for good.
    """
    goals = "true" if true_goals else "noisy"
    behind = f"filter_{alpha:g}_" if alpha != 1 else ""
    wrap = f"obs_noise:std={std:g},mixed={str(mixed).lower()},true_goals={str(true_goals).lower()}"
    flags = ["--algo", "sac", "--her", "--env", env, "--wrap", wrap]
    flags += ["--wrap", f"obs_lowpass:alpha={alpha:g}"] if behind else []
    flags += ["--total-steps", str(total_steps)] if total_steps is not None else []
    for seed in parse_seeds(seeds)[: 1 if mode.smoke else None]:
        out = f"robust_{short(env)}_{behind}{'mixed' if mixed else goals + '_goals'}_{std:g}_seed{seed}"
        chapter.train(*flags, "--seed", str(seed), out=out, mode=mode)
    return 0


@chapter.command
def compare(env: str = PUSH, kind: str = "white", ckpts: str | None = None, robust: str | None = None,
            grid: str | None = None, n_episodes: int = 100, mode: Mode = DEFAULT) -> int:  # fmt: skip
    """Clean policies against those trained under noise: area, critical size, cost, P(improvement).

    A filter that a policy was trained behind is part of it and stays; of other wrappers of training nothing does.
    """
    from analysis.plots import save_figure
    from analysis.robustness_figures import curves_figure

    (perturbation,) = chosen(kind, OBSERVATION | ACTION, "--kind").values()
    values = read_grid(perturbation.grid if grid is None else grid, "--grid", perturbation.whole)
    clean, globs = paths_of(ckpts, env, mode), [glob.format(task=short(env)) for glob in ROBUST]
    files = robust.split(",") if robust else finished(path for glob in globs for path in Path().glob(glob))
    if mode.smoke:
        n_episodes, values, files = 2, [values[0], values[-1]], files or clean
    if not files:
        raise UserError(f"no policy of {env} trained under noise; train some with train-robust, or give --robust.")
    groups: dict[str, list[str]] = {"clean": clean}
    for file in files:
        groups.setdefault("again" if file in clean else Path(file).stem.rsplit("_seed", 1)[0], []).append(file)
    panel = curves_of(groups, env, perturbation, values, n_episodes, mode)
    tables = {name: tables_of(curve) for name, curve in panel["curves"].items()}
    gains = {name: compared(values, table, tables["clean"]) for name, table in tables.items() if name != "clean"}
    print(gains_text(gains))
    save_figure(curves_figure({perturbation.about: panel}, env), str(chapter.file(f"compare_{short(env)}.png", mode)))
    chapter.write(f"compare_{short(env)}", panel | {"gains": gains, "n_episodes": n_episodes}, mode, env_id=env)
    return 0


@chapter.command
def video(env: str = PUSH, ckpt: str | None = None, sizes: str = "0,0.01,0.02,0.05", kind: str = "white",
          seeds: str = "1,2", mode: Mode = DEFAULT) -> int:  # fmt: skip
    """A film of one policy under a rising perturbation: a column a size, a row an episode."""
    from envs.rendering import choose_backend
    from envs.video import film, in_a_grid, write_video
    from evaluation.grid import Point

    (perturbation,) = chosen(kind, OBSERVATION | ACTION, "--kind").values()
    if choose_backend()[0] is None:
        raise UserError("this machine renders with neither EGL nor OSMesa; python scripts/doctor.py names the fix.")
    values, agent = read_grid(sizes, "--sizes", perturbation.whole), paths_of(ckpt, env, mode)[0]
    strips, size = [], 60 if mode.smoke else 160
    for value in values[: 2 if mode.smoke else None]:
        subject = Point(agent, env, perturbation.around(value), trained_wraps=not agent.endswith(".zip")).subject()
        about = f"noise {1000 * value:g} mm" if perturbation.unit == "m" else f"{kind} {value:g}"
        strips.append(film(subject.make_policy, subject.task, parse_seeds(seeds), size, caption=about))
    rows = [strip for episode in zip(*strips, strict=True) for strip in episode]
    write_video(path := str(chapter.file(f"{kind}_{short(env)}.gif", mode)), in_a_grid(rows, columns=len(strips)))
    print(f"film -> {path}")
    return 0


@chapter.command("all")
def run_all(n_episodes: int = 100, mode: Mode = DEFAULT) -> int:
    """The lab's checks, and errors of sensors and of actions on three tasks."""
    few = {"n_episodes": n_episodes, "mode": mode}
    steps: dict[str, Any] = {} if mode.smoke else {"lab": partial(chapter.lab, "robustness.py", mode, "--demo")}
    steps |= {"obs-push": partial(obs_sweep, PUSH, **few), "act-push": partial(act_sweep, PUSH, **few)}
    for env in () if mode.smoke else (REACH, PICK):
        steps[f"obs-{short(env)}"] = partial(obs_sweep, env, "white,bias", **few)
        steps[f"act-{short(env)}"] = partial(act_sweep, env, "action,delay", **few)
    return chapter.run_all(steps, mode, "python scripts/ch07_robustness_curves.py train-robust --std 0.02 --seeds 0-2")


if __name__ == "__main__":
    chapter.main()
