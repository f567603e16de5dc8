"""The overview, the list of sagas, and the page of one with its buttons."""

import asyncio
import re

import httpx
import pytest
from playwright.async_api import Browser, Page, Route, expect

from tests.acceptance.server import ServerProcess, money, until
from tests.console.business import Business
from tests.console.pages import HTML, check_page, in_browser, opened, shown

pytestmark = [pytest.mark.postgres, pytest.mark.slow]


def pressed(http: httpx.Client, saga_id: str, button: str, **fields: str) -> httpx.Response:
    """Send the form that the page has for this button, with these fields."""
    root = f"/console/sagas/{saga_id}"
    text = shown(http, f"{root}/undo" if button == "undo" else root)
    found = re.search(
        rf'<form[^>]* method="post" action="{re.escape(f"{root}/{button}")}">(.*?)</form>', text, re.S
    )
    assert found, text
    hidden = dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', found[1]))
    origin = {"Origin": f"{http.base_url.scheme}://{http.base_url.netloc.decode()}"}
    return http.post(f"{root}/{button}", data=hidden | fields, headers=HTML | origin)


async def note_when_fresh(page: Page) -> None:
    """From the next time on that it was made fresh, its body has `data-fresh`."""
    await page.evaluate("document.addEventListener('fresh', () => { document.body.dataset.fresh = 1 })")


def transfer(http: httpx.Client, saga_id: str) -> str:
    body = {"source": "ana", "target": "ben", "money": money(700)}
    headers = {"Idempotency-Key": saga_id, "Prefer": "wait=30"}
    answer = http.post("/sagas/transfer-funds", json=body, headers=headers).raise_for_status()
    assert answer.json()["status"] == "completed"
    return saga_id


def status(http: httpx.Client, saga_id: str) -> str:
    told: str = http.get(f"/sagas/{saga_id}").raise_for_status().json()["status"]
    return told


def test_the_overview_has_the_stuck_ones_first(http: httpx.Client, business: Business) -> None:
    text = shown(http, "/console")

    assert text.index("Stuck: these wait for a person") < text.index(f"/console/sagas/{business.stuck}")
    assert text.index(f"/console/sagas/{business.stuck}") < text.index("The last hour")
    assert re.search(r"<strong>compensation-failed</strong> in step \d+: \S", text)
    assert re.search(r'aria-label="completed: [1-9]\d* in the last hour', text)
    assert "/console/sagas?name=return-order&amp;status=waiting" in text
    assert "/console/projections/sagas" in text


def test_filters_of_the_list_are_its_address(http: httpx.Client, business: Business) -> None:
    text = shown(http, "/console/sagas?q=&status=compensated&name=&correlation_id=&parent=")

    assert f"/console/sagas/{business.compensated}" in text
    assert f"/console/sagas/{business.order}" not in text
    assert "<option selected>compensated</option>" in text
    assert "No saga is so." in shown(http, "/console/sagas?q=nobody-knows-it")


def test_the_list_has_the_order_and_the_time_that_it_is_asked_for(
    http: httpx.Client, business: Business
) -> None:
    listed = http.get("/sagas", params={"status": "completed", "limit": 2, "sort": "requested"}).json()[
        "sagas"
    ]
    first, second = (saga["saga_id"] for saga in listed)
    text = shown(http, "/console/sagas?status=completed&sort=requested")

    assert text.index(f"/console/sagas/{first}") < text.index(f"/console/sagas/{second}")
    assert '<option value="requested" selected>Oldest first' in text

    begun = listed[1]["requested_at"]
    before = shown(http, "/console/sagas", sort="requested", requested_before=begun)
    assert f"/console/sagas/{first}" in before
    assert f"/console/sagas/{second}" not in before
    # As a field of a page sends it, which knows no offset: it is UTC.
    field = "2099-01-01T00:00"
    later = shown(http, f"/console/sagas?requested_after={field}")
    assert "No saga is so." in later
    assert f'name="requested_after" type="datetime-local" step="1" value="{field}:00"' in later


def test_a_name_and_a_value_are_an_attribute(http: httpx.Client, business: Business) -> None:
    assert "No saga is so." in shown(http, "/console/sagas?q=team:blue")
    shown(http, "/console/sagas?attribute=team:red&q=team:blue", 422)


def test_a_search_for_an_id_leads_to_the_saga(http: httpx.Client, business: Business) -> None:
    answer = http.get("/console/sagas", params={"q": f" {business.transfer} "})

    assert (answer.status_code, answer.headers["location"]) == (303, f"/console/sagas/{business.transfer}")


