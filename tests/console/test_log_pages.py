"""Streams, events, aggregates, executors and audit: what their pages say, refuse and escape."""

import re

import httpx
import pytest
from playwright.async_api import Browser, expect

from tests.acceptance.server import ServerProcess, money, unique
from tests.console.business import Business
from tests.console.pages import HTML, check_page, csrf_in, in_browser, opened, shown

pytestmark = [pytest.mark.postgres, pytest.mark.slow]


def event_id(http: httpx.Client, stream: str, type_: str) -> str:
    events = http.get(f"/streams/{stream}").json()["events"]
    [found] = [event["event_id"] for event in events if event["type"] == type_][:1]
    return str(found)


async def open_account(server: ServerProcess, account: str) -> None:
    async with httpx.AsyncClient(base_url=server.url) as client:
        answer = await client.post(f"/aggregates/account/{account}/open-account", json={"currency": "USD"})
        answer.raise_for_status()


@in_browser
async def test_pages_hold_in_every_size_and_scheme(
    browser: Browser, server: ServerProcess, http: httpx.Client, business: Business
) -> None:
    deposit = event_id(http, "account-ana", "MoneyDeposited")
    for path in (
        "/streams",
        "/streams/account-ana",
        "/events?live=off",
        f"/events/{deposit}",
        "/aggregates/account/ana?version=2",
        "/executors",
        "/audit?category=account&key=ana&path=/balance",
    ):
        await check_page(browser, f"{server.url}/console{path}")


@in_browser
async def test_events_come_by_themselves_until_they_are_paused(
    browser: Browser, server: ServerProcess, http: httpx.Client, business: Business
) -> None:
    first, second = unique("live"), unique("live")
    async with opened(browser, f"{server.url}/console/events") as found:
        await expect(found.page.locator("[data-live-state]")).to_have_text("Live")
        await open_account(server, first)
        await expect(found.page.get_by_role("link", name=f"account-{first}")).to_be_visible()
        await found.page.get_by_role("link", name="Pause").click()
        await expect(found.page.get_by_role("link", name="Follow")).to_be_visible()
        assert await found.page.locator("body[data-live]").count() == 0
        await open_account(server, second)
        assert await found.page.get_by_role("link", name=f"account-{second}").count() == 0


def test_streams_are_found_by_the_beginning_of_their_name(http: httpx.Client, business: Business) -> None:
    text = shown(http, "/console/streams", prefix="account-a")

    assert 'href="/console/streams/account-ana"' in text
    assert "account-ben" not in text
    assert "No stream begins so." in shown(http, "/console/streams", prefix="nothing-")
    assert "account-ben" in shown(http, "/console/streams", prefix="account-", after="account-ana")


def test_many_streams_have_pages(http: httpx.Client) -> None:
    for number in range(53):
        key = f"many-{number:02}"
        http.post(f"/aggregates/account/{key}/open-account", json={"currency": "USD"}).raise_for_status()

    first = shown(http, "/console/streams", prefix="account-many-")
    following = re.findall(r'rel="next" href="([^"]+)"', first)[0].replace("&amp;", "&")
    second = shown(http, following)

    assert (first.count('scope="row"'), second.count('scope="row"')) == (50, 3)
    assert 'rel="next"' not in second


def test_a_stream_is_read_from_either_end(http: httpx.Client, business: Business) -> None:
    newest = shown(http, "/console/streams/account-ana")
    oldest = shown(http, "/console/streams/account-ana", order="oldest")

    assert oldest.index("AccountOpened") < oldest.index("MoneyDeposited")
    assert newest.rindex("AccountOpened") > newest.rindex("MoneyDeposited")
    assert "AccountOpened" not in shown(http, "/console/streams/account-ana", order="oldest", **{"from": "2"})


def test_events_are_filtered_and_paged_in_both_directions(http: httpx.Client, business: Business) -> None:
    text = shown(http, "/console/events", category="stock", type="StockReceived")
    assert "StockReceived" in text
    assert ">MoneyDeposited</a>" not in text

    backwards, seen = "/console/events?live=off", set()
    while backwards:
        text = shown(http, backwards)
        seen |= set(re.findall(r'href="/console/events/([0-9a-f-]{36})"', text))
        onward = re.findall(r'rel="next" href="([^"]+)"', text)
        backwards = onward[0].replace("&amp;", "&") if onward else ""
    every = {event["event_id"] for event in http.get("/events", params={"limit": 1000}).json()["events"]}
    assert seen == every

    first = shown(http, "/console/events", after="0")
    assert first.index(">1</td>") < first.index(">2</td>")


def test_an_event_says_what_caused_it_and_what_it_caused(http: httpx.Client, business: Business) -> None:
    stream = f"saga-{business.transfer}"
    requested = shown(http, f"/console/events/{event_id(http, stream, 'SagaRequested')}")
    step = event_id(http, stream, "StepSucceeded")
    text = shown(http, f"/console/events/{step}")

    assert step in requested[requested.index("What it caused") :]
    assert f"saga {business.transfer}" in text
    assert f'href="/console/sagas/{business.transfer}"' in text
    beside = text[text.index("Recorded together with it") :]
    assert 'href="/console/streams/account-ana"' in beside


