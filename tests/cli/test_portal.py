"""Saved portals: added once, tested, named from then on, without their secrets being shown."""

import json
import re
import time
from pathlib import Path

import pytest

from bulksend.portal.credential_store import PortalStore
from bulksend.portal.methods import MESSAGE_ADD
from bulksend.sandbox import Faults, Limits, OAuthApp, Sandbox
from tests.cli.conftest import Command, Sheet

HEADINGS = ("CRM_ENTITY_TYPE", "CRM_ENTITY_ID", "CHAT_ID", "MESSAGE")


def test_a_webhook_is_added_listed_used_and_removed(command: Command, sheet: Sheet, portal: Sandbox) -> None:
    """Its life, with the secret in no output."""
    portal.world.add_entity("deal", 1, chats=[5])
    said = [command("portal", "add", "ours", "--webhook", portal.webhook)]
    said.append(command("portal", "list"))
    assert "ours  http://127.0.0.1" in said[-1].out
    said.append(command("portal", "test", "ours"))
    assert "/rest/27/…) answers in " in said[-1].out
    assert "sending will work" in said[-1].out
    path = sheet("a.csv", HEADINGS, [("deal", 1, 5, "Hello")])
    said.append(command("send", path, "--portal", "ours", "--yes", "--rate", 0, "--verbose"))
    assert [delivery.text for delivery in portal.ledger] == ["Hello"]
    said.append(command("runs"))
    said.append(command("portal", "remove", "ours"))
    assert [each.code for each in said] == [0] * len(said)
    assert not any(portal.gate.secret in each.out + each.err for each in said)
    assert command("portal", "test", "ours").code == 2


def test_an_application_renews_its_token_when_it_is_tested(command: Command) -> None:
    """An application without an access token gets one by its refresh token."""
    with Sandbox(oauth=OAuthApp()) as portal:
        app = portal.oauth
        added = command(
            *("portal", "add", "app", "--address", portal.rest, "--token-url", portal.token_endpoint),
            *("--client-id", app.app.client_id, "--client-secret", app.app.client_secret),
            *("--refresh-token", app.refresh_token),
        )
        assert added.code == 0
        tested = command("portal", "test", "app")
        assert tested.code == 0
        assert len(app.renewals) == 1
        assert app.app.client_secret not in added.out + added.err + tested.out + tested.err


