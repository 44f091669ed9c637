"""The portal's limits: requests a second, execution time, the length of one request."""

import time
from typing import Any

import pytest

from bulksend.sandbox import Limits, Operating, Sandbox
from bulksend.sandbox.limits import Bucket, Budget
from tests.sandbox.conftest import HISTORY_GET, MESSAGE_ADD, call, message


def test_requests_above_the_threshold_get_503_until_the_bucket_has_drained() -> None:
    """A request that finds the counter above X is refused and not carried out; Y a second drain away."""
    with Sandbox(limits=Limits(rate=(5, 0), operating=None)) as portal:
        answers = [call(portal, MESSAGE_ADD, message()) for _ in range(7)]
        assert [answer.status_code for answer in answers] == [200] * 6 + [503]
        assert answers[-1].json()["error"] == "QUERY_LIMIT_EXCEEDED"
        assert len(portal.ledger) == 6
        portal.limits = Limits(rate=(0, 3), operating=None)
        assert call(portal, MESSAGE_ADD, message()).status_code == 200
        time.sleep(1.05)
        assert call(portal, MESSAGE_ADD, message()).status_code == 200


def test_a_batch_counts_as_one_request() -> None:
    """However many calls are in it."""
    with Sandbox(limits=Limits(rate=(2, 0), operating=None)) as portal:
        statuses = [
            call(portal, "batch", {"cmd": {f"r{n}": "profile" for n in range(9)}}).status_code for _ in range(4)
        ]
    assert statuses == [200, 200, 200, 503]


def test_the_bucket_falls_once_a_second_and_counts_refused_requests_too() -> None:
    """By the letter of the documentation: whole steps, and hammering keeps it full."""
    bucket = Bucket(threshold=2, drain=2, now=100.0)
    assert [bucket.admit(100.1, 0) for _ in range(5)] == [True, True, True, False, False]
    assert not bucket.admit(100.99, 0)
    assert not bucket.admit(101.0, 0)
    assert not bucket.admit(102.0, 0)
    assert bucket.admit(104.0, 0)


def test_a_steady_caller_at_the_drains_pace_is_never_refused() -> None:
    """Two a second for ten minutes, after a full burst."""
    bucket = Bucket(threshold=50, drain=2, now=0.0)
    assert all(bucket.admit(0.0, 0) for _ in range(50))
    assert all(bucket.admit(0.5 * step, 0) for step in range(1, 1200))


def test_others_behind_the_same_address_use_up_the_bucket() -> None:
    """With half the drain used by others, the pace of the whole drain trips in the end, half of it never does."""
    hasty, patient = Bucket(10, 2, 0.0), Bucket(10, 2, 0.0)
    assert not all(hasty.admit(0.5 * step, 1.0) for step in range(200))
    assert all(patient.admit(1.0 * step, 1.0) for step in range(200))


def test_a_method_that_used_up_its_execution_time_gets_429(portal: Sandbox) -> None:
    """Over the limit the next call of that method is refused; other methods go on."""
    portal.limits = Limits(rate=None, operating=Operating(limit=1.0, window=600, cost=0.4))
    answers = [call(portal, MESSAGE_ADD, message()) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert answers[-1].json()["error"] == "OPERATION_TIME_LIMIT"
    assert [answer.json()["time"]["operating"] for answer in answers[:3]] == pytest.approx([0.4, 0.8, 1.2])
    assert call(portal, HISTORY_GET, {"CHAT_ID": 8773}).ok
    assert len(portal.ledger) == 3


def test_execution_time_is_charged_inside_a_batch_and_the_refusal_stands_beside_the_call(portal: Sandbox) -> None:
    """The batch itself is answered with 200 and charged nothing."""
    portal.limits = Limits(rate=None, operating=Operating(limit=1.0, window=600, cost=0.4))
    command = MESSAGE_ADD + "?CRM_ENTITY_TYPE=deal&CRM_ENTITY=288&USER_ID=27&CHAT_ID=8773&MESSAGE=x"
    answer = call(portal, "batch", {"cmd": {f"r{number}": command for number in range(1, 6)}})
    result: dict[str, Any] = answer.json()["result"]
    assert answer.status_code == 200
    assert answer.json()["time"]["operating"] == 0
    assert set(result["result"]) == {"r1", "r2", "r3"}
    assert {error["error"] for error in result["result_error"].values()} == {"OPERATION_TIME_LIMIT"}
    assert result["result_time"]["r3"]["operating"] == pytest.approx(1.2)


def test_refused_messages_are_charged_as_well(portal: Sandbox) -> None:
    """The method ran, whatever it answered."""
    portal.limits = Limits(rate=None, operating=Operating(limit=0.5, window=600, cost=0.4))
    statuses = [call(portal, MESSAGE_ADD, message(CHAT_ID=404)).status_code for _ in range(3)]
    assert statuses == [400, 400, 429]


def test_the_budget_comes_back_when_the_portal_said_it_would(portal: Sandbox) -> None:
    """Over HTTP: refused within the window, and carried out from operating_reset_at on."""
    portal.limits = Limits(rate=None, operating=Operating(limit=1.0, window=600.0, cost=1.5))
    assert [call(portal, MESSAGE_ADD, message()).status_code for _ in range(2)] == [200, 429]
    portal.limits = Limits(rate=None, operating=Operating(limit=1.0, window=0.5, cost=1.5))
    before = time.time()
    reset_at = call(portal, MESSAGE_ADD, message()).json()["time"]["operating_reset_at"]
    assert before <= reset_at - 0.5 <= time.time()
    time.sleep(max(0.0, reset_at - time.time()))
    assert call(portal, MESSAGE_ADD, message()).status_code == 200


def test_a_basket_that_falls_out_takes_only_its_own_share() -> None:
    """Ten baskets a window: the value drops by the oldest one's, not to zero."""
    budget = Budget(Operating(limit=480, window=600), cost=10.0)
    for at in (1000.4, 1030.0, 1061.0, 1200.0):
        budget.charge(at)
    assert (budget.used(1599.0), budget.reset_at(1599.0)) == (40.0, 1600)
    assert (budget.used(1600.0), budget.reset_at(1600.0)) == (20.0, 1661)
    assert budget.used(1661.0) == 10.0
    assert budget.used(1800.0) == 0.0


def test_a_call_that_works_too_long_is_cut() -> None:
    """A gateway answers for it and nothing was carried out."""
    with Sandbox(limits=Limits.none(), call_time=5.0) as portal:
        portal.request_limit = 0.1
        assert call(portal, MESSAGE_ADD, message()).status_code == 504
        assert portal.ledger == []