def test_events_by_position_and_those_that_are_not_there(http: httpx.Client, business: Business) -> None:
    assert "at 1 ·" in shown(http, "/console/events/1")
    shown(http, "/console/events/0", 404)
    shown(http, "/console/events/9999999999999", 404)
    shown(http, "/console/events/00000000-0000-0000-0000-000000000000", 404)
    shown(http, "/console/events/x", 422)


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/console/streams/nothing-here", 404),
        ("/console/streams/a%20b", 422),
        ("/console/streams?prefix=%25", 422),
        ("/console/streams/account-ana?from=0", 422),
        ("/console/streams/account-ana?order=any", 422),
        ("/console/events?before=x", 422),
        ("/console/aggregates/account/nobody", 404),
        ("/console/aggregates/planet/x", 404),
        ("/console/aggregates/account/ana?version=99999", 409),
        ("/console/aggregates/account/ana?version=0", 422),
        ("/console/aggregates/account/ana?as_of=yesterday", 422),
        ("/console/audit?category=planet&key=x", 404),
        ("/console/audit?category=account", 422),
        ("/console/projections/nothing", 404),
        ("/console/projections/accounts/diff", 409),
    ],
)
def test_bad_names_get_pages_that_say_so(
    http: httpx.Client, business: Business, path: str, status: int
) -> None:
    answer = http.get(path, headers=HTML)

    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"].startswith("text/html")
    assert "<h1>" in answer.text


def test_an_aggregate_now_and_as_it_was(http: httpx.Client, business: Business) -> None:
    now = shown(http, "/console/aggregates/account/ana")
    opened_ = shown(http, "/console/aggregates/account/ana", version="1")
    deposit = http.get("/streams/account-ana").json()["events"][1]
    then = shown(http, "/console/aggregates/account/ana", position=str(deposit["position"]))

    assert f'href="/console/sagas/{business.transfer}"' in now
    assert "As it was: version 1 of" in opened_
    assert "<code>/balance</code>" in now
    assert "version 2 of" in then
    assert "version 2 of" in shown(http, "/console/aggregates/account/ana", as_of=deposit["recorded_at"])


def test_what_is_stored_is_never_markup(http: httpx.Client) -> None:
    evil = "<script>alert(1)</script>"
    account = unique("evil")
    http.post(f"/aggregates/account/{account}/open-account", json={"currency": "USD"}).raise_for_status()
    answer = http.post(
        f"/aggregates/account/{account}/deposit",
        json={"money": money(5), "reference": evil},
        headers={"X-Actor": evil},
    ).raise_for_status()
    [event] = answer.json()["events"]
    assert evil in (event["data"].get("reference"), event["metadata"]["actor"])

    for path in (
        f"/console/streams/account-{account}",
        f"/console/events/{event['event_id']}",
        "/console/events",
        f"/console/aggregates/account/{account}",
        f"/console/audit?category=account&key={account}",
    ):
        text = shown(http, path)
        assert evil not in text
        assert "&lt;script&gt;alert(1)" in text
    shown(http, f"/console/streams/{evil.replace('/', '%2F')}", 404)


def test_executors_and_who_they_are(http: httpx.Client, business: Business) -> None:
    [alive] = http.get("/executors").json()["executors"]

    text = shown(http, "/console/executors")

    assert alive["id"] in text
    assert "this server" in text
    assert "s-alive" in text


def test_why_names_the_saga_and_the_command_of_a_value(http: httpx.Client, business: Business) -> None:
    text = shown(http, "/console/audit", category="account", key="ana", path="balance")

    assert business.transfer in text
    assert "/console/events/" in text
    assert "<code>/holds" not in text
    assert "there is no such account" in shown(http, "/console/audit", category="account", key="nobody")


def test_what_operators_have_done_is_listed_with_reasons(http: httpx.Client, business: Business) -> None:
    reason = unique("the gift was a mistake")
    asked = {"reason": reason}
    http.post(f"/sagas/{business.stuck}/retry", json=asked, headers={"X-Actor": "olga"}).raise_for_status()

    text = shown(http, "/console/audit")
    listed = text[text.index("What operators have done") :]

    assert reason in listed
    assert "olga" in listed


def test_the_log_is_verified_by_a_form(http: httpx.Client, business: Business) -> None:
    form = {"csrf": csrf_in(shown(http, "/console/audit")), "from": "1"}

    answer = http.post("/console/audit/verify", data=form, headers=HTML)
    assert answer.status_code == 200, answer.text
    assert "Nothing is wrong." in answer.text

    assert http.post("/console/audit/verify", data={"from": "1"}, headers=HTML).status_code == 403
    for wrong in ("0", "x", "9" * 12):
        refused = http.post("/console/audit/verify", data={**form, "from": wrong}, headers=HTML)
        assert refused.status_code == 422, refused.text
