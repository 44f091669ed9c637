"""From "I have deals" to a campaign, in two commands and in one."""

from pathlib import Path

from bulksend.sandbox import Sandbox
from tests.cli.conftest import Command, Sheet, lines

HEADINGS = ("CRM_ENTITY_TYPE", "CRM_ENTITY_ID", "MESSAGE")


def _deals(portal: Sandbox, sheet: Sheet, deals: int) -> Path:
    for deal in range(1, deals + 1):
        portal.world.add_entity("deal", deal)
        portal.world.add_chat(50_000 + deal, "deal", deal)
    return sheet("deals.csv", HEADINGS, [("deal", deal, f"Hello {deal}") for deal in range(1, deals + 1)])


def test_a_thousand_deals_become_a_campaign_in_two_commands(command: Command, sheet: Sheet, portal: Sandbox) -> None:
    """The lookup takes at most 25 HTTP calls, and what it writes can be sent as it is."""
    path = _deals(portal, sheet, 1000)
    filled = command("lookup", path, "--portal", portal.webhook, "--rate", 0)
    assert filled.code == 0
    assert "1,000 of 1,000 rows got a chat" in filled.out
    assert len(portal.calls) <= 25
    sent = command("send", "deals.filled.csv", "--portal", portal.webhook, "--rate", 0, "--batch", 50, "--yes")
    assert sent.code == 0
    assert sorted(delivery.chat_id for delivery in portal.ledger) == list(range(50_001, 51_001))


def test_or_in_one(command: Command, sheet: Sheet, portal: Sandbox) -> None:
    """``send --lookup`` does both; run again, it is known as the same campaign."""
    path = _deals(portal, sheet, 60)
    send = ("send", path, "--lookup", "--portal", portal.webhook, "--rate", 0, "--yes")
    assert command(*send).code == 0
    assert len(portal.ledger) == 60
    assert {line["status"] for line in lines(path.with_name("deals.results.csv"))} == {"sent"}
    again = command(*send)
    assert again.code == 2
    assert "already sent" in again.err
    assert len(portal.ledger) == 60


def test_rows_without_a_chat_say_why(command: Command, sheet: Sheet, portal: Sandbox) -> None:
    """No chat, or no access: the cell stays empty, the reason stands beside it, exit 1."""
    portal.world.add_entity("deal", 1)
    portal.world.add_entity("deal", 2, forbidden=True)
    path = sheet("deals.csv", HEADINGS, [("deal", 1, "Hello"), ("deal", 2, "Hello")])
    said = command("lookup", path, "--portal", portal.webhook, "--rate", 0)
    assert said.code == 1
    found = lines(path.with_name("deals.filled.csv"))
    assert [line["CHAT_ID"] for line in found] == ["", ""]
    assert all(line["lookup_note"] for line in found)


def test_a_sheet_without_messages_can_be_filled(command: Command, sheet: Sheet, portal: Sandbox) -> None:
    """A template may write the texts later."""
    portal.world.add_entity("deal", 1)
    portal.world.add_chat(50_001, "deal", 1)
    path = sheet("deals.csv", ("CRM_ENTITY_TYPE", "CRM_ENTITY_ID", "Name"), [("deal", 1, "Ann")])
    assert command("lookup", path, "--portal", portal.webhook, "--rate", 0).code == 0
    send = ("send", "deals.filled.csv", "--message", "Dear {{ name }}!", "--portal", portal.webhook, "--rate", 0)
    assert command(*send, "--yes").code == 0
    assert [delivery.text for delivery in portal.ledger] == ["Dear Ann!"]
