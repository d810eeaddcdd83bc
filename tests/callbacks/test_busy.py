"""The notice about a busy machine: once, and only where others take a share of it."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

import callbacks.busy
from callbacks.busy import BusyMachine


class Load:
    """As many busy cores as the test says."""

    others: float | None = 0.0

    def cores(self) -> float | None:
        return self.others


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two cores, and a second between any two looks at the clock."""
    monkeypatch.setattr(callbacks.busy, "OtherLoad", Load)
    monkeypatch.setattr(callbacks.busy, "cores", lambda: 2)
    monkeypatch.setattr("callbacks.busy.time.monotonic", itertools.count(0.0, 1.0).__next__)


@pytest.mark.parametrize(("others", "threads", "words"), [
    (1.04, 2, ["1.0 of 2 cores", "--threads 1 loses least"]), (0.6, 1, ["0.6 of 2 cores"]), (0.4, 2, []), (None, 2, []),
])  # fmt: skip
def test_said_once(
    learn: Any, monkeypatch: pytest.MonkeyPatch, others: float | None, threads: int, words: list[str]
) -> None:
    monkeypatch.setattr(Load, "others", others)
    said: list[str] = []
    learn(BusyMachine(said.append, threads, interval=3.0))
    assert len(said) == bool(words)
    assert all(word in said[0] for word in words)
    if threads == 1 and said:
        assert "--threads" not in said[0]


def test_nothing_is_said_before_there_is_something_to_go_by(learn: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Load, "others", 2.0)
    said: list[str] = []
    learn(BusyMachine(said.append, 2, interval=1000.0))
    assert said == []
