"""A real portal and chat that the environment names: run with ``pytest -m portal``.

``BULKSEND_TEST_PORTAL`` is a webhook's address, ``BULKSEND_TEST_ENTITY`` an entity such as ``deal:288``, and
``BULKSEND_TEST_CHAT`` an active chat of it whose customer is one of you: two short messages are sent to it.
``BULKSEND_TEST_USER`` speaks, where that is not the webhook's user.
"""

import json
import os
import time

import pytest

from tests.processes import Commands, read_results, write_sheet
from tests.test_recorded import DISAGREEMENTS, ask_the_sandbox, differences, sandbox_for, shape

NAMES = ("BULKSEND_TEST_PORTAL", "BULKSEND_TEST_ENTITY", "BULKSEND_TEST_CHAT")
GIVEN = [os.environ.get(name, "") for name in NAMES]

pytestmark = [
    pytest.mark.portal,
    pytest.mark.skipif(not all(GIVEN), reason=f"names no portal: {', '.join(NAMES)}"),
    pytest.mark.xdist_group("portal"),
]


@pytest.fixture(scope="module")
def commands(tmp_path_factory: pytest.TempPathFactory) -> Commands:
    """The command line, with one journal for all of these tests."""
    return Commands(tmp_path_factory.mktemp("portal"))


def test_the_check_up_and_its_recording(commands: Commands) -> None:
    """It can be sent to, and what it answers has the shape of what the sandbox answers."""
    portal, _, chat = GIVEN
    said = commands.run("portal", "test", portal, "--chat", chat, "--record", "recording.json")
    assert said.code == 0, said.said
    recording = json.loads((commands.folder / "recording.json").read_text(encoding="utf-8"))
    found = []
    for exchange in recording["exchanges"]:
        exchange["sign_in"] = recording["sign_in"]
        assert exchange["status"] == 200, exchange["body"]
        with sandbox_for(exchange) as sandbox:
            ours = ask_the_sandbox(exchange, sandbox).json()
        differing = differences(shape(exchange["body"]), shape(ours))
        found += [
            (exchange["method"], place, said)
            for place, said in differing
            if (exchange["method"], place) not in DISAGREEMENTS and said != "only in the sandbox"
        ]
    assert found == [], "the portal differs: put its recording into tests/recorded/"


def test_two_messages_arrive_once_each(commands: Commands) -> None:
    """They are sent, found in the chat's history, and not sent again by the same command."""
    portal, entity, chat = GIVEN
    kind, number = entity.split(":")
    mark = time.strftime("%Y-%m-%d %H:%M:%S")
    speaker = os.environ.get("BULKSEND_TEST_USER", "")
    lines = [(kind, int(number), int(chat), speaker, f"A test of bulksend, {part} of 2: {mark}") for part in (1, 2)]
    sheet = write_sheet(commands.folder / "two.csv", lines)
    assert commands.run("check", sheet, "--online", "--portal", portal).code == 0
    sent = commands.run("send", sheet, "--portal", portal, "--yes")
    assert sent.code == 0, sent.said
    rows = read_results(commands.folder / "two.results.csv")
    assert [row["status"] for row in rows] == ["sent", "sent"]
    assert int(rows[0]["message_id"]) < int(rows[1]["message_id"])
    assert commands.run("send", sheet, "--portal", portal, "--yes").code == 2
    verified = commands.run("verify", "--portal", portal, "--json")
    assert verified.code in {0, 1}, verified.said
    assert sum(json.loads(verified.out)["delivery"].values()) == 2
