"""The pages of projections: what they say, and what their buttons do, once."""

import re

import httpx
import pytest
from playwright.async_api import Browser, expect

from tests.acceptance.server import ServerProcess, until
from tests.console.business import Business
from tests.console.pages import HTML, check_page, csrf_in, in_browser, opened, shown

pytestmark = [pytest.mark.postgres, pytest.mark.slow]

ROOT = "/console/projections/accounts"


def press(http: httpx.Client, deed: str, **fields: str) -> httpx.Response:
    """Send the form of a button, with what its page has in it."""
    form = {"csrf": csrf_in(shown(http, ROOT)), "reason": f"to try {deed}", **fields}
    return http.post(f"{ROOT}/{deed}", data=form, headers=HTML)


def began(http: httpx.Client) -> str:
    return re.findall(r'name="began" value="([^"]+)"', shown(http, ROOT))[0]


def went(answer: httpx.Response, flash: str) -> None:
    assert answer.status_code == 303, answer.text
    assert answer.headers["location"] == f"{ROOT}?done={flash}"


def caught_up(http: httpx.Client) -> bool:
    view = http.get("/projections/accounts").json()
    return view["staging"] is not None and view["staging"]["lag"]["events"] == 0


def test_a_rebuild_is_made_compared_served_and_taken_back(http: httpx.Client, business: Business) -> None:
    went(press(http, "rebuild"), "rebuilding")
    assert press(http, "rebuild").status_code == 409
    until(lambda: caught_up(http))
    assert "Promote the rebuild" in shown(http, ROOT)
    assert "They are the same" in shown(http, f"{ROOT}/diff?with=staging")

    went(press(http, "promote"), "promoted")
    assert press(http, "promote").status_code == 409

    previous = began(http)
    went(press(http, "return", began=previous), "returned")
    went(press(http, "return", began=previous), "unchanged")
    assert http.get("/projections/accounts").json()["live"]["began_at"][:19] == previous[:19]

    went(press(http, "discard", of="previous"), "discarded")
    assert press(http, "discard", of="previous").status_code == 409
    decisions = shown(http, ROOT)
    assert "to try promote" in decisions
    assert "ProjectionReturned" in decisions


def test_a_rebuild_is_paused_and_goes_on(http: httpx.Client, business: Business) -> None:
    went(press(http, "rebuild"), "rebuilding")
    went(press(http, "pause"), "paused")
    assert "Let the rebuild go on" in shown(http, ROOT)
    went(press(http, "resume"), "done")
    went(press(http, "discard", of="staging"), "discarded")


@pytest.mark.parametrize(
    ("deed", "fields", "status"),
    [
        ("rebuild", {"reason": ""}, 422),
        ("rebuild", {"csrf": "x"}, 403),
        ("retry", {"of": "live"}, 409),
        ("skip", {"of": "live", "position": "7"}, 409),
        ("skip", {"of": "live"}, 422),
        ("discard", {"of": "live"}, 422),
        ("return", {"began": "x"}, 409),
        ("return", {}, 422),
    ],
)
def test_what_is_not_possible_is_refused_with_a_page(
    http: httpx.Client, business: Business, deed: str, fields: dict[str, str], status: int
) -> None:
    answer = press(http, deed, **fields)

    assert answer.status_code == status, answer.text
    assert "<h1>" in answer.text


def test_all_followers_are_listed(http: httpx.Client, business: Business) -> None:
    text = shown(http, "/console/projections")

    for name in ("accounts", "orders", "sagas", "stock"):
        assert f'href="/console/projections/{name}"' in text


@in_browser
async def test_a_rebuild_is_begun_with_the_keyboard(
    browser: Browser, server: ServerProcess, http: httpx.Client, business: Business
) -> None:
    for path in ("/console/projections", ROOT):
        await check_page(browser, f"{server.url}{path}")
    async with opened(browser, f"{server.url}{ROOT}") as found:
        await found.page.locator("#rebuild > summary").focus()
        await found.page.keyboard.press("Enter")
        await found.page.get_by_label("Reason").fill("by hand")
        await found.page.keyboard.press("Enter")
        await expect(
            found.page.get_by_role("status").filter(has_text="The rebuild has begun")
        ).to_be_visible()
        await expect(found.page.get_by_role("heading", name="Rebuild")).to_be_visible()
    await check_page(browser, f"{server.url}{ROOT}/diff")
    went(press(http, "discard", of="staging"), "discarded")
