"""The request rate: what leaves never overflows the portal's bucket, and nothing that may leave is held back."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bulksend.journal import WaitReason
from bulksend.ratelimit.limiter import FULL_BUCKET, RateLimit, RateLimiter
from bulksend.sandbox.limits import Bucket

START = 1_790_000_000.0
METHOD = "imopenlines.crm.message.add"
EVEN = RateLimiter(RateLimit(), "webhook 27")
BURST = RateLimiter(RateLimit(burst=FULL_BUCKET[2.0]), "webhook 27")


def ask(limiter: RateLimiter, state: str, now: float) -> tuple[str, float | None]:
    """Ask for one call: the new state, and None where it may leave, else when to ask again."""
    grant = limiter.take(state, METHOD, 1, 0, now)
    assert grant.granted or now + grant.wait > now
    return grant.state, None if grant.granted else now + grant.wait


def leave(limiter: RateLimiter, calls: int, state: str = "", now: float = START) -> tuple[list[float], str]:
    """Let so many calls leave as early as they may; when each did."""
    left: list[float] = []
    while len(left) < calls:
        state, until = ask(limiter, state, now)
        if until is None:
            left.append(now)
        else:
            now = until
    return left, state


gaps = st.one_of(st.floats(0, 0.05), st.floats(0, 3), st.floats(0, 60))
asks = st.lists(st.tuples(gaps, st.integers(1, 60), st.booleans(), st.floats(0, 0.049)), min_size=1, max_size=40)


@given(asks=asks, phase=st.floats(0, 1), threshold=st.integers(1, 50), drain=st.sampled_from([1.0, 2.0, 5.0]))
@settings(max_examples=300, deadline=None)
def test_whatever_is_asked_the_portal_never_refuses(
    asks: list[tuple[float, int, bool, float]], phase: float, threshold: int, drain: float
) -> None:
    """Senders in bursts and even ones, at any times, with any delay on the way, at any moment of the portal's fall."""
    burst = RateLimiter(RateLimit(rate=drain, burst=threshold + 1), "webhook 27")
    even = RateLimiter(RateLimit(rate=drain), "webhook 27")
    state, now = "", START
    state, first = ask(burst, state, now)
    assert first is None
    arrivals = [now]
    for gap, calls, in_bursts, transit in asks:
        now += gap
        for _ in range(calls):
            state, until = ask(burst if in_bursts else even, state, now)
            if until is not None:
                break
            arrivals.append(now + transit)
    portal = Bucket(threshold, drain, START - 1 + phase)
    assert all(portal.admit(arrival, 0.0) for arrival in sorted(arrivals))


def test_a_burst_uses_the_whole_bucket() -> None:
    """51 calls at once, then two a second, not one refused and no second unused."""
    left, _ = leave(BURST, 71)
    assert left[50] == START
    assert left[51] - START <= 1.3
    assert left[70] - left[51] == pytest.approx(9.0, abs=0.01)
    for phase in (0.01, 0.25, 0.5, 0.99):
        portal = Bucket(50, 2, START - phase)
        assert all(portal.admit(at, 0.0) for at in left)


def test_a_bucket_fills_up_again_while_nobody_calls() -> None:
    """Half a minute after a burst there is room for another."""
    _, state = leave(BURST, 51)
    left, _ = leave(BURST, 51, state, START + 30)
    assert left[-1] == START + 30


@pytest.mark.parametrize("rate", [0.1, 0.5, 2.0, 5.0, 50.0])
def test_an_even_pace_is_the_rate(rate: float) -> None:
    """One call after another, exactly at the rate."""
    left, _ = leave(RateLimiter(RateLimit(rate=rate), "webhook 27"), 100)
    assert left[-1] - left[0] == pytest.approx(99 / rate, rel=1e-3)


@given(late=st.lists(st.floats(0, 0.09), min_size=200, max_size=200))
@settings(max_examples=30, deadline=None)
def test_calls_that_leave_a_little_late_do_not_slow_the_pace(late: list[float]) -> None:
    """Timers wake up late; the rate is kept all the same, and never by more than that little exceeded."""
    state, now, left = "", START, []
    for delay in late:
        state, until = ask(EVEN, state, now)
        while until is not None:
            now = until + delay
            state, until = ask(EVEN, state, now)
        left.append(now)
    assert left[-1] - left[0] <= 199 / 2 + 0.1
    for (early, first), (later, last) in itertools.combinations(enumerate(left[:60]), 2):
        assert (later - early) <= 2 * (last - first + 0.1) + 1e-6


def test_no_limit_means_no_waiting() -> None:
    """With rate 0 calls leave whenever they are ready, and leave no trace to be written down."""
    limiter = RateLimiter(RateLimit(rate=0), "webhook 27")
    left, state = leave(limiter, 1000)
    assert left[-1] == START
    assert state == ""


