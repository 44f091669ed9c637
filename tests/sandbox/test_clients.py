"""Real clients of the vendor's REST talk to the sandbox: the vendor's SDKs for Python and JavaScript, fast-bitrix24.

What they send and what they make of the answers is theirs; that they get along shows that the sandbox is a portal.
"""

import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import aiohttp
import pytest
from b24pysdk import errors
from b24pysdk.api.requesters import BitrixOAuthRequester
from b24pysdk.client import Client
from b24pysdk.credentials import BitrixApp, BitrixToken, BitrixWebhook
from fast_bitrix24 import Bitrix
from fast_bitrix24.server_response import ErrorInServerResponseException

from bulksend.sandbox import Faults, Limits, OAuthApp, Operating, Sandbox
from bulksend.sandbox.refusal import CHAT_NOT_IN_CRM
from tests.sandbox.conftest import HISTORY_GET, MESSAGE_ADD, message

SDK = "@bitrix24/b24jssdk@2.2.0"
SCRIPT = Path(__file__).with_name("sdk.mjs")


@pytest.fixture
def secure(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    """A portal over HTTPS, on which the SDK insists, with an application whose tokens live for three calls."""
    with Sandbox(tls=True, limits=Limits(rate=None), oauth=OAuthApp(token_calls=3)) as portal:
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(portal.ca_path))
        monkeypatch.setattr(BitrixOAuthRequester, "_OAUTH_TOKEN_URL", portal.token_endpoint)
        yield portal


def domain(portal: Sandbox) -> str:
    """The portal as the SDK names it."""
    return f"127.0.0.1:{portal.port}"


def webhook(portal: Sandbox) -> Any:
    """The SDK's client of the webhook."""
    token = BitrixWebhook(domain=domain(portal), webhook_token=f"{portal.gate.user_id}/{portal.gate.secret}")
    return Client(token, max_retries=1)


def send(client: Any, **changes: Any) -> Any:
    """A message through the SDK."""
    fields = {name.lower(): value for name, value in message(**changes).items()}
    return client.imopenlines.crm.message.add(**fields)


class TestOfficialSdk:
    """b24pysdk."""

    def test_single_calls(self, secure: Sandbox) -> None:
        """Messages arrive; the answer's time is read; who and what can be asked."""
        client = webhook(secure)
        answer = send(client, MESSAGE="Привет & [B]x[/B]").response
        assert answer.result == secure.ledger[0].message_id
        assert answer.time.operating == pytest.approx(0.137)
        assert answer.time.operating_reset_at.timestamp() > time.time() + 500
        assert secure.ledger[0].text == "Привет & [B]x[/B]"
        assert client.profile().result["ID"] == "27"
        assert "imopenlines" in client.scope().result

    def test_looking_up_and_joining(self, secure: Sandbox) -> None:
        """The other methods of the open channels, by the SDK's own names and parameters."""
        chats = webhook(secure).imopenlines.crm.chat
        secure.world.add_chat(9001, "deal", 5, members=[])
        assert [chat["CHAT_ID"] for chat in chats.get("deal", 5).result] == ["9001"]
        assert chats.get_last_id("deal", 5).result == 9001
        assert chats.user.add("deal", 5, 31, chat_id=9001).result == 9001

    def test_a_batch_with_a_bad_call(self, secure: Sandbox) -> None:
        """Results and errors by the caller's keys."""
        client = webhook(secure)
        calls = {"r1": send(client), "r2": send(client, CHAT_ID=404), "r3": client.profile()}
        result = client.call_batch(calls).result
        assert result.result["r1"] == secure.ledger[0].message_id
        assert result.result_error["r2"]["error"] == "CHAT_NOT_IN_CRM"
        assert result.result["r3"]["ID"] == "27"

    def test_a_reference_in_a_batch(self, secure: Sandbox) -> None:
        """What the first call gave stands in the second one's text."""
        client = webhook(secure)
        code = "Your code is $result[r1], keep it"
        result = client.call_batch({"r1": send(client), "r2": send(client, MESSAGE=code)}).result
        assert secure.ledger[1].text == f"Your code is {result.result['r1']} keep it"

    @pytest.mark.parametrize(
        ("changes", "error"),
        [({"CRM_ENTITY": 403}, errors.BitrixAPIAccessDenied), ({"CHAT_ID": 404}, errors.BitrixAPIBadRequest)],
    )
    def test_refusals(self, secure: Sandbox, changes: dict[str, Any], error: type[Exception]) -> None:
        """The SDK knows them by status and code."""
        with pytest.raises(error):
            _ = send(webhook(secure), **changes).response

    def test_refusals_of_everybody(self, secure: Sandbox) -> None:
        """Each under the SDK's own name for it."""
        client = webhook(secure)
        secure.scopes = ["crm"]
        with pytest.raises(errors.BitrixAPIInsufficientScope):
            _ = send(client).response
        for dial, error in {
            "invalid_credentials": errors.BitrixAPIInvalidCredentials,
            "overload": errors.BitrixAPIOverloadLimit,
            "user_access": errors.BitrixAPIUserAccessError,
        }.items():
            secure.refusal = dial
            with pytest.raises(error):
                _ = client.profile().response

    def test_limits(self, secure: Sandbox) -> None:
        """Too many requests, and too much execution time."""
        client = webhook(secure)
        secure.limits = Limits(rate=(0, 0.02), operating=None)
        _ = client.profile().response
        with pytest.raises(errors.BitrixAPIQueryLimitExceeded):
            _ = client.profile().response
        secure.limits = Limits(rate=None, operating=Operating(limit=0.1))
        _ = send(client).response
        with pytest.raises(errors.BitrixAPIOperationTimeLimit):
            _ = send(client).response

    def test_an_expired_token_is_renewed(self, secure: Sandbox) -> None:
        """Every third call the token runs out; the SDK renews it and goes on; each message arrives once."""
        app = BitrixApp(client_id=secure.oauth.app.client_id, client_secret=secure.oauth.app.client_secret)
        token = BitrixToken(
            domain=domain(secure),
            auth_token=secure.oauth.access_token,
            refresh_token=secure.oauth.refresh_token,
            bitrix_app=app,
        )
        client = Client(token)
        ids = [send(client, MESSAGE=f"Row {number}").response.result for number in range(8)]
        assert ids == [delivery.message_id for delivery in secure.ledger]
        assert [delivery.text for delivery in secure.ledger] == [f"Row {number}" for number in range(8)]
        assert len(secure.oauth.renewals) == 2
        assert token.auth_token == secure.oauth.access_token


