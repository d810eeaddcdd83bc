"""How busy the machine is with other programs."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

import common.load
from common.load import OtherLoad, busy_seconds


@pytest.mark.skipif(not Path("/proc/stat").exists(), reason="the kernel's counters are Linux's")
def test_another_process_is_seen() -> None:
    other = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        load = OtherLoad()
        time.sleep(1.0)
        # All that other tests take is other programs' load, too.
        assert 0.3 < load.cores() < os.cpu_count() + 0.1
    finally:
        other.kill()
        other.wait()


def test_what_this_process_uses_is_taken_out(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, all_seconds, own = iter([0.0, 4.0]), iter([100.0, 107.0]), iter([1.0, 4.0])
    monkeypatch.setattr("common.load.time.monotonic", lambda: next(clock))
    monkeypatch.setattr("common.load.time.process_time", lambda: next(own))
    monkeypatch.setattr(common.load, "busy_seconds", lambda: next(all_seconds))
    # 7 core seconds in 4 s, 3 of them ours.
    assert OtherLoad().cores() == 1.0


def test_where_the_kernel_does_not_tell(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for content in (None, "", "cpu 1 2\n", "cpu0 x\n"):
        monkeypatch.setattr(common.load, "STAT", tmp_path / "stat")
        if content is not None:
            (tmp_path / "stat").write_text(content)
        assert busy_seconds() is None and OtherLoad().cores() is None


def test_only_our_own_cores_count(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    ticks = os.sysconf("SC_CLK_TCK")
    monkeypatch.setattr(common.load, "STAT", tmp_path / "stat")
    monkeypatch.setattr(common.load.os, "sched_getaffinity", lambda _: {1})
    # user nice system idle iowait irq softirq steal
    (tmp_path / "stat").write_text(
        f"cpu {ticks * 99} 0 0 0\ncpu0 {ticks * 99} 0 0 0\ncpu1 {ticks} {ticks} 0 7 7 0 0 0\n"
    )
    assert busy_seconds() == 2.0
