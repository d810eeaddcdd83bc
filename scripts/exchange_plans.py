"""Planning or control? Each of two plans carried out by each of two controllers, on the same episodes.

    python scripts/exchange_plans.py --env FetchPush-v4 --n-episodes 20
    python scripts/exchange_plans.py --json-out runs/ch06/planning.json

Plans: the learned policy's (where it would be a step from now, undisturbed) and the scripted controller's. Execution:
proportional control and a learned policy (for the scripted plan that of Reach, which does nothing but go to a point).
All of it once as it is, and once with the action delayed. Part of chapter 06. Source: agents/execution.py.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

from analysis.control import control_row, summarise
from analysis.control_tables import bundle_text
from analysis.reports import DataReport, save
from common.cli import guarded, parse
from common.errors import UserError
from common.files import parse_json, sha256, write_json
from common.provenance import code_hash, git_state, metadata
from common.seeds import format_seeds, parse_seeds

TASKS = ("FetchReach-v4", "FetchPush-v4", "FetchPickAndPlace-v4")
REFERENCE = Path(__file__).resolve().parents[1] / "checkpoints/reference"
# Rows of the table: plan, execution.
PAIRS = (("policy", "policy"), ("policy", "proportional"), ("scripted", "policy"), ("scripted", "proportional"))


def acting_policy(path: str, env_id: str) -> Any:
    """The policy of a checkpoint, quick. Raises `UserError`."""
    from agents.acting import acting
    from evaluation.grid import Point

    policy = Point(path, env_id).subject().make_policy()
    return acting(policy) or policy


def agent_of(plan: str, execution: str, policy: Any, reach: Any, env: Any, copy: Any) -> Any:
    """Something with `predict` that carries out `plan` by `execution`, in `env`; `copy` is a second one to plan in."""
    from agents.controllers import CONTROLLERS
    from agents.execution import ByReachPolicy, Foresight

    if plan == "policy":
        return policy if execution == "policy" else Foresight(policy, env, copy)
    written = CONTROLLERS.build("scripted", env)
    return ByReachPolicy(written, reach) if execution == "policy" else written


def exchanged(env_id: str, ckpt: str, seeds: list[int], delay: int, keep: Path | None) -> dict[str, Any]:
    """The four pairs on one task, summarised; what `keep` holds of this code and policy is not run again."""
    import torch

    from envs.rollout import run_episode
    from envs.task import Task

    torch.set_num_threads(1)
    of_reach = str(REFERENCE / f"{TASKS[0]}.zip")
    policy, reach = acting_policy(ckpt, env_id), acting_policy(of_reach, TASKS[0])
    weights = [sha256(Path(path).read_bytes()) for path in (ckpt, of_reach)]
    plain, late = Task(env_id), Task(env_id, (f"delay:steps={delay}",))
    copy, results = plain.make(), {}
    copy.reset(seed=0)
    for task, name in ((plain, "as it is"), (late, f"{delay} steps late")):
        env = task.make()
        for plan, execution in PAIRS:
            label = f"plan {plan}, execution {execution}, {name}"
            file = keep and keep / f"{env_id}_{label.replace(' ', '_').replace(',', '')}_{len(seeds)}.json"
            stamp = [git_state()[0], code_hash(), *weights, seeds]
            rows = _kept(file, stamp)
            if rows is None:
                agent = agent_of(plan, execution, policy, reach, env, copy)
                rows = [{"seed": seed, **control_row(run_episode(agent, env, seed))} for seed in seeds]
                if file:
                    write_json(file, {"stamp": stamp, "rows": rows})
            results[label] = {"plan": plan, "execution": execution, "delay": 0 if task is plain else delay,
                              **summarise(rows)}  # fmt: skip
            print(f"  {env_id} {label}: {sum(row['success'] for row in rows)} of {len(rows)}", flush=True)
        env.close()
    copy.close()
    return results


def _kept(file: Path | None, stamp: list[Any]) -> list[dict[str, Any]] | None:
    if file is None or not file.exists():
        return None
    value = parse_json(file.read_bytes())
    return value["rows"] if value["stamp"] == stamp else None


def main(env: str | None = None, ckpt: str | None = None, n_episodes: int = 200, delay: int = 2,
         keep: str | None = None, json_out: str | None = None) -> int:  # fmt: skip
    """Exchange plans and their execution.

    Args:
        env: One task; by default Reach, Push and PickAndPlace.
        ckpt: Another checkpoint of it than the reference policy.
        n_episodes: Episodes a row, from seed 0 on.
        delay: Steps by which actions come late in the second half of the table.
        keep: Folder for the episodes of this code, which are then not run again.
        json_out: Report to write.
    """
    if ckpt and not env:
        raise UserError("--ckpt names a policy of one task: add --env.")
    if env and env not in TASKS:
        from envs.make import check_env_id

        check_env_id(env)
        raise UserError(f"no controller was written for {env}; there are some for {', '.join(TASKS)}.")
    if not 1 <= delay <= 49:
        raise UserError(f"--delay {delay}: a number of steps from 1 to 49 is needed.")
    began, seeds = time.monotonic(), parse_seeds("0", n_episodes)
    data = {task: exchanged(task, ckpt or str(REFERENCE / f"{task}.zip"), seeds, delay, Path(keep) if keep else None)
            for task in ([env] if env else TASKS)}  # fmt: skip
    for task, rows in data.items():
        print(bundle_text(task, rows))
    if json_out:
        known = metadata({"tasks": list(data), "delay": delay}, seeds=seeds, n_envs=1,
                         wall_clock_s=round(time.monotonic() - began, 1),
                         evaluation_protocol=f"deterministic, seeds {format_seeds(seeds)}")  # fmt: skip
        save(json_out, DataReport(name="planning", data=data, **known))
        print(f"report -> {json_out}")
    return 0


if __name__ == "__main__":
    sys.exit(guarded(lambda: parse(main, None, prog="exchange_plans.py")))
