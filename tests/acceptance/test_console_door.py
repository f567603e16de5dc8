"""The door of the console: sessions that end with their token, forms of others, what browsers are told."""

import re
import time
from collections.abc import Iterator

import httpx
import pytest

from app.embedded import EmbeddedPostgres
from app.security.roles import Role
from app.security.sessions import csrf_token
from tests.acceptance.issuer import AUDIENCE, ISSUER, Issuer, issuing
from tests.acceptance.secured import Secured, fresh, refused, secured_server
from tests.acceptance.server import serving, until
from tests.acceptance.test_tokens import tokens

pytestmark = [pytest.mark.postgres, pytest.mark.slow]

LOGIN, LOGOUT = "/console/login", "/console/logout"
HTML = {"Accept": "text/html"}


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    with issuing() as found:
        yield found


@pytest.fixture(scope="module")
def secured(postgres_server: EmbeddedPostgres, template_database: str, issuer: Issuer) -> Iterator[Secured]:
    settings = {
        "SAGA_OIDC_ISSUER": ISSUER,
        "SAGA_OIDC_AUDIENCE": AUDIENCE,
        "SAGA_OIDC_JWKS_URL": issuer.url,
        "SAGA_OIDC_ROLES": "support=operator",
    }
    with secured_server(postgres_server, template_database, "console_door", **settings) as found:
        yield found


