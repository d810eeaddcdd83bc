"""Threads that take orders, each for its own indices or for the next one; nothing hangs and nothing is left."""

from __future__ import annotations

import gc
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from envs.thread_team import ThreadTeam, wait


def ours() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("test-team")]


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    yield
    gc.collect()
    assert not ours()


@pytest.mark.parametrize("count", [1, 2, 3, 16])
def test_each_index_stays_with_its_thread_and_in_order(count: int) -> None:
    team = ThreadTeam(count, "test-team")
    seen: list[tuple[int, int]] = []
    for indices in ([0, 1, 2, 3, 4], [4, 2], [], [3, 0, 3]):
        seen.clear()
        assert wait(team.begin(lambda i: seen.append((i, threading.get_ident())), indices)) is None
        assert sorted(i for i, _ in seen) == sorted(indices)
        for number in range(count):
            assert [i for i, _ in seen if i % count == number] == [i for i in indices if i % count == number]
            assert len({thread for i, thread in seen if i % count == number}) <= 1
    assert len(ours()) == count
    team.end()
    assert not ours()
    with pytest.raises(RuntimeError, match="ended"):
        team.begin(print, [0])


def test_the_first_threads_failure_comes_back_when_all_have_finished() -> None:
    team, seen = ThreadTeam(2, "test-team"), []

    def work(index: int) -> None:
        if index in (2, 5):
            raise SystemExit(index)
        time.sleep(0.02)
        seen.append(index)

    index, error = wait(team.begin(work, range(8)))
    assert index == 2 and isinstance(error, SystemExit)
    # Thread 0 stopped at 2, thread 1 at 5; what each did before is done.
    assert sorted(seen) == [0, 1, 3]
    assert wait(team.begin(lambda i: None, range(8))) is None
    team.end()


@pytest.mark.parametrize(("count", "indices"), [(1, [2, 0, 1]), (2, [4, 1, 3, 0, 2]), (8, [0, 1]), (3, [])])
def test_shared_indices_are_taken_in_order_once_each(count: int, indices: list[int]) -> None:
    team, taken = ThreadTeam(count, "test-team"), []
    assert wait(team.share(taken.append, indices)) is None
    assert sorted(taken) == sorted(indices) and (count > 1 or taken == indices)
    team.end()
    with pytest.raises(RuntimeError, match="ended"):
        team.share(print, [0])


def test_a_free_thread_takes_the_next_shared_index() -> None:
    team, by = ThreadTeam(2, "test-team"), {}

    def work(index: int) -> None:
        time.sleep(0.3 if index == 0 else 0.01)
        by[index] = threading.get_ident()

    wait(team.share(work, range(6)))
    assert all(by[index] != by[0] for index in range(1, 6))
    team.end()


def test_a_shared_failure_comes_back_and_the_rest_is_done() -> None:
    team, seen = ThreadTeam(2, "test-team"), []

    def work(index: int) -> None:
        if index == 2:
            raise ValueError("broken")
        time.sleep(0.01)
        seen.append(index)

    index, error = wait(team.share(work, range(8)))
    assert index == 2 and isinstance(error, ValueError) and sorted(seen) == [0, 1, 3, 4, 5, 6, 7]
    team.end()


@pytest.mark.parametrize("following", ["begin", "share"])
def test_what_was_shared_is_done_before_anything_else_begins(following: str) -> None:
    """Or a thread could close an environment that another one is stepping."""
    team, seen = ThreadTeam(2, "test-team"), []

    def slow(index: int) -> None:
        time.sleep(0.1)
        seen.append(index)

    team.share(slow, [0, 1, 2])
    wait(getattr(team, following)(seen.append, [10, 11]))
    assert sorted(seen[:3]) == [0, 1, 2] and sorted(seen[3:]) == [10, 11]
    team.end()


def test_an_interrupted_wait_leaves_the_team_in_order() -> None:
    team, seen = ThreadTeam(2, "test-team"), []

    def slow(index: int) -> None:
        time.sleep(0.15)
        seen.append(index)

    # A shell's background job is born deaf to Ctrl-C.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        orders = team.begin(slow, range(4))
        # Ctrl-C while the main thread waits.
        threading.Timer(0.05, signal.pthread_kill, [threading.main_thread().ident, signal.SIGINT]).start()
        with pytest.raises(KeyboardInterrupt):
            wait(orders)
    finally:
        signal.signal(signal.SIGINT, before)
    assert not seen, "the wait was not interrupted"
    assert wait(team.begin(seen.append, [10, 11])) is None
    assert sorted(seen) == [0, 1, 2, 3, 10, 11], "orders are carried out one after the other"
    assert wait(orders) is None
    team.end()


def test_a_forgotten_team_ends_its_threads() -> None:
    team = ThreadTeam(3, "test-team")
    wait(team.begin(lambda i: None, range(3)))
    del team
    gc.collect()
    assert not ours()


def test_a_team_forgotten_while_it_works_ends_too() -> None:
    class Owner:
        def __init__(self) -> None:
            self.team = ThreadTeam(2, "test-team")

        def work(self, index: int) -> None:
            time.sleep(0.05)

    owner = Owner()
    owner.team.begin(owner.work, range(2))
    del owner
    deadline = time.monotonic() + 10
    while ours() and time.monotonic() < deadline:
        time.sleep(0.01)


@pytest.mark.parametrize("rest", ["", "wait(orders)", "raise SystemExit(3)"])
def test_a_program_ends_without_closing_anything(rest: str, root: Path) -> None:
    code = f"""
import mujoco, time
from envs.thread_team import ThreadTeam, wait
body = "<body><freejoint/><geom size='1'/></body>"
model = mujoco.MjModel.from_xml_string(f"<mujoco><worldbody>{{body}}</worldbody></mujoco>")
data = [mujoco.MjData(model) for _ in range(4)]
team = ThreadTeam(2, "left")
orders = team.begin(lambda i: mujoco.mj_step(model, data[i], nstep=100000), range(4))
{rest}
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, timeout=60)
    assert done.returncode == (3 if "3" in rest else 0) and not done.stderr
