"""Every text arrives as it is in the sheet, character for character, however it is sent."""

from pathlib import Path

import pytest

from bulksend.portal.methods import MESSAGE_ADD
from bulksend.sandbox import Sandbox
from tests.processes import Commands, assert_exactly_once, write_sheet
from tests.sender.conftest import Desk

TEXTS = (
    "Your code is $result[r1], keep it",
    "$result[r1]",
    "$total[5]",
    "$TIME[r1][start] and $Next[r2]",
    "paid:$error_and_more[r1]",
    "$result[r1]$result[r2]",
    "$total of your order: 5 [pieces]",
    "Costs $5 [five]",
    "<script>alert('Hello')</script>",
    "<SCRIPT src=x>",
    "</form> <b>bold</b> <iframe src='https://example.com'></iframe>",
    "javascript:void(0) and vbscript:x",
    "<!-- a comment -->",
    "onclick=pay() onerror = x",
    "a < b > c",
    "#1 of #2",
    "#",
    "Tom & Jerry &amp; friends&CHAT_ID=1",
    "100 % sure, %41%00%F0, 50%",
    "1+1=2",
    "a=b&c[d]=e",
    "?MESSAGE=other",
    "Line one\nline two\n\nline four",
    "Tab\there",
    "🎉 Party 👩‍👩‍👧 at ten 🇩🇪",
    "Привет, мир! Ёлка",
    "日本語 العربية עברית",
    "\u202eright to left\u202c and\u00a0no\u2009break",
    "[b]BB[/b] [url=https://example.com?a=1&b=2#c]code[/url]",
    '{"json": [1, 2, "three"]}',
    "\\backslash \\n \\u0041",
    "'quotes' \"double\" `back`",
    "{{ name }} {% if %}",
    "=1+1 is no formula here; @x; -x",
    "semi;colon|pipe^caret~tilde",
    "https://example.com/path?query=ä#fragment",
    "0.10",
    "null",
    "$",
    "The end.",
)


@pytest.mark.parametrize("pace", [("--batch", 50, "--rate", 8), ("--fast",), ("--batch", 50, "--rate", 0)])
def test_each_character_arrives(portal: Sandbox, tmp_path: Path, pace: tuple[object, ...]) -> None:
    """References, signs of addresses, tags, emoji, line ends: in chats of their own and one after another in one."""
    lines = [("deal", 900 + n, 7000 + n, "", text) for n, text in enumerate(TEXTS)]
    lines += [("deal", 800, 6000, "", text) for text in TEXTS[:8]]
    commands = Commands(tmp_path)
    sheet = write_sheet(tmp_path / "sheet.csv", lines)
    ended = commands.run("send", sheet, "--portal", portal.webhook, "--yes", *pace)
    assert ended.code == 0, ended.said
    assert len(TEXTS) == 40
    assert_exactly_once(lines, [delivery._asdict() for delivery in portal.ledger])
    assert len(portal.calls) < len(lines)


def test_only_such_texts_go_alone(desk: Desk) -> None:
    """The other rows of the sheet share their batches; what goes alone does not wait for one another's answers."""
    desk.portal.latency = 0.5
    lines = [("deal", 900 + n, 7000 + n, "", f"$result[r{n}]" if n < 8 else f"Message {n}") for n in range(108)]
    _, run = desk.send(lines, batch=50, max_in_flight=8, timeout=20.0)
    desk.assert_each_once(lines, run)
    alone = [call for call in desk.portal.calls if call.method == MESSAGE_ADD]
    batches = [call for call in desk.portal.calls if call.method == "batch" and call.commands > 1]
    assert len(alone) == 8
    assert len(batches) <= 4
    assert alone[-1].arrived_at - alone[0].arrived_at < 2.5  # one after another: 3.5