TIMES = ("sort=size", "requested_after=noon", "requested_before=0001-01-01T00:00:00%2B14:00")


@pytest.mark.parametrize("query", ["status=lost", "name=%3Cscript%3E", "after=zzz", "colour=red", *TIMES])
def test_a_filter_that_there_is_not_is_told_on_a_page(http: httpx.Client, query: str) -> None:
    text = shown(http, f"/console/sagas?{query}", 422)

    assert "<script>" not in text


@in_browser
async def test_all_of_them_hold_in_every_size_and_scheme(
    browser: Browser, server: ServerProcess, business: Business
) -> None:
    sagas = (business.order, business.compensated, business.waiting, business.stuck)
    undo = f"/console/sagas/{business.order}/undo?force=true"
    for path in ("/console", "/console/sagas", *(f"/console/sagas/{each}" for each in sagas), undo):
        await check_page(browser, f"{server.url}{path}")


def test_a_saga_shows_its_steps_and_leads_to_their_streams(http: httpx.Client, business: Business) -> None:
    text = shown(http, f"/console/sagas/{business.compensated}")

    assert 'href="/console/streams/order-1003"' in text
    assert "<svg" in text
    assert "The timeline as a table" in text
    assert "ReserveStock" in text


def test_steps_to_come_are_expected_as_the_last_completed_one_took_them(
    http: httpx.Client, business: Business
) -> None:
    body = {"source": "ana", "target": "till", "money": money(3)}
    later = {"Idempotency-Key": "expected-2099"}
    answer = http.post(
        "/sagas/transfer-funds", json=body, headers=later, params={"at": "2099-01-01T00:00:00Z"}
    )
    answer.raise_for_status()
    text = shown(http, "/console/sagas/expected-2099")

    model = re.search(r'Expected are the steps that <a[^>]* href="/console/sagas/([^"]+)"', text)
    assert model
    took = [step["name"] for step in http.get(f"/sagas/{model[1]}").json()["steps"]]
    row = r'<th scope="row" class="mono">(\d+)</th><td>([^<]+)</td><td>step to come</td><td>not yet</td>'
    assert re.findall(row, text) == [(str(number), name) for number, name in enumerate(took, start=1)]
    assert "Expected are" not in shown(http, f"/console/sagas/{business.waiting}")
    assert "Expected are" not in shown(http, f"/console/sagas/{business.transfer}")


def test_a_saga_leads_to_those_that_were_caused_by_the_same(http: httpx.Client, business: Business) -> None:
    text = shown(http, f"/console/sagas/{business.order}")

    [found] = re.findall(r'href="(/console/sagas\?correlation_id=[^"]+)"', text)
    assert f'href="/console/sagas/{business.order}"' in shown(http, found)


def test_a_saga_that_there_is_not_is_a_page(http: httpx.Client) -> None:
    assert "<h1>" in shown(http, "/console/sagas/nobody", 404)
    shown(http, "/console/sagas/no%20body", 422)


def test_what_is_written_in_an_order_is_no_markup(http: httpx.Client) -> None:
    body = {
        "order_id": "1666",
        "customer_id": "ana",
        "ship_to": {"name": "<script>alert(1)</script>", "country": "France"},
        "lines": [{"sku": "cups", "quantity": 1, "unit_price": money(1_850)}],
    }
    answer = http.post("/sagas/fulfil-order", json=body, headers={"Prefer": "wait=30"}).raise_for_status()

    text = shown(http, f"/console/sagas/{answer.json()['saga_id']}")

    assert "<script>alert" not in text
    assert "&lt;script&gt;alert(1)" in text


def test_a_completed_saga_is_undone_once_and_says_by_whom(http: httpx.Client, business: Business) -> None:
    saga_id = transfer(http, "console-undo")

    answer = pressed(http, saga_id, "undo", reason="sent twice")
    assert (answer.status_code, answer.headers["location"]) == (
        303,
        f"/console/sagas/{saga_id}?done=compensating",
    )
    until(lambda: status(http, saga_id) == "compensated")

    text = shown(http, f"/console/sagas/{saga_id}")
    assert "sent twice" in text
    assert f'action="/console/sagas/{saga_id}/undo"' not in text
    journal = http.get(f"/sagas/{saga_id}/journal").json()["entries"]
    assert [entry["type"] for entry in journal].count("CompensationRequested") == 1


