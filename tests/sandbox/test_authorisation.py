"""Who may call: the webhook, the application and its tokens, and refusals that meet everybody."""

import time
from typing import Any

import pytest
import requests

from bulksend.sandbox import CampaignRefusal, Limits, OAuthApp, Sandbox
from bulksend.sandbox.refusal import Refusal
from tests.sandbox.conftest import MESSAGE_ADD, call, message


def as_application(portal: Sandbox, method: str, token: str, **parameters: Any) -> requests.Response:
    """Call a method with an access token."""
    return requests.post(portal.rest + method, json=parameters | {"auth": token}, timeout=30)


def renew(portal: Sandbox, *, form: bool = False, **changes: str) -> requests.Response:
    """Ask the token endpoint for a new pair, in the query or in a form."""
    app = portal.oauth.app
    query = {
        "grant_type": "refresh_token",
        "client_id": app.client_id,
        "client_secret": app.client_secret,
        "refresh_token": portal.oauth.refresh_token,
    }
    if form:
        return requests.post(portal.token_endpoint, data=query | changes, timeout=30)
    return requests.get(portal.token_endpoint, params=query | changes, timeout=30)


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("rest/27/wrong/profile", "INVALID_CREDENTIALS"),
        ("rest/28/secret/profile", "INVALID_CREDENTIALS"),
        ("rest/profile", "NO_AUTH_FOUND"),
        ("rest/profile?auth=guess", "NO_AUTH_FOUND"),
    ],
)
def test_a_wrong_secret_user_or_token_is_refused_with_401(path: str, code: str) -> None:
    """Nothing is told about which part was wrong."""
    with Sandbox(secret="secret") as portal:
        answer = requests.get(f"{portal.base}/{path}", timeout=30)
    assert (answer.status_code, answer.json()["error"]) == (401, code)


@pytest.mark.parametrize("path", ["rest/27/wrong/nonsense", "rest/nonsense", "rest/27/wrong/"])
def test_an_unknown_method_is_told_before_the_secret_is_looked_at(portal: Sandbox, path: str) -> None:
    """404, whoever asks."""
    answer = requests.get(f"{portal.base}/{path}", timeout=30)
    assert (answer.status_code, answer.json()["error"]) == (404, "ERROR_METHOD_NOT_FOUND")


def test_a_missing_scope_is_told_with_403(portal: Sandbox) -> None:
    """Methods that need no scope go on."""
    portal.scopes = ["crm"]
    answer = call(portal, MESSAGE_ADD, message())
    assert (answer.status_code, answer.json()["error"]) == (403, "insufficient_scope")
    assert call(portal, "scope").json()["result"] == ["crm"]
    portal.scopes = ["crm", "imopenlines"]
    assert call(portal, MESSAGE_ADD, message()).ok


@pytest.mark.parametrize(
    ("dial", "status", "code"),
    [
        ("no_auth", 401, "NO_AUTH_FOUND"),
        ("invalid_credentials", 401, "INVALID_CREDENTIALS"),
        ("invalid_credentials_403", 403, "INVALID_CREDENTIALS"),
        ("overload", 503, "OVERLOAD_LIMIT"),
        (CampaignRefusal.COMMERCIAL_PLAN, 403, "ACCESS_DENIED"),
        ("user_access", 403, "user_access_error"),
        ("https_required", 400, "INVALID_REQUEST"),
        ("no_module", 404, "ERROR_METHOD_NOT_FOUND"),
        ("portal_deleted", 500, "PORTAL_DELETED"),
    ],
)
def test_a_refusal_that_meets_everybody_lasts_until_it_is_mended(
    portal: Sandbox, dial: str, status: int, code: str
) -> None:
    """Single calls and batches alike; nothing is delivered before the dial is turned back."""
    portal.refusal = dial
    for method in (MESSAGE_ADD, "batch", "profile"):
        answer = call(portal, method, message())
        assert (answer.status_code, answer.json()["error"]) == (status, code)
    portal.refusal = None
    assert call(portal, MESSAGE_ADD, message()).ok
    assert len(portal.ledger) == 1


