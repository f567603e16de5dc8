"""Pages of the log with names and values that are wrong, secret, foreign or poisonous."""

import re
from collections.abc import Iterator
from urllib.parse import quote

import httpx
import pytest

from app.embedded import EmbeddedPostgres
from app.security.roles import Role
from app.security.sessions import csrf_token
from eventstore import NewEvent
from tests.acceptance.secured import secured_server
from tests.acceptance.server import order_of, serving, start, stock_of, unique, until
from tests.acceptance.test_old_events import store
from tests.conftest import Database
from tests.console.pages import HTML, csrf_in, shown

pytestmark = [pytest.mark.postgres, pytest.mark.slow]

EVIL = '<script>alert("Hanna")</script>'
ARABIC_ONE = quote("\u0661")
ROOT = "/console/projections/accounts"


@pytest.mark.parametrize(
    "address",
    [
        f"/console/events/{ARABIC_ONE}",
        f"/console/events?before={ARABIC_ONE}",
        f"/console/events?after={ARABIC_ONE}",
        f"/console/audit?before={ARABIC_ONE}",
    ],
)
def test_digits_of_other_scripts_are_no_positions(http: httpx.Client, address: str) -> None:
    shown(http, address, 422)


@pytest.mark.parametrize("digits", [30, 5_000])
def test_a_block_of_too_many_digits_is_refused(http: httpx.Client, digits: int) -> None:
    form = {"csrf": csrf_in(shown(http, "/console/audit")), "from": "1".zfill(14) + "9" * digits}

    answer = http.post("/console/audit/verify", data=form, headers=HTML)

    assert answer.status_code == 422, answer.text


def test_a_name_in_an_order_is_text_until_its_person_is_forgotten(http: httpx.Client) -> None:
    customer = unique("customer")
    order = order_of(customer, stock_of(http, 10))
    order["ship_to"] = {"name": EVIL, "country": "Germany"}
    start(http, "fulfil-order", order).raise_for_status()
    key = order["order_id"]
    placed = http.get(f"/streams/order-{key}").raise_for_status().json()["events"][0]
    pages = [
        f"/console/streams/order-{key}",
        f"/console/events/{placed['event_id']}",
        f"/console/aggregates/order/{key}",
        f"/console/aggregates/order/{key}?version=1",
        f"/console/audit?category=order&key={key}",
    ]
    for address in pages:
        text = shown(http, address)
        assert "<script>alert" not in text, address
        assert "&lt;script&gt;alert(" in text, address
        assert "personal:1:" not in text, address

    forget = {"reason": "asked for it"}
    http.post(f"/subjects/{customer}/forget", json=forget).raise_for_status()

    for address in pages:
        text = shown(http, address)
        assert "Hanna" not in text, address
        assert "personal:1:" not in text, address
        assert "forgotten" in text, address


def test_streams_that_began_last_come_first(http: httpx.Client) -> None:
    older, newer = stock_of(http, 1), stock_of(http, 1)

    text = shown(http, "/console/streams")
    newest = text[text.index("Streams that began last") :]

    assert 0 < newest.index(f">stock-{newer}<") < newest.index(f">stock-{older}<")
    assert "Streams that began last" not in shown(http, "/console/streams?prefix=stock-")


def test_a_follower_that_is_parked_names_its_event_which_is_left_out_once(database: Database) -> None:
    with (
        serving(database.url, database.owner_url) as server,
        httpx.Client(base_url=server.url, timeout=60) as http,
    ):
        store(database, "account-bad", 0, NewEvent("AccountOpened", {"no": EVIL}))
        until(lambda: http.get("/projections/accounts").json()["live"]["parked"] is not None)
        text = shown(http, ROOT)
        position = re.findall(r'name="position" value="(\d+)"', text)[0]
        assert "Parked since" in text
        assert "/console/streams/account-bad" in text
        assert "<script>alert" not in text
        form = {"csrf": csrf_in(text), "of": "live", "position": position, "reason": "it is broken"}
        huge = {**form, "position": "9" * 30}
        assert http.post(f"{ROOT}/skip", data=huge, headers=HTML).status_code in (409, 422)

        skipped = http.post(f"{ROOT}/skip", data=form, headers=HTML)
        again = http.post(f"{ROOT}/skip", data=form, headers=HTML)

        assert (skipped.status_code, skipped.headers["location"]) == (303, f"{ROOT}?done=done")
        assert again.status_code == 409
        until(lambda: http.get("/projections/accounts").json()["live"]["lag"]["events"] == 0)
        assert "it is broken" in shown(http, "/console/audit")
        event = http.get("/streams/account-bad").json()["events"][0]["event_id"]
        assert "cannot read it" in shown(http, f"/console/events/{event}")


@pytest.fixture(scope="module")
def browsers(postgres_server: EmbeddedPostgres, template_database: str) -> Iterator[dict[Role, httpx.Client]]:
    """Somebody of each role who has signed in."""
    with secured_server(postgres_server, template_database, "console_roles") as secured:
        found = {}
        for role in (Role.READER, Role.OPERATOR, Role.ADMIN):
            found[role] = secured.client()
            signed = found[role].post("/console/login", data={"token": secured.token(role)[1], "next": ""})
            assert signed.status_code == 303, signed.text
        yield found


@pytest.mark.parametrize(
    ("role", "verifies", "rebuilds"),
    [(Role.READER, False, False), (Role.OPERATOR, True, False), (Role.ADMIN, True, True)],
)
def test_buttons_are_for_those_who_may(
    browsers: dict[Role, httpx.Client], role: Role, verifies: bool, rebuilds: bool
) -> None:
    browser = browsers[role]
    token = {"csrf": csrf_token(browser.cookies["saga_session"])}

    assert ('action="/console/audit/verify"' in shown(browser, "/console/audit")) is verifies
    assert (f'action="{ROOT}/rebuild"' in shown(browser, ROOT)) is rebuilds
    verified = browser.post("/console/audit/verify", data={**token, "from": "1"}, headers=HTML)
    rebuilt = browser.post(f"{ROOT}/rebuild", data={**token, "reason": "to try"}, headers=HTML)

    assert verified.status_code == (200 if verifies else 403), verified.text
    assert rebuilt.status_code == (303 if rebuilds else 403), rebuilt.text
