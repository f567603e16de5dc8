"""The page on which a saga and what it touched are seen at each of their positions."""

import re

import httpx
import pytest
from playwright.async_api import Browser, Page, expect

from tests.acceptance.server import Json, ServerProcess, money, order_of, start, stock_of, unique, until
from tests.console.business import Business
from tests.console.pages import check_page, in_browser, opened, shown

pytestmark = [pytest.mark.postgres, pytest.mark.slow]

PATIENCE = 60_000
"""Milliseconds."""
STATUS = re.compile(r'data-part="status"><span class="badge s-([a-z]+)"')
STOP = re.compile(r"<strong>Stop (\d+) of (\d+)</strong>: position (\d+)")


def travel(saga_id: str) -> str:
    return f"/console/sagas/{saga_id}/travel"


def at(http: httpx.Client, saga_id: str, position: int | None = None) -> Json:
    query = {} if position is None else {"position": position}
    found: Json = http.get(f"/sagas/{saga_id}/at", params=query).raise_for_status().json()
    return found


def positions(http: httpx.Client, saga_id: str) -> list[int]:
    """Where its journal was written, as the API leads from one position to the next."""
    found = [at(http, saga_id)["positions"]["first"]]
    while (following := at(http, saga_id, found[-1])["positions"]["next"]) is not None:
        found.append(following)
    return found


def stop_of(text: str) -> tuple[int, int, int]:
    """The number of the stop, how many there are, and its position."""
    found = STOP.search(text)
    assert found, text
    return int(found[1]), int(found[2]), int(found[3])


def linked(text: str, name: str) -> str | None:
    """Where one of the four buttons leads, if it can be pressed."""
    found = re.search(rf'<a id="{name}" class="button" href="([^"]+)"', text)
    return found and found[1]


@in_browser
async def test_it_holds_in_every_size_and_scheme(
    browser: Browser, server: ServerProcess, http: httpx.Client, business: Business
) -> None:
    ids = (business.order, business.compensated, business.waiting, business.stuck, business.queued)
    middle = positions(http, business.compensated)[4]
    for path in (*map(travel, ids), f"{travel(business.compensated)}?position={middle}"):
        await check_page(browser, f"{server.url}{path}")


@pytest.mark.parametrize("which", ["order", "transfer", "compensated", "waiting"])
def test_from_stop_to_stop_it_shows_what_the_api_says(
    http: httpx.Client, business: Business, which: str
) -> None:
    saga_id = getattr(business, which)
    expected = positions(http, saga_id)

    seen, address = [], linked(shown(http, travel(saga_id)), "first")
    while address is not None:
        text = shown(http, address)
        number, count, position = stop_of(text)
        seen.append(position)
        assert (number, count) == (len(seen), len(expected))
        then = at(http, saga_id, position)
        assert STATUS.findall(text) == [then["saga"]["status"]]
        for touched in then["aggregates"]:
            about = text.split(f'id="then-{touched["stream"]}"')[1]
            assert f"Version {touched['version']}, since" in about.split("</section>")[0]
        address = linked(text, "next")

    assert seen == expected
    assert linked(text, "last") is None
    assert linked(text, "previous") == f"{travel(saga_id)}?position={expected[-2]}"


def test_a_stop_says_what_it_changed_before_and_after(http: httpx.Client, business: Business) -> None:
    [_, withdrawn, *_] = positions(http, business.transfer)
    ana = http.get("/aggregates/account/ana", params={"position": withdrawn - 1}).raise_for_status().json()
    before = ana["state"]["balance"]

    text = shown(http, f"{travel(business.transfer)}?position={withdrawn}")

    changed = text.split("<caption>What changed in account-ana")[1].split("</table>")[0]
    row = re.search(r"<code>/balance</code>.*?<code>(\d+)</code>.*?<code>(\d+)</code>", changed, re.S)
    assert row, changed
    assert (int(row[1]), int(row[2])) == (before, before - 12_500)
    assert "StepSucceeded" in text
    later = text.split("What it touched later")[1]
    assert "account-ben" in later


def test_a_stop_of_the_slider_leads_to_its_position(http: httpx.Client, business: Business) -> None:
    expected = positions(http, business.order)
    root = travel(business.order)

    for stop in (0, 3, len(expected) - 1, 199):
        answer = http.get(root, params={"position": expected[2], "stop": stop, "end": expected[-1]})
        stands = expected[min(stop, len(expected) - 1)]
        assert (answer.status_code, answer.headers["location"]) == (303, f"{root}?position={stands}")


def test_what_others_did_to_its_aggregates_is_a_stop_while_it_has_not_ended(
    http: httpx.Client, business: Business
) -> None:
    first = shown(http, travel(business.stuck))
    number, count, position = stop_of(first)
    deposit = http.post("/aggregates/account/chloe/deposit", json={"money": money(5)}).raise_for_status()
    until(lambda: stop_of(shown(http, travel(business.stuck)))[2] != position)

    text = shown(http, travel(business.stuck))

    assert stop_of(text) == (number + 1, count + 1, deposit.json()["position"])
    assert "not by this saga" in text
    assert f"{travel(business.stuck)}?position={position}" == linked(text, "previous")
    # A slider of the page from before still means what it meant.
    asked = {"position": position, "stop": number - 1, "end": position}
    assert http.get(travel(business.stuck), params=asked).headers["location"].endswith(f"={position}")