def test_the_tariffs_refusal_speaks_of_commercial_plans(portal: Sandbox) -> None:
    """The row's own ACCESS_DENIED does not: only the description tells them apart."""
    portal.refusal = "commercial_plan"
    assert "commercial plans" in call(portal, "profile").json()["error_description"]
    portal.refusal = None
    assert "commercial" not in call(portal, MESSAGE_ADD, message(CRM_ENTITY=403)).json()["error_description"]


def test_an_application_calls_with_its_access_token() -> None:
    """`auth` or `access_token` among the parameters, or a header; for batches as well."""
    with Sandbox(oauth=OAuthApp()) as portal:
        token = portal.oauth.access_token
        assert as_application(portal, MESSAGE_ADD, token, **message()).ok
        assert requests.get(portal.rest + "profile", params={"auth": token}, timeout=30).json()["result"]["ID"] == "27"
        address = portal.rest + "profile"
        assert requests.get(address, params={"access_token": token}, timeout=30).ok
        assert requests.post(address, data={"access_token": token}, timeout=30).ok
        assert requests.get(address, headers={"Authorization": f"Bearer {token}"}, timeout=30).ok
        assert as_application(portal, "batch", token, cmd={"r1": "scope"}).json()["result"]["result"]
        assert as_application(portal, "app.info", token).json()["result"]["STATUS"] == "L"
        assert call(portal, "profile").ok


def test_a_token_runs_out_after_its_time_or_when_told_to() -> None:
    """By the clock, and by the test's hand."""
    with Sandbox(oauth=OAuthApp(token_life=0.1)) as portal:
        time.sleep(0.15)
        assert as_application(portal, "profile", portal.oauth.access_token).json()["error"] == "expired_token"
        portal.oauth.app = OAuthApp(token_life=3600.0)
        fresh = renew(portal).json()["access_token"]
        assert as_application(portal, "profile", fresh).ok
        portal.oauth.expire()
        assert as_application(portal, "profile", fresh).json()["error"] == "expired_token"


def test_the_token_endpoint_tells_all_that_a_caller_must_save() -> None:
    """Both tokens, both expiries, the REST base to use from then on, member, scope and user."""
    with Sandbox(oauth=OAuthApp()) as portal:
        before = int(time.time())
        pair = renew(portal).json()
        assert pair["client_endpoint"] == portal.rest
        assert before <= pair["expires"] - 3600 <= time.time()
        assert (pair["expires_in"], pair["user_id"]) == (3600, 27)
        assert {"access_token", "refresh_token", "member_id", "scope"} <= pair.keys()


@pytest.mark.parametrize("form", [False, True])
def test_a_refresh_token_works_once(form: bool) -> None:
    """The old one is gone when the new one is there; asked by GET or by a POSTed form."""
    with Sandbox(oauth=OAuthApp()) as portal:
        old = portal.oauth.refresh_token
        assert renew(portal, form=form, refresh_token=old).ok
        answer = renew(portal, refresh_token=old)
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"grant_type": "password"}, "invalid_request"),
        ({"refresh_token": ""}, "invalid_request"),
        ({"client_secret": "guess"}, "invalid_client"),
        ({"client_id": "guess"}, "invalid_client"),
        ({"refresh_token": "guess"}, "invalid_grant"),
    ],
)
def test_the_token_endpoint_refuses_with_its_codes(changes: dict[str, str], code: str) -> None:
    """400 each, and the pair stays what it was."""
    with Sandbox(oauth=OAuthApp()) as portal:
        before = portal.oauth.refresh_token
        answer = renew(portal, form=False, **changes)
        assert (answer.status_code, answer.json()["error"]) == (400, code)
        assert portal.oauth.refresh_token == before


def test_the_token_endpoint_can_refuse_for_good() -> None:
    """An application that was not paid for."""
    with Sandbox(oauth=OAuthApp()) as portal:
        portal.oauth.refusal = Refusal(401, "PAYMENT_REQUIRED", "Payment required")
        assert renew(portal).json()["error"] == "PAYMENT_REQUIRED"


def test_a_portal_without_an_application_has_no_token_endpoint() -> None:
    """404, and access tokens are unknown."""
    with Sandbox(limits=Limits.none()) as portal:
        assert requests.get(portal.token_endpoint, timeout=30).status_code == 404
        assert requests.get(portal.rest + "profile?auth=x", timeout=30).status_code == 401