def test_a_webhook_is_no_application(command: Command, portal: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of both neither is left aside without a word, but what is typed wins over the environment."""
    both = command("portal", "add", "ours", "--webhook", portal.webhook, "--client-id", "local.1")
    assert (both.code, both.err) == (2, "Error: Give --webhook, or --client-id of an application, not both.\n")
    half = command("portal", "add", "ours", "--address", portal.rest, "--client-secret", "s", "--refresh-token", "r")
    assert (half.code, "give the application's id with --client-id" in half.err) == (2, True)
    monkeypatch.setenv("BULKSEND_CLIENT_ID", "local.1")
    assert command("portal", "add", "ours", "--webhook", portal.webhook).code == 0
    assert command("portal", "test", "ours").code == 0


@pytest.mark.parametrize(
    ("dial", "words"),
    [("no_auth", "webhook"), ("invalid_credentials", "webhook"), ("overload", "vendor"), ("no_scope", "imopenlines")],
)
def test_what_keeps_from_sending_is_said_at_once(
    command: Command, sheet: Sheet, portal: Sandbox, dial: str, words: str
) -> None:
    """A wrong webhook, a missing scope: at once, before any row is touched, with what to do."""
    path = sheet("a.csv", HEADINGS, [("deal", 1, 5, "Hello")])
    if dial == "no_scope":
        portal.scopes = ["crm"]
    else:
        portal.refusal = dial
    began = time.monotonic()
    said = command("send", path, "--portal", portal.webhook, "--yes", "--preflight")
    assert said.code == 2
    assert words in said.err
    assert said.err.startswith("Error: ")
    assert time.monotonic() - began < 10  # not the minutes for which an outage is waited out
    assert "There are no campaigns" in command("runs").err


def test_an_unknown_name_is_told_with_the_nearest_one(command: Command, portal: Sandbox) -> None:
    """A slip of the finger gets the name that was meant."""
    command("portal", "add", "ours", "--webhook", portal.webhook)
    said = command("portal", "test", "our")
    assert said.code == 2
    assert "ours" in said.err


def test_nothing_is_asked_where_there_is_no_terminal(command: Command) -> None:
    """In a script the address comes as an option or from the environment."""
    said = command("portal", "add", "ours")
    assert said.code == 2
    assert "--webhook" in said.err


@pytest.mark.parametrize(
    "address",
    ["nonsense", "http://portal.example/rest/27/abc/", "https://portal.example/", "ftp://portal.example/rest/1/a/"],
)
def test_an_address_that_cannot_be_used_is_one_sentence(command: Command, sheet: Sheet, address: str) -> None:
    """Nonsense, or plain http to another computer: exit 2, one sentence, nothing entered."""
    path = sheet("a.csv", HEADINGS, [("deal", 1, 5, "Hello")])
    said = command("send", path, "--portal", address, "--yes")
    assert said.code == 2
    assert said.err.startswith("Error: ")
    assert said.err.count("\n") == 1


def test_a_saved_name_in_any_case_beside_one_that_is_damaged(
    command: Command, home: Path, sheet: Sheet, portal: Sandbox
) -> None:
    """The campaign is known by the name that was saved, so that it can be gone on with; others do not matter."""
    portal.world.add_entity("deal", 1, chats=[5])
    command("portal", "add", "ours", "--webhook", portal.webhook)
    (home / "portals" / "portal-zz.json").write_text("{", encoding="utf-8")
    said = command("portal", "list")
    assert (said.code, len(said.out.splitlines())) == (0, 2)
    assert "zz is damaged: remove it and add it again" in said.out
    assert [saved["kind"] for saved in json.loads(command("portal", "list", "--json").out)] == ["webhook", "damaged"]
    path = sheet("a.csv", HEADINGS, [("deal", 1, 5, "Hello"), ("deal", 1, 6, "Not there")])
    assert command("send", path, "--portal", "OURS", "--yes", "--rate", 0).code == 1
    assert command("runs").out.endswith("a.csv → ours\n")
    portal.world.add_entity("deal", 1, chats=[5, 6])
    assert command("retry", 1, "--yes").code == 0


def test_a_data_folder_named_from_where_one_is(
    command: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, portal: Sandbox
) -> None:
    """With `BULKSEND_HOME=data` two folders have portals of their own, in a keyring as well."""
    monkeypatch.setenv("BULKSEND_HOME", "data")
    stores = []
    for name in ("one", "two"):
        folder = tmp_path / name
        folder.mkdir()
        monkeypatch.chdir(folder)
        assert command("portal", "add", "ours", "--webhook", portal.webhook).code == 0
        stores.append(PortalStore(Path("data"))._entry("ours"))
    assert len(set(stores)) == 2
    assert command("portal", "test", "ours").code == 0


def test_a_settle_time_is_remembered_with_the_portal(command: Command, sheet: Sheet, portal: Sandbox) -> None:
    """A message whose answer was lost is waited for as long as was said when the portal was added."""
    portal.world.add_entity("deal", 1, chats=[5])
    assert command("portal", "add", "ours", "--webhook", portal.webhook, "--settle", "0.5").code == 0
    assert json.loads(command("portal", "list", "--json").out)[0]["settle"] == 0.5
    path = sheet("a.csv", HEADINGS, [("deal", 1, 5, "Hello"), ("deal", 1, 5, "Good bye")])
    portal.faults = Faults(at={1: "close_before"}, methods=[MESSAGE_ADD])
    began = time.monotonic()
    assert command("send", path, "--portal", "ours", "--yes", "--rate", 0, "--timeout", 1).code == 0
    assert time.monotonic() - began < 20
    assert [delivery.text for delivery in portal.ledger] == ["Hello", "Good bye"]


@pytest.mark.parametrize(
    ("host", "options", "told"),
    [
        ("no-such-portal.invalid", (), True),
        ("no-such-portal.invalid", ("--settle", "600"), False),
        ("no-such-portal.bitrix24.invalid", (), False),
        ("127.0.0.1:9", (), False),
    ],
)
def test_a_portal_of_its_own_may_take_longer(
    command: Command, sheet: Sheet, host: str, options: tuple[str, ...], told: bool
) -> None:
    """60 s are the cloud's limit: where another portal is sent to without --settle, a line says so each time."""
    path = sheet("a.csv", HEADINGS, [("deal", 1, 5, "Hello")])
    address = f"https://{host}/rest/27/s3cret/"
    said = [command("send", path, "--portal", address, "--yes", *options)]
    said += [command(*words, "--portal", address, "--yes", *options) for words in (("resume",), ("retry", 1))]
    for each in said:
        assert each.code in {2, 3}
        assert [line.count("--settle SECONDS") for line in each.err.splitlines() if "cloud" in line] == [1] * told


def test_the_check_up_shows_how_chats_stand(command: Command, portal: Sandbox) -> None:
    """A table with sign-in, rights, plan, clock, limits, histories and dialogs; nothing is sent."""
    portal.limits = Limits()
    portal.clock_skew = 300
    portal.world.add_entity("deal", 1, chats=[5, 6, 7])
    portal.world.add_chat(6, status=60)
    portal.world.add_chat(7, connector="whatsapp", silent=True, closes_in=3600)
    chats = [word for chat in (5, 6, 7, 8) for word in ("--chat", chat)]
    said = command("portal", "test", portal.webhook, *chats, "--json")
    assert said.code == 0
    found = {
        f"{finding['what']} {finding['chat'] or ''}".strip(): (finding["mark"], finding["words"])
        for finding in json.loads(said.out)
    }
    assert list(found)[:8] == [
        *("portal", "sign-in", "rights", "plan", "rate", "clock", "execution time", "histories"),
    ]
    assert found["sign-in"][1].startswith("a webhook of user 27 Sandbox Operator, who speaks")
    assert found["rights"] == ("ok", "imopenlines, crm, im: sending will work")
    assert found["plan"] == ("ok", "ru_ent250")
    assert found["clock"][0] == "warning"
    ahead = re.match(r"(\d+) s ahead", found["clock"][1])
    assert ahead is not None
    assert 270 <= int(ahead[1]) <= 300  # the answer may have been under way for long
    assert found["execution time"][1].startswith("it is counted")
    assert found["histories"][1].startswith("3 of 4 can be read (INVALID_SESSION_ID);")
    assert found["chat 5"] == ("ok", "deal 1, active, messages in its last dialog: 1")
    assert found["chat 6"][1].startswith("deal 1, not active")
    assert "in silent mode" in found["chat 7"][1]
    assert "takes messages until" in found["chat 7"][1]
    assert found["chat 8"] == ("warning", "its dialog is not shown (ACCESS_ERROR)")
    assert portal.ledger == []
    assert {record.method for record in portal.calls} == {
        *("batch", "app.info", "imopenlines.dialog.get", "imopenlines.session.history.get", "imopenlines.crm.chat.get"),
    }


def test_the_check_up_looks_at_chats_of_the_latest_campaign(command: Command, sheet: Sheet, portal: Sandbox) -> None:
    """Where none are named."""
    assert "--chat N" in command("portal", "test", portal.webhook).err
    portal.world.add_entity("deal", 1, chats=[5, 6])
    path = sheet("a.csv", HEADINGS, [("deal", 1, chat, "Hello") for chat in (5, 6, 5)])
    assert command("send", path, "--portal", portal.webhook, "--yes", "--rate", 0).code == 0
    said = command("portal", "test", portal.webhook)
    assert [line.split("  ")[0] for line in said.out.splitlines() if line.startswith("chat")] == ["chat 5", "chat 6"]


def test_a_recording_holds_nothing_of_anybody(command: Command, portal: Sandbox, tmp_path: Path) -> None:
    """Ids are replaced alike everywhere and in their order; names, texts, addresses and secrets are not in it."""
    portal.world.start_ids_at(77_000_000)
    portal.world.add_channel("whatsapp", line=3)
    portal.world.add_chat(8773, "deal", 28_812, connector="whatsapp")
    portal.world.say(8773, 4711, "Dear Priya, your code is IVAN|4711")
    kept = tmp_path / "recording.json"
    assert command("portal", "test", portal.webhook, "--chat", 8773, "--record", kept).code == 0
    text = kept.read_text(encoding="utf-8")
    text = re.sub(r"\d+\.\d+|\b\d{10}\b", "", text)  # times are kept, and have any digits
    assert [word for word in ("8773", "28812", "77000000", "4711", "Priya", "IVAN", "Sandbox") if word in text] == []
    assert portal.gate.secret not in text
    asked = {exchange["method"]: exchange for exchange in json.loads(kept.read_text(encoding="utf-8"))["exchanges"]}
    dialog, history = asked["imopenlines.dialog.get"], asked["imopenlines.session.history.get"]
    chat = dialog["params"]["CHAT_ID"]
    assert history["params"] == {"CHAT_ID": chat}
    assert dialog["body"]["result"]["dialog_id"] == f"chat{chat}" == history["body"]["result"]["userId"]
    assert dialog["body"]["result"]["entity_data_1"].startswith("Y|DEAL|")
    assert next(set(message) for message in history["body"]["result"]["message"].values()) >= {"id", "text", "params"}
    first, last = sorted(map(int, history["body"]["result"]["message"]))
    assert last == dialog["body"]["result"]["last_message_id"] > first


def test_a_recording_is_kept_of_a_portal_that_refuses(command: Command, portal: Sandbox, tmp_path: Path) -> None:
    """What is wrong with it may be what somebody has to see."""
    portal.refusal = "overload"
    kept = tmp_path / "recording.json"
    assert command("portal", "test", portal.webhook, "--record", kept).code == 2
    (exchange,) = json.loads(kept.read_text(encoding="utf-8"))["exchanges"]
    assert (exchange["status"], exchange["body"]) == (503, {"error": "OVERLOAD_LIMIT", "error_description": "…"})