def test_after_its_end_it_stands_at_the_last_stop(http: httpx.Client, business: Business) -> None:
    last = positions(http, business.transfer)[-1]
    now = at(http, business.transfer)["position"]

    text = shown(http, f"{travel(business.transfer)}?position={now}")

    assert stop_of(text)[2] == last
    assert f"Seen from position {now}, after the end of the saga" in text
    assert linked(text, "next") is None


def test_the_saga_and_its_events_lead_to_it(http: httpx.Client, business: Business) -> None:
    event = http.get("/streams/order-1003").json()["events"][0]
    text = shown(http, f"/console/events/{event['event_id']}")
    address = re.search(rf'href="({travel(business.compensated)}\?position=\d+)"', text)

    assert address
    assert "PlaceOrder" in shown(http, address[1])
    assert f'href="{travel(business.compensated)}"' in shown(http, f"/console/sagas/{business.compensated}")


def test_before_its_first_position_there_is_no_saga(http: httpx.Client, business: Business) -> None:
    first = positions(http, business.order)[0]

    text = shown(http, f"{travel(business.order)}?position={first - 1}", 404)

    assert f"At position {first - 1} the saga did not exist yet" in text
    assert f'href="{travel(business.order)}?position={first}"' in text


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("position=here", 422),
        ("position=-1", 422),
        ("position=9999999999999", 422),
        ("stop=x", 422),
        ("stop=-1", 422),
        ("stop=201", 422),
        ("position=1000000000000", 409),
        ("position=1@99", 410),
    ],
)
def test_a_position_that_there_is_not_is_told(
    http: httpx.Client, business: Business, query: str, status: int
) -> None:
    assert "<h1>" in shown(http, f"{travel(business.order)}?{query}", status)


def test_a_saga_that_there_is_not_is_told(http: httpx.Client) -> None:
    for query in ("", "?position=1", "?stop=1"):
        assert "There is no such saga" in shown(http, f"{travel('nobody')}{query}", 404)
    shown(http, travel("no%20body"), 422)


def test_a_name_is_text_until_its_person_is_forgotten(http: httpx.Client) -> None:
    customer = unique("customer")
    order = order_of(customer, stock_of(http, 10))
    order["ship_to"] = {"name": "<b>Hanna</b>", "country": "Germany"}
    start(http, "fulfil-order", order).raise_for_status()
    saga_id = f"fulfil-order-{order['order_id']}"
    root = travel(saga_id)
    pages = [root, f"{root}?position={positions(http, saga_id)[0]}"]
    for address in pages:
        text = shown(http, address)
        assert "&lt;b&gt;Hanna" in text
        assert "<b>Hanna" not in text
        assert "personal:1:" not in text

    http.post(f"/subjects/{customer}/forget", json={"reason": "asked"}).raise_for_status()

    for address in pages:
        text = shown(http, address)
        assert "Hanna" not in text
        assert "forgotten" in text


async def stands_at(page: Page, number: int, position: int) -> None:
    said = re.compile(rf"^Stop {number} of ")
    await expect(page.locator('[data-part="stop"] strong')).to_have_text(said, timeout=PATIENCE)
    await expect(page).to_have_url(re.compile(rf"/travel\?position={position}$"), timeout=PATIENCE)


@in_browser
async def test_the_slider_and_the_buttons_are_moved_by_the_keyboard(
    browser: Browser, server: ServerProcess, http: httpx.Client, business: Business
) -> None:
    expected = positions(http, business.compensated)
    async with opened(browser, f"{server.url}{travel(business.compensated)}") as found:
        slider = found.page.get_by_role("slider", name="Stop")
        await slider.focus()
        await slider.press("ArrowLeft")
        await stands_at(found.page, len(expected) - 1, expected[-2])
        await expect(slider).to_be_focused()
        await expect(found.page.locator('[data-part="status"]')).to_have_text("compensating")
        await slider.press("Home")
        await stands_at(found.page, 1, expected[0])
        await expect(found.page.locator("#first")).to_have_attribute("aria-disabled", "true")
        await found.page.locator("#next").press("Enter")
        await stands_at(found.page, 2, expected[1])
        await expect(found.page.locator("#next")).to_be_focused()
        await expect(slider).to_have_value("1")
        await found.page.reload()
        await stands_at(found.page, 2, expected[1])


@in_browser
async def test_without_script_the_slider_is_a_form(
    browser: Browser, server: ServerProcess, http: httpx.Client, business: Business
) -> None:
    expected = positions(http, business.order)
    async with opened(browser, f"{server.url}{travel(business.order)}", script=False) as found:
        slider = found.page.get_by_role("slider", name="Stop")
        await slider.press("Home")
        await slider.press("ArrowRight")
        await found.page.get_by_role("button", name="Go there").press("Enter")
        await stands_at(found.page, 2, expected[1])
        await found.page.get_by_role("link", name="Next").click()
        await stands_at(found.page, 3, expected[2])
