"""Chapter 06: is the policy a good controller? Scaled, filtered and delayed actions, and a controller written by hand.

    python scripts/ch06_action_interface.py scaling --env FetchPush-v4 --factors 0.25,0.5,1,2     # or filter, delay
    python scripts/ch06_action_interface.py baseline             # zero, random, scripted, policy
    python scripts/ch06_action_interface.py compare              # policy minus scripted, paired by seed
    python scripts/ch06_action_interface.py planning             # plans and their execution, exchanged
    python scripts/ch06_action_interface.py in-the-loop --env FetchReach-v4      # train with a filter, three seeds
    python scripts/ch06_action_interface.py all                  # all but in-the-loop: Reach, Push, PickAndPlace

`--env` names one task (by default all three), `--ckpt` another checkpoint of it. No point is run twice.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from chapter import DEFAULT, Chapter, Mode

from analysis.control import FLAGS, METRICS, control_row, summarise
from analysis.control_tables import bundle_text, differences_text, sweep_text
from analysis.runs import finished
from common.errors import UserError
from common.grids import parse_grid
from common.seeds import format_seeds, parse_seeds

chapter = Chapter("ch06", "Is the policy a good controller?")
TASKS = ("FetchReach-v4", "FetchPush-v4", "FetchPickAndPlace-v4")
REFERENCE = Path(__file__).resolve().parents[1] / "checkpoints/reference"


def subjects(env: str | None, ckpt: str | None) -> dict[str, dict[str, str]]:
    """For each task its agents by name: `policy` and `scripted`. Raises `UserError`."""
    if ckpt and not env:
        raise UserError("--ckpt names a policy of one task: add --env.")
    tasks = [env] if env else TASKS
    return {task: {"policy": ckpt or str(REFERENCE / f"{task}.zip"), "scripted": "scripted"} for task in tasks}


def evaluated(points: list[Any], n_episodes: int, mode: Mode) -> list[Any]:
    """The points with their episodes, of seeds 0 to n_episodes − 1; each is named as it is ready."""
    from agents.acting import acting
    from evaluation.grid import evaluate_grid

    seeds = parse_seeds("0", 2 if mode.smoke else n_episodes)

    def tell(each: Any) -> None:
        print(f"  {each.point.env_id} {each.point.labels}: {sum(each.column('success'))} of {len(seeds)}", flush=True)

    return evaluate_grid(points, seeds, control_row, acting, keep=chapter.file("grid", mode), tell=tell)


def sweep(name: str, wrap: str, neutral: float, values: list[float], env: str | None, ckpt: str | None,
          n_episodes: int, mode: Mode) -> int:  # fmt: skip
    """Policy and controller with `wrap` (`scale:factor={}`) at each of `values`; nothing is wrapped at `neutral`."""
    from analysis.control_figures import sweep_figure
    from analysis.plots import save_figure
    from evaluation.grid import Point

    points = [
        Point(agent, task, () if value == neutral else (wrap.format(value),), {"agent": who, "value": value})
        for task, agents in subjects(env, ckpt).items() for who, agent in agents.items()
        for value in (values[:2] if mode.smoke else values)
    ]  # fmt: skip
    found, data = evaluated(points, n_episodes, mode), {}
    for each in found:
        data.setdefault(each.point.env_id, []).append({**each.point.labels, **summarise(each.rows)})
    print(*(printed := {task: sweep_text(task, name, rows) for task, rows in data.items()}).values(), sep="\n")
    save_figure(sweep_figure(name, neutral, data), str(chapter.file(f"{name}.png", mode)))
    return write(name, data | {"printed": printed}, found, mode)


def write(name: str, data: dict[str, Any], found: list[Any], mode: Mode) -> int:
    """The report of a command, with what the episodes took."""
    seeds = found[0].column("seed")
    checkpoints = {Path(f.point.agent).name: f.checkpoint_sha256 for f in found if f.checkpoint_sha256}
    protocol = f"deterministic, seeds {format_seeds(seeds)}, success at the last step"
    chapter.write(name, data, mode, config={"checkpoints": checkpoints}, seeds=seeds, n_envs=1,
                  wall_clock_s=round(sum(f.seconds for f in found), 1), evaluation_protocol=protocol)  # fmt: skip
    return 0


def agents_on(env: str | None, ckpt: str | None, more: dict[str, str], n_episodes: int, mode: Mode) -> tuple[Any, Any]:
    """Policy, controller and `more` agents in the task as it is: rows by task and agent, and all that was found."""
    from evaluation.grid import Point

    found = evaluated([Point(agent, task, (), {"agent": who}) for task, pair in subjects(env, ckpt).items()
                       for who, agent in (more | pair).items()], n_episodes, mode)  # fmt: skip
    rows: dict[str, dict[str, Any]] = {}
    for each in found:
        rows.setdefault(each.point.env_id, {})[each.point.labels["agent"]] = each.rows
    return rows, found


@chapter.command
def scaling(env: str | None = None, ckpt: str | None = None, factors: str = "0.25,0.5,0.75,1,1.5,2",
            n_episodes: int = 200, mode: Mode = DEFAULT) -> int:  # fmt: skip
    """Actions times a factor, before the simulator clips them."""
    values = parse_grid(factors, "--factors", low=0, above=True)
    return sweep("scaling", "scale:factor={}", 1, values, env, ckpt, n_episodes, mode)


@chapter.command("filter")
def low_pass(env: str | None = None, ckpt: str | None = None, alphas: str = "1,0.6,0.4,0.2,0.1",
             n_episodes: int = 200, mode: Mode = DEFAULT) -> int:  # fmt: skip
    """Actions through a low-pass filter; alpha = 1 is no filter."""
    values = parse_grid(alphas, "--alphas", low=0, high=1, above=True)
    return sweep("filter", "lowpass:alpha={}", 1, values, env, ckpt, n_episodes, mode)


@chapter.command
def delay(env: str | None = None, ckpt: str | None = None, steps: str = "0,1,2,3", n_episodes: int = 200,
          mode: Mode = DEFAULT) -> int:  # fmt: skip
    """Actions that arrive some steps of 40 ms late."""
    values = parse_grid(steps, "--steps", low=0, high=49, whole=True)
    return sweep("delay", "delay:steps={}", 0, values, env, ckpt, n_episodes, mode)


@chapter.command
def baseline(env: str | None = None, ckpt: str | None = None, n_episodes: int = 200, mode: Mode = DEFAULT) -> int:
    """The whole bundle of metrics for doing nothing, chance, the controller and the policy."""
    rows, found = agents_on(env, ckpt, {"zero": "zero", "random": "random"}, n_episodes, mode)
    data = {task: {who: summarise(each) for who, each in agents.items()} for task, agents in rows.items()}
    print(*(bundle_text(task, agents) for task, agents in data.items()), sep="\n")
    return write("baseline", data, found, mode)


@chapter.command
def compare(env: str | None = None, ckpt: str | None = None, n_episodes: int = 200, mode: Mode = DEFAULT) -> int:
    """Policy minus controller on the same episodes: every metric, with intervals that know of the pairs."""
    from analysis.paired import paired_rows

    rows, found = agents_on(env, ckpt, {}, n_episodes, mode)
    data = {task: paired_rows(agents["policy"], agents["scripted"], FLAGS[:2], list(METRICS))
            for task, agents in rows.items()}  # fmt: skip
    print(*(differences_text(task, differences) for task, differences in data.items()), sep="\n")
    return write("compare", data, found, mode)


@chapter.command
def planning(env: str | None = None, ckpt: str | None = None, n_episodes: int = 200, mode: Mode = DEFAULT) -> int:
    """Planning or control? Plans of the policy and of the controller, each carried out by the other."""
    words = ["--env", env] * bool(env) + ["--ckpt", ckpt] * bool(ckpt)
    words += ["--n-episodes", str(2 if mode.smoke else n_episodes), "--json-out",
              str(chapter.file("planning.json", mode)), "--keep", str(chapter.file("exchange", mode))]  # fmt: skip
    return chapter.call("scripts/exchange_plans.py", *words)


@chapter.command
def in_the_loop(env: str = "FetchReach-v4", alpha: float = 0.2, seeds: str = "0-2", n_episodes: int = 200,
                mode: Mode = DEFAULT) -> int:  # fmt: skip
    """Train with the filter in the loop and without, same recipe and budget; evaluate both behind it."""
    from evaluation.grid import Point

    wrap, points = f"lowpass:alpha={parse_grid(str(alpha), '--alpha', low=0, high=1, above=True)[0]}", []
    her = ("--algo", "sac", "--her")
    for seed in parse_seeds(seeds)[: 1 if mode.smoke else None]:
        for trained, wraps in (("plain", []), ("filtered", ["--wrap", wrap])):
            recipe, labels = Path(f"checkpoints/sac_her_{env}_seed{seed}.zip"), {"trained": trained, "seed": seed}
            file = recipe  # trained and measured already, with the same settings
            if wraps or mode.smoke or not finished(Path().glob(str(recipe))):
                file = chapter.file(f"{env}_{trained}_seed{seed}.zip", mode)
                chapter.train(*her, "--env", env, "--seed", str(seed), *wraps, out=file.stem, mode=mode)
            points += [Point(str(file), env, () if wraps else (wrap,), labels | {"filter": True})]
            points += [] if wraps else [Point(str(file), env, (), labels | {"filter": False})]
    found = evaluated(points, n_episodes, mode)
    rows = {" ".join(f"{k} {v}" for k, v in f.point.labels.items()): {**f.point.labels, **summarise(f.rows)}
            for f in found}  # fmt: skip
    print(bundle_text(env, rows))
    return write(f"in_the_loop_{env.lower()}", {"alpha": alpha, "rows": list(rows.values())}, found, mode)


@chapter.command
def video(env: str = "FetchPush-v4", ckpt: str | None = None, seeds: str = "1,2", out: str | None = None,
          mode: Mode = DEFAULT) -> int:  # fmt: skip
    """Policy and controller side by side in the same episodes, with the action that reached the simulator drawn."""
    from envs.action_strip import side_by_side
    from envs.video import FPS, write_video
    from evaluation.grid import Point

    agents = {who: Point(agent, env).subject() for who, agent in subjects(env, ckpt)[env].items()}
    frames = side_by_side(agents, parse_seeds(seeds), 64 if mode.smoke else 240)
    write_video(path := chapter.file(f"{env.lower()}.gif", mode, out), frames[::2], FPS // 2)
    print(f"video -> {path}")
    return 0


@chapter.command("all")
def run_all(n_episodes: int = 200, mode: Mode = DEFAULT) -> int:
    """The lab's checks and everything above but `in-the-loop`, on three tasks; smoke runs take Push alone."""
    studies, env = (scaling, low_pass, delay, baseline, compare, planning), TASKS[1] if mode.smoke else None
    more = ["--demo", "--figure", str(chapter.file("loop.png", mode)), "--ckpt", str(REFERENCE / f"{TASKS[0]}.zip")]
    steps = {} if mode.smoke else {"lab": partial(chapter.lab, "action_interface.py", mode, *more)}
    steps |= {each.__name__: partial(each, env=env, n_episodes=n_episodes, mode=mode) for each in studies}
    return chapter.run_all(steps | {"video": partial(video, mode=mode)}, mode)


if __name__ == "__main__":
    chapter.main()
