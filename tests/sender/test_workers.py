"""Threads that make calls: as many as there are calls, and none that has nothing to do for long."""

import threading
import time

import pytest

from bulksend.dispatch import workers
from bulksend.dispatch.workers import Workers
from tests.processes import until


def names() -> set[str]:
    """The threads there are."""
    return {thread.name for thread in threading.enumerate()}


def test_threads_that_idle_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a burst only those stay that are needed, and the next burst finds new ones."""
    monkeypatch.setattr(workers, "LONGEST_IDLE", 0.2)
    before, made = names(), Workers[float, None](8, time.sleep)
    for _ in range(2):
        for _ in range(8):
            made.start(0.05)
        assert len(names() - before) == 8
        for _ in until(5):
            list(made.done())
            if not made.in_flight and not names() - before:
                break
        assert not names() - before
    made.stop()