class TestJavaScriptSdk:
    """@bitrix24/b24jssdk, where Node.js is."""

    @pytest.fixture(scope="class")
    @staticmethod
    def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
        """A folder with the SDK in it."""
        npm = shutil.which("npm")
        if npm is None or shutil.which("node") is None:
            pytest.skip("there is no Node.js with npm here")
        folder = tmp_path_factory.mktemp("sdk")
        quietly = ("--no-audit", "--no-fund", "--ignore-scripts", "--prefer-offline", "--fetch-retries=1")
        install = [npm, "install", *quietly, "--prefix", str(folder), SDK]
        try:
            subprocess.run(install, check=True, capture_output=True, timeout=60, cwd=folder)
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired):
            pytest.skip(f"npm could not install {SDK}: is there a network?")
        shutil.copy(SCRIPT, folder)
        return folder

    def test_all_of_it(self, folder: Path, secure: Sandbox) -> None:
        """Single calls, a batch with a reference and a bad call, refusals by their codes, a token renewed by POST."""
        oauth = secure.oauth
        given = {
            "webhook": secure.webhook,
            "message": message(),
            "oauth": {
                "domain": domain(secure),
                "clientEndpoint": secure.rest,
                "serverEndpoint": f"{secure.base}/rest/",
                "accessToken": oauth.access_token,
                "refreshToken": oauth.refresh_token,
                "expires": int(time.time()) + 3600,
                "expiresIn": 3600,
                "userId": oauth.user_id,
                "memberId": oauth.member_id,
                "applicationToken": "",
                "scope": "imopenlines",
                "status": "L",
            },
            "secret": {"clientId": oauth.app.client_id, "clientSecret": oauth.app.client_secret},
        }
        ended = subprocess.run(
            ["node", SCRIPT.name, json.dumps(given)],
            cwd=folder,
            env=os.environ | {"NODE_EXTRA_CA_CERTS": str(secure.ca_path)},
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=60,
            check=False,
        )
        assert ended.returncode == 0, ended.stderr
        told, ids = json.loads(ended.stdout), [delivery.message_id for delivery in secure.ledger]
        assert [delivery.text for delivery in secure.ledger] == [
            *("Привет & [B]x[/B]", "Hello", f"Your code is {ids[1]} keep it"),
            *(f"Row {number}" for number in range(1, 5)),
        ]
        assert told["single"] == ids[0]
        assert told["batch"] == {"first": ids[1], "second": ids[2], "who": told["batch"]["who"]}
        assert told["batch"]["who"]["ID"] == "27"
        assert told["errors"] == [CHAT_NOT_IN_CRM.description]
        assert told["refused"] == "CHAT_NOT_IN_CRM"
        assert len(oauth.renewals) == 1


