"""Which messages reached the customer: asked for in batches, told truly, continued where it was interrupted."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from bulksend.campaign import Campaign
from bulksend.journal import Counts, Delivery, SentMessage, State
from bulksend.plan import SheetOptions, examine
from bulksend.portal.methods import HandOver
from bulksend.queries.verify import delivery_of, verify
from bulksend.sandbox import Faults, Limits, Sandbox, World
from bulksend.sender.options import Options
from tests.queries.conftest import UNLIMITED, asking, target_of, write_sheet

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from bulksend.queries.query import QueryRunner

READ, DELIVERED, SENDING, HIDDEN, NOT_TOLD = Delivery


@contextmanager
def campaign(folder: Path, chats: list[int], world: World | None = None) -> Iterator[tuple[Sandbox, QueryRunner, int]]:
    """A campaign that was sent, a row for each of these chats, and its portal."""
    sheet = write_sheet(folder / "sheet.csv", [("deal", chat, chat, f"Hello {n}") for n, chat in enumerate(chats)])
    with (
        Sandbox(world=world, limits=Limits.none()) as portal,
        asking(portal, folder) as queries,
        Campaign.enter(queries.journal, examine(sheet, SheetOptions()), target_of(portal.webhook)) as entered,
    ):
        entered.send(Options(rate_limit=UNLIMITED, batch=50))
        yield portal, queries, entered.id


def deliveries(queries: QueryRunner, run_id: int) -> list[str]:
    """Each row's delivery as the journal has it."""
    return [row.delivery for row in queries.journal.outcomes(run_id)]


KINDS: list[tuple[dict[str, Any], Delivery]] = [
    ({}, DELIVERED),
    ({"read_after": 0}, READ),
    ({"connector": "telegrambot", "read_after": 0}, READ),
    ({"connector": "telegrambot"}, DELIVERED),
    ({"connector": "whatsapp", "closes_in": 72_000}, DELIVERED),
    ({"connector": "whatsapp", "closes_in": -3600}, SENDING),
    ({"connector": "whatsapp", "closes_in": -3600, "block_reason": "USER"}, SENDING),
    ({"connector": "vkgroup"}, SENDING),
    ({"connector": "avito"}, SENDING),
    ({"silent": True}, HIDDEN),
    ({"silent": True, "read_after": 0}, HIDDEN),
]


def world_of_kinds() -> World:
    """A chat of each kind, from 1001 on; nothing is special."""
    world = World.closed()
    for connector in ("telegrambot", "whatsapp"):
        world.add_channel(connector, confirms_after=0.5)
    for number, (described, _) in enumerate(KINDS, 1001):
        world.add_chat(number, "deal", number, **described)
    return world


def test_every_kind_of_channel_and_hand_over(tmp_path: Path) -> None:
    """Each message's delivery is told truly, and its status stays."""
    chats = [1001 + n for n in range(len(KINDS))]
    with campaign(tmp_path, chats, world_of_kinds()) as (_, queries, run_id):
        before = queries.journal.run(run_id).counts
        time.sleep(0.6)
        counts = verify(run_id, queries)
        assert deliveries(queries, run_id) == [delivery for _, delivery in KINDS]
        assert counts == {READ: 2, DELIVERED: 3, SENDING: 4, HIDDEN: 2, NOT_TOLD: 0}
        assert queries.journal.run(run_id).counts == before == Counts(sent=len(KINDS))


def test_waiting_ends_as_soon_as_nothing_is_on_its_way(tmp_path: Path) -> None:
    """Only the messages on their way are asked for again, and not longer than they are."""
    world = World.closed()
    world.add_channel("telegrambot", confirms_after=1.5)
    world.add_chat(1, "deal", 1, connector="telegrambot")
    world.add_chat(2, "deal", 2)
    waits: list[int] = []
    with campaign(tmp_path, [1, 2], world) as (portal, queries, run_id):
        asked = len(portal.calls)
        began = time.monotonic()
        counts = verify(run_id, queries, wait=60, on_wait=lambda rows, _: waits.append(rows))
        assert time.monotonic() - began < 40
        assert (counts[DELIVERED], counts[SENDING]) == (2, 0)
        assert set(waits) == {1}
        assert {call.commands for call in portal.calls[asked + 2 :]} == {1}


def test_waiting_ends_in_time(tmp_path: Path) -> None:
    """What is never confirmed is asked for until the wait is over."""
    world = World.closed()
    world.add_chat(1, "deal", 1, connector="avito")
    with campaign(tmp_path, [1], world) as (_, queries, run_id):
        began = time.monotonic()
        assert verify(run_id, queries, wait=1.5)[SENDING] == 1
        assert 1.5 <= time.monotonic() - began < 30


