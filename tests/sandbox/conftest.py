"""What the sandbox's tests share: a portal, and a plain way to call it over HTTP."""

from collections.abc import Iterator
from typing import Any

import pytest
import requests

from bulksend.sandbox import Limits, Sandbox, World

MESSAGE_ADD = "imopenlines.crm.message.add"
HISTORY_GET = "imopenlines.session.history.get"


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep calls to this computer away from a proxy that the environment names."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")


@pytest.fixture
def portal() -> Iterator[Sandbox]:
    """An open portal without limits."""
    with Sandbox(limits=Limits.none()) as sandbox:
        yield sandbox


@pytest.fixture
def closed_world() -> World:
    """A world that knows deal 288 with chat 8773, and nothing else."""
    world = World.closed()
    world.add_entity("deal", 288, chats=[8773])
    return world


def call(sandbox: Sandbox, method: str, parameters: dict[str, Any] | None = None, **options: Any) -> requests.Response:
    """Call a method of the webhook with a JSON body."""
    options.setdefault("timeout", 30)
    return requests.post(sandbox.webhook + method, json=parameters or {}, **options)


def message(**changes: Any) -> dict[str, Any]:
    """Parameters of a message that arrives, with changes; a value of ``None`` leaves the field out."""
    fields = {"CRM_ENTITY_TYPE": "deal", "CRM_ENTITY": 288, "USER_ID": 27, "CHAT_ID": 8773, "MESSAGE": "Hello"}
    return {name: value for name, value in (fields | changes).items() if value is not None}