def test_two_even_senders_share_the_rate() -> None:
    """Together they are no faster than one alone."""
    state, now, left = "", START, 0
    while now < START + 100:
        for limiter in (EVEN, RateLimiter(RateLimit(), "application x")):
            state, until = ask(limiter, state, now)
            left += until is None
        now += 0.01
    assert 199 <= left <= 201


def test_an_even_sender_is_not_starved_by_one_in_bursts() -> None:
    """After the burst is gone both of them get on."""
    _, state = leave(BURST, 51)
    now, left = START, {EVEN: 0, BURST: 0}
    while now < START + 60:
        for limiter in (EVEN, BURST) if int(now * 10) % 2 else (BURST, EVEN):
            state, until = ask(limiter, state, now)
            left[limiter] += until is None
        now += 0.01
    assert min(left.values()) >= 20
    assert sum(left.values()) <= 121


class TestRefusal:
    """`QUERY_LIMIT_EXCEEDED`: somebody else uses the same bucket."""

    @pytest.mark.parametrize("limiter", [EVEN, BURST])
    def test_nobody_calls_for_a_moment_and_then_more_slowly(self, limiter: RateLimiter) -> None:
        """A pause of one to two seconds, then half the rate, and after a minute the whole again."""
        _, state = leave(limiter, 1)
        state = limiter.refused(state, START, START)
        grant = limiter.take(state, METHOD, 1, 0, START)
        assert not grant.granted
        assert 1.0 <= grant.wait <= 2.0
        assert grant.reason is WaitReason.REQUEST_LIMIT
        left, state = leave(EVEN, 10, state, START + grant.wait)
        assert 2.0 < left[-1] - left[0] < 9
        left, _ = leave(EVEN, 21, state, START + 120)
        assert left[-1] - left[0] == pytest.approx(10, abs=0.1)

    def test_calls_refused_together_count_once(self) -> None:
        """Those that had left before the step back were part of the same jam."""
        state = EVEN.refused("", START, START + 1)
        assert EVEN.refused(state, START + 0.5, START + 1.2) == state

    def test_refusal_after_refusal_makes_it_slower_but_never_stops_it(self) -> None:
        """The pause grows to 16 seconds at the most."""
        state, now = "", START
        for _ in range(20):
            state = EVEN.refused(state, now, now)
            wait = EVEN.take(state, METHOD, 1, 0, now).wait
            assert wait <= 16
            now += wait
        left, _ = leave(EVEN, 2, state, now)
        assert left[0] == now

    def test_a_pace_of_yesterday_is_forgotten(self) -> None:
        """However slow it had become, the next campaign begins at the full rate."""
        state = ""
        for step in range(10):
            state = EVEN.refused(state, START + step, START + step)
        left, _ = leave(EVEN, 41, state, START + 86_400)
        assert left[-1] - left[0] == pytest.approx(20, abs=0.1)

    def test_with_jitter(self) -> None:
        """Senders that do not share a journal do not come back together."""
        waits = {EVEN.take(EVEN.refused("", START, START), METHOD, 1, 0, START).wait for _ in range(10)}
        assert len(waits) == 10

    def test_a_limit_where_none_was_said(self) -> None:
        """With rate 0 a refusal makes a pause too."""
        limiter = RateLimiter(RateLimit(rate=0), "webhook 27")
        state, until = ask(limiter, limiter.refused("", START, START), START)
        assert until is not None
        assert ask(limiter, state, until)[1] is None


class TestClock:
    """The clock of this machine is set while a campaign runs."""

    @pytest.mark.parametrize("back", [1.0, 30.0, 3600.0, 86_400.0 * 400])
    @pytest.mark.parametrize("limiter", [EVEN, BURST])
    def test_set_back(self, limiter: RateLimiter, back: float) -> None:
        """Calls go on within two minutes, and no faster than the rate."""
        _, state = leave(limiter, 60)
        left, _ = leave(limiter, 20, state, START - back)
        assert left[0] - (START - back) <= 120
        assert left[-1] - left[0] >= 8

    def test_set_back_during_a_pause(self) -> None:
        """A pause after a refusal does not last until the clock has caught up."""
        state = EVEN.refused("", START, START)
        left, _ = leave(EVEN, 1, state, START - 7200)
        assert left[0] <= START - 7200 + 2

    def test_set_forward(self) -> None:
        """It looks as if nobody had called for long."""
        _, state = leave(EVEN, 5)
        assert leave(EVEN, 1, state, START + 3600)[0] == [START + 3600]


@pytest.mark.parametrize(
    "text", ["{}", "[]", "null", "nonsense", '{"level": 3, "budgets": {}}', '{"budgets": {"a": 1}}']
)
def test_a_state_of_another_version_is_forgotten(text: str) -> None:
    """What cannot be read is no reason to stop."""
    assert ask(EVEN, text, START)[1] is None
