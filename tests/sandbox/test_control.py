"""The sandbox seen from other processes: the control door, and a sandbox in the foreground."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import requests

from bulksend.errors import UsageError
from bulksend.sandbox import Limits, OAuthApp, Sandbox
from tests.sandbox.conftest import HISTORY_GET, MESSAGE_ADD, call, message

ROOT = Path(__file__).parents[2]
FOREGROUND = """
from bulksend.sandbox import Limits, Sandbox, serve
serve(Sandbox(limits=Limits.none()), lambda portal: print(portal.webhook, portal.control, flush=True))
"""


def read(portal: Sandbox, name: str) -> Any:
    """Look through the door."""
    return requests.get(portal.control + name, timeout=30).json()


def turn(portal: Sandbox, name: str, **dials: Any) -> requests.Response:
    """Turn dials through the door."""
    return requests.post(portal.control + name, json=dials, timeout=30)


def test_limits_can_be_set_and_taken_away(portal: Sandbox) -> None:
    """What is not named stays; null switches a limit off."""
    assert turn(portal, "limits", rate=[0, 0], operating={"limit": 5, "window": 600, "cost": 1}).ok
    assert portal.limits.operating is not None
    assert call(portal, "profile").ok
    assert call(portal, "profile").status_code == 503
    assert turn(portal, "limits", rate=None).ok
    assert portal.limits.rate is None
    assert portal.limits.operating is not None
    assert turn(portal, "limits", operating=None).ok
    assert portal.limits == Limits.none()


def test_the_world_can_be_changed(portal: Sandbox) -> None:
    """Entities, chats, words, sessions, and its switches."""
    assert turn(
        portal,
        "world",
        entities=[{"entity_type": "lead", "entity_id": 5, "chats": [900], "forbidden": False}],
        chats=[{"chat_id": 901, "entity_type": "lead", "entity_id": 5, "members": [], "refuses": ""}],
        sessions=[{"chat_id": 900, "status": 60}],
        messages=[{"chat_id": 900, "user_id": 31, "text": "Said before", "at": 1_790_000_000}],
    ).ok
    lead = {"CRM_ENTITY_TYPE": "lead", "CRM_ENTITY": 5}
    assert call(portal, MESSAGE_ADD, message(**lead, CHAT_ID=900)).json()["error"] == "CHAT_NOT_IN_CRM"
    assert call(portal, MESSAGE_ADD, message(**lead, CHAT_ID=901)).json()["error"] == "CANCELED"
    texts = [
        entry["text"] for entry in call(portal, HISTORY_GET, {"CHAT_ID": 900}).json()["result"]["message"].values()
    ]
    assert texts[0] == "Said before"
    assert turn(portal, "world", history_refused=True).ok
    assert call(portal, HISTORY_GET, {"CHAT_ID": 900}).json()["error"] == "ACCESS_DENIED"


def test_the_other_dials_can_be_turned(portal: Sandbox) -> None:
    """Scopes, refusals, latency, clock, and the rest that Python can set."""
    assert turn(portal, "dials", scopes=["crm"], latency=0.01, clock_skew=5, filter_scripts=False, other_traffic=1.5).ok
    assert (portal.scopes, portal.latency, portal.clock_skew) == (["crm"], 0.01, 5)
    assert turn(portal, "dials", refusal="overload").ok
    assert call(portal, "profile").json()["error"] == "OVERLOAD_LIMIT"
    assert turn(portal, "dials", refusal=None).ok
    assert read(portal, "state")["refusal"] is None


@pytest.mark.parametrize(
    ("name", "dials"),
    [
        ("faults", {"probability": {"explode": 1}}),
        ("faults", {"no_such_argument": 1}),
        ("limits", {"rate": "fast"}),
        ("world", {"rename": [{}]}),
        ("dials", {"colour": "red"}),
        ("dials", {"refusal": "because"}),
    ],
)
def test_what_makes_no_sense_is_told_with_400_and_changes_nothing(
    portal: Sandbox, name: str, dials: dict[str, Any]
) -> None:
    """The portal goes on as it was."""
    answer = turn(portal, name, **dials)
    assert answer.status_code == 400
    assert answer.json()["error"]
    assert call(portal, MESSAGE_ADD, message()).ok
    assert requests.get(portal.control + "nonsense", timeout=30).status_code == 404


def test_tokens_can_be_read_by_a_test_in_another_process() -> None:
    """The newest pair and the number of renewals."""
    with Sandbox(oauth=OAuthApp()) as portal:
        told = read(portal, "state")["oauth"]
        assert told == {
            "access_token": portal.oauth.access_token,
            "refresh_token": portal.oauth.refresh_token,
            "renewals": 0,
        }


@pytest.mark.skipif(sys.platform == "win32", reason="a console's Ctrl-C cannot be sent to one process there")
def test_a_sandbox_in_the_foreground_serves_until_ctrl_c() -> None:
    """It tells its addresses, serves, and ends without a traceback."""
    started = [sys.executable, "-c", FOREGROUND]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        started, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        assert process.stdout is not None
        webhook, control = process.stdout.readline().split()
        assert requests.post(webhook + MESSAGE_ADD, json=message(), timeout=30).ok
        assert len(requests.get(control + "ledger", timeout=30).json()) == 1
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (0, "")


def test_a_port_that_is_taken_is_told_in_a_sentence(portal: Sandbox) -> None:
    """Which port, and what to do."""
    with pytest.raises(UsageError, match=rf"port {portal.port}.*Choose another port"), Sandbox(port=portal.port):
        pass
