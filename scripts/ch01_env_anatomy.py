"""Chapter 01: what does the agent see? Spaces and indices, what the reward means, and what chance alone scores.

python scripts/ch01_env_anatomy.py all              # everything below, the lab and the figures; runs/ch01/
python scripts/ch01_env_anatomy.py describe --env FetchPush-v4
python scripts/ch01_env_anatomy.py reward-check --n-steps 500
python scripts/ch01_env_anatomy.py random-episodes --env FetchPush-v4 --n-episodes 100
"""

from __future__ import annotations

from functools import partial
from typing import Literal

from chapter import DEFAULT, Chapter, Mode

NEXT = "bash docker/dev.sh python train.py --algo sac --her --env FetchReach-v4 --seed 0 --out checkpoints/ch01"
chapter = Chapter("ch01", "what does the agent see?")


@chapter.command
def list_envs(mode: Mode = DEFAULT) -> int:
    """The eight Fetch tasks: size of the observation, what the goal is about, reward, time limit."""
    from envs.anatomy import describe_env, fetch_ids

    for env_id in fetch_ids("all")[: 2 if mode.smoke else None]:
        task = describe_env(env_id)
        what = f"{len(task['entries'])} numbers, goal for the {task['goal']:6s}"
        print(f"{env_id:26s} {what}, {task['reward']:6s} reward, {task['max_episode_steps']} steps")
    return 0


@chapter.command
def describe(env: str = "all", json_out: str | None = None, mode: Mode = DEFAULT) -> int:
    """Spaces, names of all entries and constants of the tasks.

    Args:
        env: Environment id, or `all`.
        json_out: Report to write instead of the chapter's own.
        mode: Sizes and places.
    """
    from envs.anatomy import describe_env, fetch_ids, in_words

    data = {env_id: describe_env(env_id) for env_id in fetch_ids(env)[: 1 if mode.smoke else None]}
    for env_id, task in data.items():
        print(in_words(env_id, task, entries=env != "all"))
    chapter.write("env_describe", data, mode, config={"env": env}, given=json_out, seeds=[0])
    return 0


@chapter.command
def reward_check(env: str = "all", n_steps: int = 500, json_out: str | None = None, mode: Mode = DEFAULT) -> int:
    """Compare the rewards of random steps with `compute_reward`; exit status 1 if any differs.

    Args:
        env: Environment id, or `all`.
        n_steps: Steps of each task.
        json_out: Report to write instead of the chapter's own.
        mode: Sizes and places.
    """
    from envs.anatomy import compare_rewards, fetch_ids
    from envs.make import make_env

    data, n_steps = {}, 20 if mode.smoke else n_steps
    for env_id in fetch_ids(env):
        data[env_id] = compare_rewards(make_env(env_id), n_steps, seed=0)
        named = ", ".join(f"{name} {count}" for name, count in data[env_id].items())
        print(f"{env_id:26s} {n_steps} steps, differences: {named}", flush=True)
    wrong = sum(sum(counts.values()) for counts in data.values())
    print(f"{wrong} differences" if wrong else "compute_reward agrees with every step")
    result = {"tasks": data, "steps": n_steps * len(data), "differences": wrong}
    chapter.write("reward_check", result, mode, config={"env": env, "n_steps": n_steps}, given=json_out, seeds=[0])
    return 1 if wrong else 0


@chapter.command
def random_episodes(
    env: str = "FetchReach-v4", policy: Literal["random", "zero"] = "random", n_episodes: int = 10, seed: int = 0,
    json_out: str | None = None, mode: Mode = DEFAULT,
) -> int:  # fmt: skip
    """Evaluate random actions, or none at all, exactly as `eval.py` evaluates a checkpoint.

    Args:
        env: Environment id.
        policy: `random`, or `zero`: does nothing.
        n_episodes: How many.
        seed: Of the first one; the others count on from it.
        json_out: Report to write instead of the chapter's own.
        mode: Sizes and places.
    """
    import eval as contract

    task = env.removeprefix("Fetch").split("-")[0].lower()
    path = str(chapter.file(f"{policy}_{task}.json", mode, json_out))
    episodes = 2 if mode.smoke else n_episodes
    config = contract.EvalConfig(ckpt=policy, env=env, n_episodes=episodes, seed=seed, json_out=path)
    print(f"{contract.describe(contract.evaluate(config))}\nreport -> {path}")
    return 0


@chapter.command
def figures(mode: Mode = DEFAULT) -> int:
    """Draw the chapter's figures from the report of its lab."""
    report, folder = chapter.file("lab.json", mode), chapter.file("figure.png", mode).parent
    words = ["--anatomy", report, "--out-dir", folder, *(["--smoke"] if mode.smoke else [])]
    return chapter.call("scripts/ch01_figures.py", *map(str, words))


@chapter.command("all")
def run_all(mode: Mode = DEFAULT) -> int:
    """Everything, stopping at the first failure."""
    push = partial(random_episodes, "FetchPush-v4", n_episodes=100, mode=mode)
    steps = {
        "list-envs": partial(list_envs, mode=mode),
        "describe": partial(describe, mode=mode),
        "reward-check": partial(reward_check, mode=mode),
        "random-episodes": partial(random_episodes, mode=mode),
        "random-episodes on Push": partial(push, policy="random"),
        "doing nothing on Push": partial(push, policy="zero"),
        "lab": partial(chapter.lab, "env_anatomy.py", mode),
        "figures": partial(figures, mode=mode),
    }
    return chapter.run_all(steps, mode, NEXT)


if __name__ == "__main__":
    chapter.main()
