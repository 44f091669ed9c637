"""The size of a batch: as many rows as the portal carries out long before it cuts the request."""

import pytest

from bulksend.ratelimit.batch_size import BATCH_SECONDS, FIRST_BATCH, BatchSize
from bulksend.ratelimit.limiter import REMEMBERED_SECONDS, RateLimit, RateLimiter

LIMITER = RateLimiter(RateLimit(), "webhook 27")


def test_the_first_batch_is_small() -> None:
    """Of a portal that nobody has measured; and no larger than was asked for."""
    assert BatchSize(50).rows() == FIRST_BATCH
    assert BatchSize(2).rows() == 2
    assert not BatchSize(50).known


@pytest.mark.parametrize(("row_seconds", "rows"), [(0.0, 50), (0.1, 50), (0.4, 50), (1.2, 16), (5.0, 4), (45.0, 1)])
def test_it_follows_what_a_row_takes(row_seconds: float, rows: int) -> None:
    """Twenty seconds' worth of rows, one at the least, never more than a batch may have."""
    size = BatchSize(50)
    size.learn(5, 5 * row_seconds)
    assert size.known
    assert size.rows() == rows
    assert rows * row_seconds <= BATCH_SECONDS or rows == 1


def test_the_slowest_of_the_last_batches_counts() -> None:
    """One slow batch makes the next ones smaller at once, and is forgotten after a while."""
    size = BatchSize(50)
    size.learn(50, 5)
    size.learn(50, 100)
    assert size.rows() == 10
    for _ in range(20):
        size.learn(10, 1)
    assert size.rows() == 50


def test_nonsense_is_ignored() -> None:
    """No rows, or a clock that went back."""
    size = BatchSize(50)
    size.learn(0, 5)
    size.learn(5, -1)
    assert not size.known


def test_the_speed_is_remembered_for_a_day() -> None:
    """The next campaign begins where this one ended; after a day it measures again."""
    now = 1_790_000_000.0
    state = LIMITER.learn("", [], now, 2.0)
    assert BatchSize(50, row_seconds=LIMITER.row_seconds(state, now)).rows() == 10
    tomorrow = now + REMEMBERED_SECONDS + 1
    assert BatchSize(50, row_seconds=LIMITER.row_seconds(state, tomorrow)).rows() == FIRST_BATCH