def signed_in(secured: Secured, credential: str) -> httpx.Client:
    browser = secured.client()
    answer = browser.post(LOGIN, data={"token": credential, "next": "/console/sagas?status=stuck"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/console/sagas?status=stuck")
    return browser


def logout(browser: httpx.Client, **headers: str) -> httpx.Response:
    return browser.post(LOGOUT, data={"csrf": csrf(browser)}, headers=headers)


def csrf(browser: httpx.Client) -> str:
    """As the pages of the session have it."""
    return csrf_token(browser.cookies["saga_session"])


def test_the_cookie_is_for_this_site_and_for_no_script(secured: Secured) -> None:
    data = {"token": secured.token(Role.READER)[1]}

    plain = secured.client().post(LOGIN, data=data).headers["set-cookie"]
    over_tls = secured.client().post(LOGIN, data=data, headers={"X-Forwarded-Proto": "https"})

    assert re.fullmatch(
        r"saga_session=[\w-]{43}; HttpOnly; Max-Age=28800; Path=/; SameSite=strict", plain, re.IGNORECASE
    )
    cookie = over_tls.headers["set-cookie"]
    assert cookie.startswith("__Host-saga_session=")
    assert {"Secure", "HttpOnly", "SameSite=strict", "Path=/"} <= set(cookie.split("; "))


def test_a_session_looks_and_ends_at_the_logout(secured: Secured) -> None:
    browser = signed_in(secured, secured.token(Role.READER)[1])
    assert browser.get("/sagas").status_code == 200
    before = dict(browser.cookies)

    assert logout(browser).status_code == 303

    refused(secured.client().get("/sagas", headers={"Cookie": as_header(before)}), 401, "token-invalid")


def as_header(cookies: dict[str, str]) -> str:
    return "; ".join(f"{name}={value}" for name, value in cookies.items())


def test_a_session_ends_with_its_token(secured: Secured) -> None:
    name, token = secured.token(Role.READER)
    browser = signed_in(secured, token)
    assert browser.get("/sagas").status_code == 200

    assert tokens(secured.url, secured.owner_url, "revoke", name).returncode == 0

    until(lambda: browser.get("/sagas").status_code == 401)
    refused(browser.get("/sagas"), 401, "token-revoked")


def test_a_session_of_a_jwt_ends_with_it(secured: Secured, issuer: Issuer) -> None:
    # The clocks may be half a minute apart, so it counts for so long though it has expired.
    browser = signed_in(secured, issuer.token(exp=int(time.time()) + 3))
    assert browser.get("/sagas").status_code == 200

    until(lambda: browser.get("/sagas").status_code == 401)
    assert signed_in(secured, issuer.token()).get("/events").status_code == 200


@pytest.mark.parametrize("cookie", ["saga_session=x", "saga_session=", "saga_session=" + "a" * 99, "a=x"])
def test_cookies_that_nobody_was_given(secured: Secured, cookie: str) -> None:
    assert secured.client().get("/sagas", headers={"Cookie": cookie}).status_code == 401


def test_two_cookies_are_one_too_many(secured: Secured) -> None:
    cookie = as_header(dict(signed_in(secured, secured.token(Role.READER)[1]).cookies))

    for both in (f"{cookie}; saga_session=x", f"__Host-saga_session=x; {cookie}"):
        refused(secured.client().get("/sagas", headers={"Cookie": both}), 401, "token-invalid")


def test_a_cookie_changes_nothing_outside_of_the_console(secured: Secured) -> None:
    browser = signed_in(secured, secured.token(Role.ADMIN)[1])

    answer = browser.post("/aggregates/account/x/open-account", json={"currency": "USD"})

    refused(answer, 401, "unauthenticated")


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://["},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_a_form_of_another_origin(secured: Secured, headers: dict[str, str]) -> None:
    browser = signed_in(secured, secured.token(Role.READER)[1])

    refused(logout(browser, **headers), 403, "forged-form")
    login = browser.post(LOGIN, data={"token": secured.token(Role.READER)[1]}, headers=headers)
    refused(login, 403, "forged-form")
    assert browser.get("/sagas").status_code == 200


def test_a_form_without_its_own_csrf(secured: Secured) -> None:
    browser = signed_in(secured, secured.token(Role.READER)[1])
    other = csrf(signed_in(secured, secured.token(Role.READER)[1]))

    for data in ({}, {"csrf": ""}, {"csrf": "x"}, {"csrf": "é"}, {"csrf": other}):
        refused(browser.post(LOGOUT, data=data), 403, "forged-form")
    refused(browser.post(LOGOUT, json={"csrf": csrf(browser)}), 403, "forged-form")
    refused(browser.post(f"{LOGOUT}?csrf={csrf(browser)}"), 403, "forged-form")
    assert browser.post(LOGOUT, headers={"X-CSRF-Token": csrf(browser)}).status_code == 303


@pytest.mark.parametrize("credential", ["", "wrong!", "<script>alert(1)</script>", "saga_" + "a" * 59])
def test_a_login_that_fails(secured: Secured, credential: str) -> None:
    answer = secured.client().post(LOGIN, data={"token": credential})

    assert answer.status_code == 401
    assert "set-cookie" not in answer.headers
    assert "<script" not in answer.text
    assert not credential or credential not in answer.text


@pytest.mark.parametrize(
    "onward",
    [
        "https://evil.example",
        "//evil.example",
        "/console//evil.example",
        "/console/../evil",
        "\\\\evil.example",
        "/console\\@evil.example",
        "javascript:alert(1)",
        '/console"><script>alert(1)</script>',
        "/console\r\nSet-Cookie: x=y",
        "/consolefoo",
        "/sagas",
    ],
)
def test_nobody_is_led_elsewhere(secured: Secured, onward: str) -> None:
    page = secured.client().get(LOGIN, params={"next": onward})
    answer = secured.client().post(LOGIN, data={"token": secured.token(Role.READER)[1], "next": onward})

    assert "<script" not in page.text
    assert "evil" not in page.text or onward == "/console/../evil"
    assert answer.headers["location"] == "/console" or answer.headers["location"].startswith("/console/")
    assert "//" not in answer.headers["location"]


def test_a_page_leads_to_the_door_and_back(secured: Secured) -> None:
    answer = secured.client().get("/console/sagas/a?tab=journal", headers=HTML)

    assert answer.status_code == 303
    assert answer.headers["location"] == "/console/login?next=%2Fconsole%2Fsagas%2Fa%3Ftab%3Djournal"
    refused(secured.client().get("/console/sagas"), 401, "unauthenticated")
    refused(secured.client().get("/sagas", headers=HTML), 401, "unauthenticated")
    refused(secured.client().post("/console/sagas"), 401, "unauthenticated")
    form = secured.client().post("/console/sagas", headers=HTML)
    assert (form.status_code, form.headers["content-type"]) == (401, "text/html; charset=utf-8")
    assert '<a class="button primary" href="/console/login">Sign in</a>' in form.text


@pytest.mark.parametrize("path", [LOGIN, "/console", "/console/nowhere"])
def test_browsers_are_told_to_load_nothing_foreign(secured: Secured, path: str) -> None:
    for headers in (HTML, {}):
        told = secured.client().get(path, headers=headers).headers

        assert "default-src 'none'" in told["content-security-policy"]
        assert "script-src 'self';" in told["content-security-policy"]
        assert "frame-ancestors 'none'" in told["content-security-policy"]
        assert "unsafe" not in told["content-security-policy"]
        assert told["x-content-type-options"] == "nosniff"
        assert told["referrer-policy"] == "same-origin"
        assert told["cache-control"] == "no-store"


def test_forms_are_checked_on_an_open_server_as_well(
    postgres_server: EmbeddedPostgres, template_database: str
) -> None:
    database = fresh(postgres_server, template_database, "open_door")
    with database as (url, owner), serving(url, owner) as server:
        for headers in ({}, {"Origin": "https://evil.example"}):
            answer = httpx.post(f"{server.url}{LOGOUT}", data={"csrf": ""}, headers=headers)
            refused(answer, 403, "forged-form")


def test_no_cookie_is_in_the_log(secured: Secured) -> None:
    browser = signed_in(secured, secured.token(Role.READER)[1])
    browser.get("/sagas")

    assert browser.cookies["saga_session"] not in secured.server.log.read_text()