def test_of_two_operators_one_is_told_that_the_other_was_first(
    http: httpx.Client, business: Business
) -> None:
    saga_id = transfer(http, "console-two")
    text = shown(http, f"/console/sagas/{saga_id}/undo")
    hidden = dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', text))
    origin = {"Origin": f"{http.base_url.scheme}://{http.base_url.netloc.decode()}"}
    path = f"/console/sagas/{saga_id}/undo"

    first = http.post(path, data=hidden | {"reason": "first"}, headers=HTML | origin)
    again = http.post(path, data=hidden | {"reason": "first"}, headers=HTML | origin)
    second = http.post(path, data=hidden | {"reason": "second"}, headers=HTML | origin)

    assert first.status_code == again.status_code == 303
    assert second.status_code == 412
    assert "Somebody was first" in second.text
    assert "“first”" in second.text
    until(lambda: status(http, saga_id) == "compensated")


def test_a_reason_is_required(http: httpx.Client, business: Business) -> None:
    answer = pressed(http, business.stuck, "abandon", reason=" ")

    assert answer.status_code == 422
    assert status(http, business.stuck) == "stuck"


def test_a_form_without_its_token_does_nothing(http: httpx.Client, business: Business) -> None:
    path = f"/console/sagas/{business.stuck}/abandon"

    assert http.post(path, data={"reason": "forged"}, headers=HTML).status_code == 403
    assert status(http, business.stuck) == "stuck"


@in_browser
async def test_what_is_filled_in_stays_when_the_page_is_fresh(
    browser: Browser, server: ServerProcess, business: Business
) -> None:
    go_on = asyncio.Event()

    async def hold(route: Route) -> None:
        if route.request.resource_type == "fetch":  # by which the page is made fresh
            await go_on.wait()
        await route.continue_()

    async with opened(browser, f"{server.url}/console/sagas/{business.waiting}") as found:
        await found.page.route(f"**/console/sagas/{business.waiting}", hold)
        await found.page.reload()
        by = found.page.get_by_label("By", exact=True)
        await by.fill("chloe")
        await found.page.locator("main").focus()
        await note_when_fresh(found.page)
        go_on.set()
        await expect(found.page.locator("body[data-fresh]")).to_have_count(1, timeout=60_000)
        await expect(by).to_have_value("chloe")


@in_browser
async def test_an_approval_is_sent_by_the_keyboard(
    browser: Browser, server: ServerProcess, http: httpx.Client, business: Business
) -> None:
    async with opened(browser, f"{server.url}/console/sagas/{business.waiting}") as found:
        form = found.page.locator(f'form[action$="/signals/{SIGNAL}"]')
        for field in await form.locator("select").all():
            await field.select_option(index=1)
        for field in await form.locator("input:not([type=hidden])").all():
            await field.fill("chloe")
        await form.get_by_role("button").press("Enter")
        said = found.page.get_by_role("status").first
        await expect(said).to_have_text("The signal is sent.", timeout=60_000)
    until(lambda: status(http, business.waiting) != "waiting")


SIGNAL = "approval"


@in_browser
async def test_a_page_follows_its_saga(
    browser: Browser, server: ServerProcess, http: httpx.Client, business: Business
) -> None:
    async with opened(browser, f"{server.url}/console/sagas/{business.queued}") as found:
        await expect(found.page.locator("[data-live-state]")).to_have_attribute("data-word", "live")
        path, reason = f"/sagas/{business.queued}/abandon", {"reason": "no more"}
        (await asyncio.to_thread(http.post, path, json=reason)).raise_for_status()
        await expect(found.page.locator(".head .badge").first).to_have_text("abandoned", timeout=30_000)
        # Its own stream has ended: the page goes on with that of everything.
        await expect(found.page.locator("[data-live-state]")).to_have_attribute("data-word", "live")


@in_browser
async def test_the_page_of_a_stuck_saga_is_live_and_leaves_the_focus_where_it_is(
    browser: Browser, server: ServerProcess, http: httpx.Client, business: Business
) -> None:
    """Something else happens: the page is made fresh, and has nothing new."""
    async with opened(browser, f"{server.url}/console/sagas/{business.stuck}") as found:
        await expect(found.page.locator("[data-live-state]")).to_have_attribute("data-word", "live")
        summary = found.page.locator("#abandon > summary")
        await summary.press("Enter")
        await note_when_fresh(found.page)
        path, body = "/aggregates/account/ana/deposit", {"money": money(1)}
        (await asyncio.to_thread(http.post, path, json=body)).raise_for_status()
        await expect(found.page.locator("body[data-fresh]")).to_have_count(1)
        await expect(summary).to_be_focused()
        await expect(found.page.locator("#abandon")).to_have_attribute("open", "")
        await expect(found.page.locator("[data-live-state]")).to_have_attribute("data-word", "live")
