"""Exercise 2 of chapter 08 (predict, a minute): what do threads gain over worker processes?

bash docker/dev.sh python scripts/exercises/ch08_2.py         # the question
bash docker/dev.sh python scripts/exercises/ch08_2.py 1.5     # your prediction
"""

from __future__ import annotations

import sys

from common.exercises import predict, recorded

QUESTION = (
    "16 environments of Push on two cores. SubprocVecEnv gives each a process. How many times as many steps\n"
    "per second do two threads in one process make?"
)


def explain(mine: float, measured: float) -> str:
    """What lies between the two."""
    limit = recorded("results/benchmark.json", "data.steps_per_second.physics")
    processes = recorded("results/benchmark.json", "data.steps_per_second.SubprocVecEnv")
    most = limit / processes
    if mine > most:
        return (
            f"Impossible: physics alone allows {most:.2f} times SubprocVecEnv, and no code is faster than its physics."
        )
    if mine < measured:
        return (
            f"Physics alone would allow {most:.2f} times. Worker processes wait for the slowest of 16 at every step, "
            "send every observation through a pipe, and run upstream's Python between the steps. Threads do not."
        )
    return (
        f"Physics alone would allow {most:.2f} times; Python between the steps and waiting for threads cost the rest."
    )


if __name__ == "__main__":
    measured = recorded("results/benchmark.json", "data.ratios.sim_vs_subproc")
    sys.exit(predict(QUESTION, measured, explain, tolerance=0.5))
