"""Threads that make calls: as many as there are calls, and none that has nothing to do for long."""

import threading

import pytest

from bulksend.dispatch import workers
from bulksend.dispatch.workers import Workers
from tests.processes import until


def test_threads_that_idle_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a burst only those stay that are needed, and the next burst finds new ones."""
    monkeypatch.setattr(workers, "LONGEST_IDLE", 0.2)
    before = set(threading.enumerate())
    made = Workers[threading.Event, bool](8, lambda begun: begun.wait(30))
    for _ in range(2):
        all_begun = threading.Event()  # until then none of them idles
        for _ in range(8):
            made.start(all_begun)
        assert len(set(threading.enumerate()) - before) == 8
        all_begun.set()
        for _ in until(30):
            list(made.done())
            if not made.in_flight and not set(threading.enumerate()) - before:
                break
        assert not set(threading.enumerate()) - before
    made.stop()