@pytest.mark.parametrize(("rows", "chats"), [(1, 1), (50, 50), (51, 51), (130, 130), (400, 3), (200, 120)])
def test_requests_for_one_look(tmp_path: Path, rows: int, chats: int) -> None:
    """At most one for 25 rows and two more; many rows of one chat are asked for together."""
    with campaign(tmp_path, [1 + n % chats for n in range(rows)]) as (portal, queries, run_id):
        asked = len(portal.calls)
        assert verify(run_id, queries)[DELIVERED] == rows
        assert len(portal.calls) - asked <= min(rows, chats) / 25 + 2


def test_an_interrupted_look_is_continued(tmp_path: Path) -> None:
    """What is known already is not asked for again; the look after that asks for all that may have changed."""
    with campaign(tmp_path, list(range(1, 201))) as (portal, queries, run_id):
        queries.journal.note_deliveries(run_id, dict.fromkeys(range(100), DELIVERED))
        asked = len(portal.calls)
        assert verify(run_id, queries)[DELIVERED] == 200
        assert len(portal.calls) - asked == 4
        portal.world.add_chat(7, read_after=0)
        assert verify(run_id, queries) == {READ: 1, DELIVERED: 199, SENDING: 0, HIDDEN: 0, NOT_TOLD: 0}


def test_a_message_of_an_earlier_dialog(tmp_path: Path) -> None:
    """Only the last dialog's history is shown: of one before nothing can be told, unless it was known."""
    with campaign(tmp_path, [1, 2]) as (portal, queries, run_id):
        portal.world.new_session(1)
        assert verify(run_id, queries)[NOT_TOLD] == 1
        assert deliveries(queries, run_id) == ["not_told", "delivered"]
        portal.world.new_session(2)
        assert verify(run_id, queries) == {READ: 1, DELIVERED: 0, SENDING: 0, HIDDEN: 0, NOT_TOLD: 1}


def test_histories_that_may_not_be_seen(tmp_path: Path) -> None:
    """The portal does not say, and the rows stay sent; it is asked again another time."""
    with campaign(tmp_path, [1, 2]) as (portal, queries, run_id):
        portal.world.history_refused = True
        assert verify(run_id, queries)[NOT_TOLD] == 2
        portal.world.history_refused = False
        assert verify(run_id, queries)[DELIVERED] == 2


def test_answers_that_are_lost(tmp_path: Path) -> None:
    """What was known holds; of what was not, the portal does not say."""
    with campaign(tmp_path, [1, 1]) as (portal, queries, run_id):
        queries.journal.note_deliveries(run_id, {0: DELIVERED})
        portal.faults = Faults({"error500_after": 1.0}, methods=["imopenlines.session.history.get"])
        verify(run_id, queries)
        assert deliveries(queries, run_id) == ["delivered", "not_told"]


@pytest.mark.parametrize(
    ("known", "hand_over", "read_up_to", "delivery"),
    [
        (None, HandOver.TAKEN, 9, DELIVERED),
        (None, HandOver.TAKEN, 10, READ),
        (None, HandOver.SENDING, 10, SENDING),
        (None, HandOver.HIDDEN, 10, HIDDEN),
        (None, HandOver.NOT_TOLD, 0, NOT_TOLD),
        (None, HandOver.NOT_TOLD, 10, READ),
        (None, None, 10, NOT_TOLD),
        (SENDING, None, 0, NOT_TOLD),
        (DELIVERED, None, 0, DELIVERED),
        (DELIVERED, None, 11, READ),
    ],
)
def test_what_is_made_of_it(
    known: Delivery | None, hand_over: HandOver | None, read_up_to: int, delivery: Delivery
) -> None:
    """A message that nothing confirms is not taken for read because the customer has read a later one."""
    assert delivery_of(SentMessage(0, 1, 10, known), hand_over, read_up_to) is delivery


def test_only_sent_rows_have_a_delivery(tmp_path: Path) -> None:
    """Others cannot be given one."""
    world = World.closed()
    world.add_chat(1, "deal", 1)
    world.add_chat(2, "deal", 2, status=60)
    with campaign(tmp_path, [1, 2], world) as (_, queries, run_id):
        queries.journal.note_deliveries(run_id, {0: READ, 1: READ})
        assert deliveries(queries, run_id) == ["read", ""]
        assert [row.state for row in queries.journal.outcomes(run_id)] == [State.SENT, State.FAILED]
