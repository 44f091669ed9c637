"""The execution-time budget: learned from answers in any order, used to the full, never called into when empty."""

import math
import random
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bulksend.journal import WaitReason
from bulksend.ratelimit.execution_time import FORGOTTEN, UNLIMITED, Budget, Observation
from bulksend.ratelimit.limiter import RateLimit, RateLimiter
from bulksend.sandbox import Operating
from bulksend.sandbox.limits import Budget as PortalBudget

START = 1_790_000_000.0
METHOD = "imopenlines.crm.message.add"


def observation(operating: float, basket: float = START + 600, late: float = 0.1) -> Observation:
    """What an answer tells."""
    return Observation(METHOD, operating, basket, basket + late)


def learned(*observations: Observation) -> Budget:
    """A budget that was told so."""
    budget = Budget()
    for one in observations:
        budget.learn(one)
    return budget


class TestCost:
    """What a call costs."""

    def test_the_first_answer_tells_no_more_than_its_sum(self) -> None:
        """Whoever called before: a call cost no more than all together."""
        assert learned(observation(300.0)).cost == 300.0

    @given(order=st.permutations(list(range(1, 12))), before=st.floats(0, 400))
    @settings(deadline=None)
    def test_answers_in_any_order(self, order: list[int], before: float) -> None:
        """Answers overtake each other; the cost comes out the same."""
        budget = learned(*(observation(before + 0.137 * call) for call in order))
        assert budget.cost == pytest.approx(0.137, abs=1e-9)
        assert budget.operating == pytest.approx(before + 0.137 * 11)

    @given(lost=st.sets(st.integers(1, 30), max_size=25), shuffled=st.randoms())
    @settings(deadline=None)
    def test_answers_that_are_missing(self, lost: set[int], shuffled: random.Random) -> None:
        """Lost answers make a call look dearer, never cheaper."""
        told = [observation(0.5 * call) for call in range(1, 31) if call not in lost]
        shuffled.shuffle(told)
        assert learned(*told).cost >= 0.5 - 1e-9

    def test_it_is_remembered_when_a_basket_falls_out(self) -> None:
        """The sum starts anew; what a call costs does not."""
        budget = learned(*(observation(0.5 * call) for call in range(1, 20)), observation(3.0, START + 660))
        assert budget.cost == pytest.approx(0.5)
        assert budget.operating == 3.0

    def test_an_answer_from_before_the_fall_tells_nothing_new(self) -> None:
        """It was overtaken by one from after the fall."""
        budget = learned(observation(9.0), observation(2.0, START + 660), observation(9.5))
        assert budget.operating == 2.0
        assert budget.reset_at == START + 660.1

    def test_a_portal_whose_clock_was_set_back_is_believed_again(self) -> None:
        """An hour less is no answer that was overtaken."""
        budget = learned(observation(9.0), observation(2.0, START - 3600))
        assert budget.operating == 2.0

    @pytest.mark.parametrize("operating", [-1.0, math.nan, math.inf, 1e12])
    def test_nonsense_is_ignored(self, operating: float) -> None:
        """As if it had not been told."""
        assert learned(observation(operating)) == Budget()
        assert learned(observation(3.0), observation(operating)) == learned(observation(3.0))

    def test_the_time_of_the_fall_is_the_earliest_told(self) -> None:
        """Each answer tells it late by the time it was on its way."""
        assert (
            learned(observation(1, late=0.9), observation(2, late=0.1), observation(3, late=0.5)).reset_at
            == START + 600.1
        )


class TestRoom:
    """How many calls may leave."""

    def test_nothing_is_known(self) -> None:
        """A portal that tells nothing holds nothing back."""
        assert Budget().room(480, 1000, START) == UNLIMITED

    def test_a_portal_that_charges_nothing(self) -> None:
        """Nor does one at which nothing costs anything."""
        assert learned(observation(0.0), observation(0.0)).room(480, 1000, START) == UNLIMITED

    def test_calls_one_after_another_use_it_to_the_full(self) -> None:
        """The portal refuses when the sum is above the limit, not at it: the last call may go over."""
        budget = learned(observation(1.0), observation(2.0))
        for operating in (3.0, 4.0, 5.0):
            assert budget.room(5.0, 0, START) >= 1
            budget.learn(observation(operating))
        assert budget.room(5.0, 0, START) >= 1
        budget.learn(observation(6.0))
        assert budget.room(5.0, 0, START) == 0

    @pytest.mark.parametrize("under_way", range(40))
    def test_calls_under_way_count(self, under_way: int) -> None:
        """With those that may be granted they stay within the limit."""
        budget = learned(observation(10.0), observation(11.0))
        granted = budget.room(40.0, under_way, START)
        assert granted == 0 or 11 + under_way + granted - 1 <= 40

    def test_after_the_fall_one_call_alone_asks(self) -> None:
        """How much fell out is not told, so the first answer is waited for."""
        budget = learned(observation(4.0), observation(6.0))
        assert budget.room(5.0, 0, START + 599) == 0
        assert budget.room(5.0, 0, START + 601) == 1
        assert budget.room(5.0, 1, START + 601) == 0

    def test_the_wait_is_until_the_fall(self) -> None:
        """And where answers may tell of room, only until they can have come."""
        spent, nearly = learned(observation(4.0), observation(6.0)), learned(observation(3.0), observation(4.0))
        assert spent.ask_again_at(5.0, START) == START + 600.1
        assert nearly.room(5.0, 3, START) == 0
        assert nearly.ask_again_at(5.0, START) == START + 0.5

    def test_a_refusal_empties_it(self) -> None:
        """Whatever the sums said: the portal's limit may be lower than ours."""
        budget = learned(observation(1.0), observation(2.0))
        budget.exhaust(None, START)
        assert budget.room(480, 0, START) == 0
        assert budget.ask_again_at(480, START) == START + 600.1
        assert budget.room(480, 0, START + 601) == 1
        budget.learn(observation(1.0, START + 660))
        assert budget.room(480, 0, START + 601) > 1

    def test_a_refusal_that_does_not_tell_until_when(self) -> None:
        """A quarter of a minute, then one call asks."""
        budget = Budget()
        budget.exhaust(None, START)
        assert budget.room(480, 0, START + 14) == 0
        assert budget.room(480, 0, START + 15) == 1

    def test_a_refusal_that_tells(self) -> None:
        """Until the reset that the portal named."""
        budget = Budget()
        budget.exhaust(START + 42, START)
        assert budget.ask_again_at(480, START) == START + 42

    def test_long_after_nothing_is_known(self) -> None:
        """All baskets have fallen out."""
        budget = learned(observation(400), observation(500))
        assert budget.room(480, 10, START + 600 + FORGOTTEN + 1) == UNLIMITED


