"""The console for those whose role is for some sagas only: what the API refuses them it refuses as well."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import pytest
from playwright.async_api import Browser

from app.embedded import EmbeddedPostgres
from app.security.roles import Role
from app.security.sessions import csrf_token
from tests.acceptance.secured import Secured, secured_server
from tests.acceptance.server import account_with, money, order_of, start, stock_of, until
from tests.console.pages import HTML, check_page, in_browser, shown

pytestmark = [pytest.mark.postgres, pytest.mark.slow]

OWN, OTHER = "transfer-funds", "fulfil-order"
ABOUT_ALL = (
    "/console",
    "/console/streams",
    "/console/streams/saga-OWN",
    "/console/events",
    "/console/events/1",
    "/console/aggregates/account/SOURCE",
    "/console/projections",
    "/console/projections/sagas",
    "/console/executors",
    "/console/audit",
)


@dataclass(frozen=True)
class Place:
    """A server with a completed saga of the name that some roles are for, and one of another name."""

    secured: Secured
    operator: httpx.Client
    source: str
    target: str
    own: str
    other: str

    def browser(self, role: Role, *sagas: str) -> httpx.Client:
        """Somebody who has signed in."""
        browser = self.secured.client()
        signed = browser.post("/console/login", data={"token": self.secured.token(role, *sagas)[1]})
        assert signed.status_code == 303, signed.text
        assert signed.headers["location"] == ("/console/sagas" if sagas else "/console")
        return browser

    def path(self, template: str) -> str:
        return template.replace("OWN", self.own).replace("OTHER", self.other).replace("SOURCE", self.source)

    def status(self, saga_id: str) -> str:
        status: str = self.operator.get(f"/sagas/{saga_id}").raise_for_status().json()["status"]
        return status

    def transfer(self) -> str:
        """One more that has completed and is in the list."""
        body = {"source": self.source, "target": self.target, "money": money(1)}
        saga_id: str = start(self.operator, OWN, body).raise_for_status().json()["saga_id"]
        until(lambda: saga_id in self.operator.get("/sagas").text)
        return saga_id


@pytest.fixture(scope="module")
def place(postgres_server: EmbeddedPostgres, template_database: str) -> Iterator[Place]:
    with secured_server(postgres_server, template_database, "console_limited") as secured:
        operator = secured.as_role(Role.OPERATOR)
        source, target = account_with(operator, 100_000), account_with(operator, 0)
        order = order_of(source, stock_of(operator, 5))
        other = start(operator, OTHER, order).raise_for_status().json()["saga_id"]
        found = Place(secured, operator, source, target, "", other)
        yield Place(secured, operator, source, target, found.transfer(), other)


def press(browser: httpx.Client, path: str, **fields: str | list[str]) -> httpx.Response:
    form = {"csrf": csrf_token(browser.cookies["saga_session"]), **fields}
    return browser.post(path, data=form, headers=HTML)


@pytest.mark.parametrize("role", [Role.READER, Role.OPERATOR, Role.ADMIN])
def test_what_is_about_all_sagas_is_refused_with_a_page(place: Place, role: Role) -> None:
    browser = place.browser(role, OWN)

    for template in ABOUT_ALL:
        text = shown(browser, place.path(template), 403)
        assert "wrong-saga" in text
        assert set(re.findall(r'href="(/console[^"]*)"', text)) - static(text) == {"/console/sagas"}
    verify = press(browser, "/console/audit/verify", **{"from": "1"})
    rebuild = press(browser, "/console/projections/accounts/rebuild", reason="to try")
    assert (verify.status_code, rebuild.status_code) == (403, 403)


def static(text: str) -> set[str]:
    return set(re.findall(r'href="(/console/static/[^"]*)"', text))


@pytest.mark.parametrize("role", [Role.READER, Role.OPERATOR, Role.ADMIN])
def test_a_role_for_all_sagas_sees_all_pages(place: Place, role: Role) -> None:
    browser = place.browser(role)

    for template in (*ABOUT_ALL, "/console/sagas", "/console/sagas/OWN", "/console/sagas/OTHER"):
        shown(browser, place.path(template))
    shown(browser, f"/console/sagas/{place.own}/undo")


@pytest.mark.parametrize("role", [Role.READER, Role.OPERATOR])
def test_the_list_and_the_pages_are_those_of_its_sagas(place: Place, role: Role) -> None:
    browser = place.browser(role, OWN)

    led = browser.get("/console/sagas", headers=HTML)
    assert (led.status_code, led.headers["location"]) == (303, f"/console/sagas?name={OWN}")
    listed = shown(browser, "/console/sagas", name=OWN)
    assert f'href="/console/sagas/{place.own}"' in listed
    assert f"<option>{OTHER}</option>" not in listed
    assert place.other not in listed
    assert "wrong-saga" in shown(browser, "/console/sagas", 403, name=OTHER)
    assert "wrong-saga" in shown(browser, f"/console/sagas/{place.other}", 403)
    shown(browser, "/console/sagas/nobody", 404)
    own = shown(browser, f"/console/sagas/{place.own}")
    assert f"account-{place.source}" in own
    assert [found for found in re.findall(r'href="(/console/[a-z]+)', own) if found != "/console/sagas"] == [
        "/console/static" for _ in static(own)
    ]
    with browser.stream("GET", "/console/live") as live:
        assert live.status_code == 200


def test_who_has_a_role_for_several_chooses_one(place: Place) -> None:
    browser = place.browser(Role.READER, OWN, OTHER)

    text = shown(browser, "/console/sagas")

    assert f'href="/console/sagas?name={OWN}"' in text
    assert f'href="/console/sagas?name={OTHER}"' in text
    assert place.own not in text
    assert place.other in shown(browser, "/console/sagas", name=OTHER)
    led = browser.get("/console/sagas", params={"q": place.other}, headers=HTML)
    assert led.headers["location"] == f"/console/sagas/{place.other}"


def test_a_reader_of_some_has_no_buttons_and_may_press_none(place: Place) -> None:
    browser, root = place.browser(Role.READER, OWN), f"/console/sagas/{place.own}"

    assert "<form" not in shown(browser, root).split("<main")[1]
    assert "What undoing would do" not in shown(browser, root)
    assert "Many at once" not in shown(browser, "/console/sagas", name=OWN)
    assert "role-too-low" in shown(browser, f"{root}/undo", 403)
    for path in (f"{root}/undo", f"{root}/abandon", "/console/sagas/bulk", "/console/sagas/bulk/act"):
        assert "role-too-low" in press(browser, path, reason="to try").text
    assert place.status(place.own) == "completed"


def test_an_operator_of_some_acts_on_them_alone(place: Place) -> None:
    browser, saga_id = place.browser(Role.OPERATOR, OWN), place.transfer()
    root = f"/console/sagas/{saga_id}"
    assert f'href="{root}/undo"' in shown(browser, root)
    assert f'action="{root}/undo"' in shown(browser, f"{root}/undo")

    undone = press(browser, f"{root}/undo", reason="a mistake")
    other = press(browser, f"/console/sagas/{place.other}/undo", reason="a mistake")

    assert (undone.status_code, other.status_code) == (303, 403)
    until(lambda: place.status(saga_id) == "compensated")
    assert "wrong-saga" in other.text


def test_an_operator_of_some_acts_on_many_of_them(place: Place) -> None:
    browser, saga_id = place.browser(Role.OPERATOR, OWN), place.transfer()
    assert "Many at once" in shown(browser, "/console/sagas", name=OWN)
    choice: dict[str, str | list[str]] = {
        "do": "compensate",
        "which": "ticked",
        "saga": [saga_id, place.other],
    }
    foreign = f"{place.other}@{version(place, place.other)}@{place.status(place.other)}"
    own = f"{saga_id}@{version(place, saga_id)}@completed"
    deed: dict[str, str | list[str]] = {
        "do": "compensate",
        "id": "limited",
        "reason": "a mistake",
        "seen": [own, foreign],
    }

    for answer in (
        press(browser, "/console/sagas/bulk", **choice),
        press(browser, "/console/sagas/bulk", **choice, name=OTHER),
        press(browser, "/console/sagas/bulk/act", **deed),
        press(browser, "/console/sagas/bulk/act", **deed, name=OTHER),
    ):
        assert (answer.status_code, "wrong-saga" in answer.text) == (403, True)
    preview = press(browser, "/console/sagas/bulk", **choice, name=OWN)
    done = press(browser, "/console/sagas/bulk/act", **deed, name=OWN)

    for answer in (preview, done):
        assert f'<li class="mono">{place.other}</li>' in answer.text
    until(lambda: place.status(saga_id) == "compensated")
    journal = place.operator.get(f"/sagas/{place.other}/journal").json()["entries"]
    assert "a mistake" not in str(journal)


def version(place: Place, saga_id: str) -> int:
    version: int = place.operator.get(f"/sagas/{saga_id}").json()["journal_version"]
    return version


@pytest.fixture
def session(place: Place) -> str:
    """Of somebody whose role is for two sagas."""
    return place.browser(Role.READER, OWN, OTHER).cookies["saga_session"]


@in_browser
async def test_the_choice_and_a_refusal_are_pages_for_everybody(
    browser: Browser, place: Place, session: str
) -> None:
    url = place.secured.server.url
    cookie = {"name": "saga_session", "value": session, "domain": httpx.URL(url).host, "path": "/"}
    state = {"cookies": [cookie], "origins": []}

    await check_page(browser, f"{url}/console/sagas", storage_state=state)
    await check_page(browser, f"{url}/console/audit", status=403, storage_state=state)