class TestFastBitrix24:
    """fast-bitrix24."""

    def test_many_calls_in_batches(self, portal: Sandbox) -> None:
        """120 messages go out as three batches, and as many ids come back."""
        items = [
            message(CRM_ENTITY=number, CHAT_ID=9000 + number, MESSAGE=f"Привет, {number}!") for number in range(1, 121)
        ]
        ids = Bitrix(portal.webhook, verbose=False).call(MESSAGE_ADD, items)
        assert len(ids) == len(portal.ledger) == 120
        assert sorted(record.commands for record in portal.calls) == [20, 50, 50]
        assert {delivery.text for delivery in portal.ledger} == {f"Привет, {number}!" for number in range(1, 121)}

    def test_a_reference_in_a_batch(self, portal: Sandbox) -> None:
        """The client makes the calls' texts; the portal replaces what they refer to."""
        client = Bitrix(portal.webhook, verbose=False)
        code = message(MESSAGE="Your code is $result[r1], keep it")
        commands = {"r1": f"{MESSAGE_ADD}?{urlencode(message())}", "r2": f"{MESSAGE_ADD}?{urlencode(code)}"}
        client.call("batch", {"halt": 0, "cmd": commands}, raw=True)
        first, second = portal.ledger
        assert second.text == f"Your code is {first.message_id} keep it"

    def test_single_calls_and_look_ups(self, portal: Sandbox) -> None:
        """One item is answered by itself; raw calls are sent as they are."""
        client = Bitrix(portal.webhook, verbose=False)
        assert client.call(MESSAGE_ADD, message()) == portal.ledger[0].message_id
        assert client.call("profile", raw=True)["result"]["ID"] == "27"
        found = client.call(HISTORY_GET, {"CHAT_ID": 8773}, raw=True)["result"]
        assert str(portal.ledger[0].message_id) in found["message"]

    def test_errors_in_a_batch(self, portal: Sandbox) -> None:
        """The refused call's code is told."""
        client = Bitrix(portal.webhook, verbose=False)
        with pytest.raises(ErrorInServerResponseException, match="CHAT_NOT_IN_CRM"):
            client.call(MESSAGE_ADD, [message(), message(CHAT_ID=404)])

    def test_rate_limiting(self) -> None:
        """Refused for the rate, it waits and comes again until the bucket has room; nothing is lost."""
        faults = Faults(at={2: "query_limit"})  # the bucket refuses too, but not where there is a second between calls
        with Sandbox(limits=Limits(rate=(1, 50), operating=None), faults=faults) as portal:
            items = [message(CHAT_ID=9000 + number) for number in range(8)]
            client = Bitrix(portal.webhook, verbose=False, batch_size=2, respect_velocity_policy=False)
            client.call(MESSAGE_ADD, items)
            assert len(portal.ledger) == 8
            assert {record.status for record in portal.calls} == {200, 503}

    def test_a_renewed_token(self) -> None:
        """A token refused with 401 is asked for anew, and the call repeated with it; each message arrives once."""
        with Sandbox(limits=Limits.none(), oauth=OAuthApp(token_calls=2)) as portal:
            asked: list[str] = []

            async def token() -> str:
                if asked:
                    async with aiohttp.ClientSession() as session, session.get(renewal(portal)) as answer:
                        asked.append((await answer.json())["access_token"])
                else:
                    asked.append(portal.oauth.access_token)
                return asked[-1]

            client = Bitrix(portal.rest, token_func=token, verbose=False)
            for number in range(5):
                assert client.call(MESSAGE_ADD, message(MESSAGE=f"Row {number}"))
            assert [delivery.text for delivery in portal.ledger] == [f"Row {number}" for number in range(5)]
            assert len(portal.oauth.renewals) == 2


def renewal(portal: Sandbox) -> str:
    """The address that renews the portal's tokens."""
    query = {
        "grant_type": "refresh_token",
        "client_id": portal.oauth.app.client_id,
        "client_secret": portal.oauth.app.client_secret,
        "refresh_token": portal.oauth.refresh_token,
    }
    return f"{portal.token_endpoint}?{urlencode(query)}"
