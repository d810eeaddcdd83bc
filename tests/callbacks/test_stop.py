"""Signals set a flag once, then end the process; what was there before comes back."""

from __future__ import annotations

import os
import signal
import threading
from typing import Any

import pytest

from callbacks.stop import Interrupted, StopOnSignal, StopSignals


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_is_kept(number: int, capfd: pytest.CaptureFixture[str]) -> None:
    with StopSignals() as signals:
        signals.check()
        os.kill(os.getpid(), number)
        with pytest.raises(Interrupted, match=signal.Signals(number).name):
            signals.check()
    assert "again" in capfd.readouterr().err


def test_a_second_ctrl_c_ends_the_process_and_a_second_sigterm_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    ended = []
    monkeypatch.setattr(os, "_exit", ended.append)
    with StopSignals():
        os.kill(os.getpid(), signal.SIGINT)
        assert ended == []
        os.kill(os.getpid(), signal.SIGTERM)
        assert ended == []
        os.kill(os.getpid(), signal.SIGINT)
    assert ended == [128 + signal.SIGINT]


def test_handlers_come_back() -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with StopSignals():
        assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] != before
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before
    with pytest.raises(ZeroDivisionError), StopSignals():
        raise ZeroDivisionError
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


def test_in_another_thread_nothing_is_caught() -> None:
    found = []

    def work() -> None:
        with StopSignals() as signals:
            signals.check()
            found.append(signals.previous)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [{}]


def test_training_stops_at_the_next_step(learn: Any) -> None:
    signals = StopSignals()
    signals.caught = signal.SIGTERM
    callback = StopOnSignal(signals)
    with pytest.raises(Interrupted, match="SIGTERM"):
        learn(callback)
    assert callback.num_timesteps == 2
