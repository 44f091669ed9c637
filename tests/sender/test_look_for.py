"""What a history proves, against a small model of a portal: nothing that is not so."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import accumulate

from hypothesis import event, given
from hypothesis import strategies as st

from bulksend.journal import Row, State
from bulksend.portal.methods import History, HistoryMessage
from bulksend.sender.evidence import Finding, look_for

SPEAKER, CUSTOMER = 27, 1_000_000
TEXT = "See you tomorrow at ten"
NOW = 1_800_000_000.0
"""What the portal's clock shows when the row leaves, before anything sets it."""

MINUTE = 60.0
CLOCK_SET = [0.0, 0.0, -13.0, 13.0, -3600.0, 3600.0, -30 * 24 * 3600.0]


@dataclass(frozen=True)
class Said:
    """A message of somebody's in the chat."""

    seconds: float
    """Before the row left, or after."""
    same_text: bool = False
    by_speaker: bool = False
    of_another_row: bool = False


@dataclass(frozen=True)
class Story:
    """What happened in a chat before and after a row left.

    Attributes:
        before: what was said before it left, oldest first.
        known: how many of these messages have ids that were known by then; None where no id was known at all.
        time_known: whether the portal's time was.
        clock_set: by how much the portal's clock was set just after the row left.
        restored: whether the portal was restored from a copy then, so that ids begin anew.
        shown: the text as the portal shows it where it arrived; empty where it did not.
        after: what was said later, oldest first.
        session: the first of all messages that the chat's last session holds.
    """

    before: list[Said] = field(default_factory=list)
    known: int | None = None
    time_known: bool = True
    clock_set: float = 0.0
    restored: bool = False
    shown: str = ""
    after: list[Said] = field(default_factory=list)
    session: int = 0


def message(message_id: int, at: float, said: Said, text: str) -> HistoryMessage:
    """A message as a history shows it: its date is cut to whole seconds."""
    sender = SPEAKER if said.by_speaker else CUSTOMER
    return HistoryMessage(message_id, sender, datetime.fromtimestamp(int(at), UTC), text, "")


def tell(story: Story) -> tuple[Finding, int | None, int]:
    """What is found, its message's id, and the id that the row's message has, or would have."""
    own_id = 5 if story.restored else 1000
    messages, claimed = [], set()
    sequence = [
        *((100 + n, NOW - said.seconds, said) for n, said in enumerate(story.before)),
        *([(own_id, NOW + 0.2 + story.clock_set, None)] if story.shown else []),
        *((own_id + 1 + n, NOW + story.clock_set + said.seconds, said) for n, said in enumerate(story.after)),
    ]
    for message_id, at, said in sequence:
        if said is None:
            messages.append(message(message_id, at, Said(0, by_speaker=True), story.shown))
            continue
        messages.append(
            message(message_id, at, said, TEXT if said.same_text else f"Quite other words, no. {message_id}")
        )
        if said.of_another_row:
            claimed.add(message_id)
    row = Row(
        n=0,
        number=2,
        state=State.IN_DOUBT,
        entity_type="deal",
        entity_id=1,
        chat_id=1,
        user_id=SPEAKER,
        message=TEXT,
        fingerprint=1,
        attempts=1,
        lost=0,
        left_at=0.0,
        earliest_portal_time=NOW - 0.3 if story.time_known else None,
        min_message_id=None if story.known is None else 99 + story.known,
        error_code="",
        timezone="",
    )
    found = look_for(row, SPEAKER, History(messages[story.session :]), lambda ids: claimed & set(ids))
    return found.finding, found.message_id, own_id


@st.composite
def stories(draw: st.DrawFn) -> Story:
    """Any story in which old and new can be told apart at all.

    The same words of the speaker's that no row of ours is the source of are older than the newest id known, or clearly
    older by a time that is known; and nobody writes them by hand while the row is in doubt.
    """
    gaps = draw(st.lists(st.floats(2.0, 90 * MINUTE), max_size=5))
    ages = list(accumulate(gaps))[::-1]
    known = draw(st.just(len(ages)) | st.integers(0, len(ages)) | st.none())
    restored = draw(st.booleans()) and known is not None
    time_known = draw(st.booleans()) or restored
    before = []
    for place, age in enumerate(ages):
        same, by_speaker, row = draw(st.tuples(st.booleans(), st.booleans(), st.booleans()))
        old = (known is not None and place < known) or (time_known and age > MINUTE + 2)
        before.append(Said(age, same and (row or not by_speaker or old), by_speaker, row))
    shown = draw(st.sampled_from(["", TEXT, TEXT, TEXT.replace(" at ", " 🕙 at ")]))
    after = [
        Said(1.0 + n, same and (row or not by_speaker), by_speaker, row)
        for n, (same, by_speaker, row) in enumerate(
            draw(st.lists(st.tuples(st.booleans(), st.booleans(), st.booleans()), max_size=3))
        )
    ]
    return Story(
        before,
        known,
        time_known,
        0.0 if restored else draw(st.sampled_from(CLOCK_SET)),
        restored,
        shown,
        after,
        draw(st.just(0) | st.integers(0, len(before) + bool(shown) + len(after))),
    )


@given(stories())
def test_nothing_untrue_is_found(story: Story) -> None:
    """A message is found only where it arrived, and as absent only where it did not."""
    finding, message_id, own_id = tell(story)
    event(finding)
    if finding is Finding.ARRIVED:
        assert story.shown
        assert message_id == own_id
    if finding is Finding.ABSENT:
        assert not story.shown


@given(stories())
def test_what_can_be_known_is_found(story: Story) -> None:
    """Where the newest id and the time were known and the session is the same, there is no doubt left."""
    finding, _, _ = tell(
        Story(story.before, len(story.before), shown=TEXT if story.shown else "", after=story.after, session=0)
    )
    absent = Finding.ABSENT if story.before else Finding.UNCLEAR
    assert finding is (Finding.ARRIVED if story.shown else absent)


def test_an_empty_history_proves_nothing() -> None:
    """Nor does that of a session which began after the attempt."""
    assert tell(Story(known=0))[0] is Finding.UNCLEAR
    greeting = [Said(30.0)]
    assert tell(Story(greeting, 1))[0] is Finding.ABSENT
    assert tell(Story(greeting, 1, session=1))[0] is Finding.UNCLEAR
    assert tell(Story(greeting, 1, after=[Said(5.0)], session=1))[0] is Finding.UNCLEAR


def test_ids_and_dates_that_contradict_each_other() -> None:
    """Last month's message above all known ids, and one that arrived below them, are neither old nor new."""
    of_old = Said(20 * 24 * 60 * MINUTE, same_text=True, by_speaker=True)
    assert tell(Story([Said(21 * 24 * 60 * MINUTE), of_old], 1))[0] is Finding.UNCLEAR
    assert tell(Story([Said(21 * 24 * 60 * MINUTE), of_old], 2))[0] is Finding.ABSENT
    assert tell(Story([Said(MINUTE)], 1, restored=True, shown=TEXT))[0] is Finding.UNCLEAR
    assert tell(Story([Said(MINUTE)], 1, clock_set=-3600.0, shown=TEXT))[0] is Finding.UNCLEAR
    assert tell(Story([Said(MINUTE)], 1, clock_set=-13.0, shown=TEXT))[0] is Finding.ARRIVED
