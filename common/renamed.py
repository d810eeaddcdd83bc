"""Settings that had other names in older checkpoints and reports, which stay readable under today's names."""

from __future__ import annotations

from typing import Any

RENAMED = {
    "moved_share": "moved_fraction",
    "match_goals": "match_desired_goals",
    "reachable_goals": "achieved_goal_prob",
    "random_actions": "random_action_prob",
    "random_length": "action_persistence",
    "noise_colour": "noise_beta",
    "td_steps": "n_steps",
}
# Knobs that no recipe ever set to anything but these values, and that are gone.
REMOVED = {"random_until": 0, "burst_share": 1.0, "lesson_rate": 1e-3}
# What our learner did before there was a choice.
BEFORE_THE_CHOICE = {"kernel": "blas"}


def today(settings: dict[str, Any]) -> dict[str, Any]:
    """`settings` under today's names; a removed knob is left out where it was at its only value."""
    kept = {key: value for key, value in settings.items() if key not in REMOVED or value != REMOVED[key]}
    unsaid = BEFORE_THE_CHOICE if settings.get("backend") == "fast" else {}
    return unsaid | {RENAMED.get(key, key): value for key, value in kept.items()}