def test_two_callers_have_budgets_of_their_own() -> None:
    """The portal sums for each webhook or application; so do we, in one state."""
    limit = RateLimit(rate=0, operating_limit=5)
    one, other = (RateLimiter(limit, identity) for identity in ("webhook 27", "webhook 28"))
    state = one.learn("", [observation(4.0, START + 600), observation(6.0, START + 600)], START)
    grant = one.take(state, METHOD, 1, 0, START)
    assert (grant.granted, grant.reason) == (0, WaitReason.EXECUTION_TIME)
    assert grant.wait == pytest.approx(600.1)
    assert one.take(state, "profile", 1, 0, START).granted == 1
    assert other.take(state, METHOD, 1, 0, START).granted == 1


class Played(NamedTuple):
    """How a campaign went in play."""

    seconds: float
    refused: int
    requests: int


def play(operating: Operating, rows: int, batch: int, seconds: float, jitter: random.Random | None = None) -> Played:
    """Send rows to the sandbox's own budget without waiting: single-file requests, each taking so many seconds.

    With ``jitter`` calls cost between half and one and a half of what they cost on average.
    """
    limiter = RateLimiter(RateLimit(rate=0, operating_limit=operating.limit), "webhook 27")
    portal = PortalBudget(operating, operating.cost)
    state, now, left, refused, requests = "", START, rows, 0, 0
    while left:
        grant = limiter.take(state, METHOD, min(left, batch), 0, now)
        state = grant.state
        if not grant.granted:
            assert grant.wait > 0
            now += grant.wait
            continue
        requests += 1
        now += seconds
        for _ in range(grant.granted):
            if portal.exhausted(now):
                refused += 1
                state = limiter.exhausted(state, METHOD, None, now)
                continue
            if jitter is not None:
                portal._cost = operating.cost * jitter.uniform(0.5, 1.5)
            portal.charge(now)
            left -= 1
            reset_at = portal.reset_at(now)
            state = limiter.learn(state, [Observation(METHOD, portal.used(now), reset_at, reset_at)], now)
    return Played(now - START, refused, requests)


def least(operating: Operating, rows: int) -> float:
    """The time that the budget itself takes for so many rows: whoever asks all the time, and is refused for nothing."""
    portal, now = PortalBudget(operating, operating.cost), START
    while rows:
        if portal.exhausted(now):
            now += 0.01
        else:
            portal.charge(now)
            rows -= 1
    return now - START


@pytest.mark.parametrize("batch", [1, 8, 50])
@pytest.mark.parametrize(
    ("operating", "rows"),
    [
        (Operating(limit=5, window=10, cost=1), 60),
        (Operating(limit=2, window=5, cost=0.5), 40),
        (Operating(limit=20, window=30, cost=0.7), 200),
        (Operating(limit=480, window=600, cost=0.137), 20_000),
        (Operating(limit=480, window=600, cost=5), 600),
        (Operating(limit=3, window=10, cost=4), 10),
    ],
)
def test_the_whole_budget_and_no_call_more(operating: Operating, rows: int, batch: int) -> None:
    """All rows go, none is refused once the first answers have come, and it takes what the budget takes."""
    played = play(operating, rows, batch, 0.01)
    assert played.refused <= max(0, batch - operating.limit / operating.cost)
    assert played.seconds <= 1.1 * least(operating, rows) + played.requests * 0.01


@pytest.mark.parametrize("batch", [1, 50])
@pytest.mark.parametrize("seed", range(5))
def test_calls_that_do_not_cost_the_same(batch: int, seed: int) -> None:
    """Hardly a call in a thousand is refused."""
    operating = Operating(limit=100, window=60, cost=0.5)
    played = play(operating, 2_000, batch, 0.05, random.Random(seed))
    assert played.refused <= 4
    assert played.seconds <= 1.15 * least(operating, 2_000) + played.requests * 0.05
