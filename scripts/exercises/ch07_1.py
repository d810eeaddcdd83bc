"""Exercise 1 of chapter 07 (predict, 10 minutes): from 5 cm to a critical sigma.

Reach, proportional control. In each episode the measured position of the gripper is off by a constant vector, each
of its three components drawn from N(0, sigma²). The gripper goes to where it believes the goal to be, and stays. An
episode is solved if it ends within 5 cm. At which sigma, in mm, are half of the episodes lost? (Half of all vectors of
three independent N(0, 1) are shorter than 1.538.)

    bash docker/dev.sh python scripts/exercises/ch07_1.py 50

The lab measures it: `python scripts/labs/robustness.py --demo`.
"""

from __future__ import annotations

import sys

from common.exercises import predict, recorded

REPORT = "results/ch07_lab.json"


def explain(predicted: float, measured: float) -> str:
    """What makes the number what it is."""
    linear, low, high = (recorded(REPORT, f"data.rows.3.{key}_mm") for key in ("linear", "low", "high"))
    one = "5 cm is a radius in three dimensions, not a bound on one coordinate. " if predicted > 45 else ""
    policy = 1000 * recorded("results/ch07_obs_reach.json", "data.panels.bias.curves.policy.merits.critical.value")
    return (
        f"{one}The gripper ends at g - b, so the distance at the end is |b|, whatever the gain: half of all |b| are "
        f"below 1.538 sigma, and 50 / 1.538 = {linear:.1f} mm. Measured is {measured:.1f} mm (95% interval {low:.1f} "
        f"to {high:.1f}), on a hundred goals. The learned policies, which read seven more numbers that are wrong as "
        f"well, lose half at {policy:.1f} mm."
    )  # fmt: skip


if __name__ == "__main__":
    question = "Reach, a constant error of the measured position: half of the episodes are lost at which sigma (mm)?"
    sys.exit(predict(question, lambda: recorded(REPORT, "data.rows.3.measured_mm"), explain, 6.0, form=".1f"))
