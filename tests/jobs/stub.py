"""Stands in for train.py and eval.py: does what `behaviour.json` says of the run's name, one word for each try.

finish: leave the files of a finished run · fail: exit status 3 · kill: die of SIGKILL · nothing: end well, no files ·
wait: until SIGTERM or SIGINT comes, which is written down.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path

from analysis.metrics import aggregate
from analysis.reports import EpisodeRecord, EvalReport, TrainMeta, save
from common import provenance
from common.files import sha256
from common.seeds import parse_seeds


def value(flag: str) -> str:
    return sys.argv[sys.argv.index(flag) + 1]


def train(out: Path) -> None:
    tries = out.with_name(out.name + ".tries")
    words = json.loads(Path("behaviour.json").read_text()).get(out.name, ["finish"])
    number = int(tries.read_text()) if tries.exists() else 0
    tries.write_text(str(number + 1))
    word = words[min(number, len(words) - 1)]
    print(f"try {number} is to {word}", flush=True)
    if word == "fail":
        print("error: it does not work", file=sys.stderr)
        sys.exit(3)
    if word == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if word == "wait":
        caught: list[int] = []
        for signum in (signal.SIGTERM, signal.SIGINT):
            signal.signal(signum, lambda number, _: caught.append(number))
        out.with_name(out.name + ".ready").touch()
        while not caught:
            time.sleep(0.02)
        out.with_name(out.name + ".caught").write_text(str(caught[0]))
        sys.exit(128 + caught[0])
    if word == "finish":
        out.with_name(out.name + ".zip").write_bytes(b"policy")
        save(out.with_name(out.name + ".meta.json"), TrainMeta(
            **provenance.metadata({}, seeds=[0]), sources={}, recipe=None, total_steps=10, steps=10, updates=1,
            resumed=number, message=None, weights_sha256="0" * 64, evaluations=[],
        ))  # fmt: skip


def evaluate(ckpt: Path) -> None:
    common = provenance.metadata({}, seeds=parse_seeds(value("--seeds"), int(value("--n-episodes"))))
    numbers = dict.fromkeys(EpisodeRecord.model_fields, 1)
    episodes = [EpisodeRecord(**numbers | {"seed": seed, "solved_at_reset": False}) for seed in common["seeds"]]
    save(value("--json-out"), EvalReport(
        **common, policy=ckpt.name, checkpoint_sha256=sha256(ckpt.read_bytes()), deterministic=True, episodes=episodes,
        aggregate=aggregate(episodes),
    ))  # fmt: skip


if __name__ == "__main__":
    if Path(sys.argv[0]).name == "train.py":
        train(Path(value("--out")))
    else:
        evaluate(Path(value("--ckpt")))
