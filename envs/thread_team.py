"""A small thread pool with low overhead per call: fixed tasks for each thread, or one shared queue.

A step of a vector environment is short: an executor's futures, with their conditions and callbacks, would take some
percent of it. Here an order is one entry in a queue, and its end the release of one lock.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Iterable, Sequence
from queue import SimpleQueue


class Order:
    """Call `function` with each of `indices` in turn, up to the first that fails."""

    def __init__(self, function: Callable[[int], None], indices: Iterable[int]):
        self.function, self.indices = function, indices
        self.failure: tuple[int, BaseException] | None = None
        self._busy = threading.Lock()
        self._busy.acquire()

    def run(self) -> None:
        """Do it. Whatever is raised is kept for the thread that gave the order."""
        for index in self.indices:
            try:
                self.function(index)
            except BaseException as error:
                self.failure = index, error
                break
        # Whoever keeps the order to wait for it keeps no environment alive.
        del self.function, self.indices
        self._busy.release()

    def wait(self) -> None:
        """Return when it was done; as often as one likes."""
        with self._busy:
            pass


def _work(orders: SimpleQueue[Order | None]) -> None:
    while (order := orders.get()) is not None:
        order.run()
        # While it waits, the thread keeps nobody's environment alive.
        del order


def _end(queues: Sequence[SimpleQueue[Order | None]], threads: Sequence[threading.Thread]) -> None:
    for orders in queues:
        orders.put(None)
    for thread in threads:
        # A thread may be the last to know its team, and then runs this itself.
        if thread is not threading.current_thread():
            thread.join()


class ThreadTeam:
    """`count` threads. In `begin` index i belongs to thread i modulo `count`; in `share` to whichever is free."""

    def __init__(self, count: int, name: str):
        self.count = count
        self._shared: list[Order] = []
        self._queues: list[SimpleQueue[Order | None]] = [SimpleQueue() for _ in range(count)]
        threads = [
            # Daemons, or an environment that nobody closed would keep the interpreter from ending.
            threading.Thread(target=_work, args=(orders,), name=f"{name}-{i}", daemon=True)
            for i, orders in enumerate(self._queues)
        ]
        # Also run where the team is forgotten, and before the interpreter ends, so that no thread is left in physics.
        self.end = weakref.finalize(self, _end, self._queues, threads)
        for thread in threads:
            thread.start()

    def begin(self, function: Callable[[int], None], indices: Sequence[int]) -> list[Order]:
        """Have `function(i)` called for all `indices`: each thread calls its own in their order, up to a failure.

        Raises `RuntimeError` after `end`.
        """
        self._get_ready()
        groups: list[list[int]] = [[] for _ in self._queues]
        for index in indices:
            groups[index % self.count].append(index)
        given = []
        for orders, group in zip(self._queues, groups, strict=True):
            if group:
                given.append(Order(function, group))
                orders.put(given[-1])
        return given

    def share(self, function: Callable[[int], None], indices: Sequence[int]) -> list[Order]:
        """Have `function(i)` called for all `indices`, each by the thread that is free when its turn comes.

        A thread whose call failed takes no more of them; the others go on. Raises `RuntimeError` after `end`.
        """
        self._get_ready()
        # The interpreter's lock is held while a list's iterator moves on, so each index is taken once.
        rest = iter(list(indices))
        given = [Order(function, rest) for _ in self._queues[: len(indices)]]
        for orders, order in zip(self._queues, given, strict=False):
            orders.put(order)
        self._shared = given
        return given

    def _get_ready(self) -> None:
        """What was shared must be done, even if nobody waited for it: no index may be worked on twice at a time."""
        if not self.end.alive:
            raise RuntimeError("these threads have ended")
        wait(self._shared)


def wait(given: Sequence[Order]) -> tuple[int, BaseException] | None:
    """Wait until all of `given` is done: None, or index and exception of the first thread that failed."""
    for order in given:
        order.wait()
    return next((order.failure for order in given if order.failure), None)
