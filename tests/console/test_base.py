"""What all pages share: files, errors as pages, the way in, and a browser that finds nothing wrong."""

import re

import httpx
import pytest
from playwright.async_api import Browser, expect

from tests.acceptance.server import ServerProcess
from tests.console.business import Business
from tests.console.pages import HTML, check_page, in_browser, opened

pytestmark = [pytest.mark.postgres, pytest.mark.slow]


@in_browser
async def test_pages_hold_in_every_size_and_scheme(browser: Browser, server: ServerProcess) -> None:
    for path in ("/console", "/console/login", "/console/nowhere"):
        await check_page_of(browser, server, path)


async def check_page_of(browser: Browser, server: ServerProcess, path: str) -> None:
    if path != "/console/nowhere":
        await check_page(browser, f"{server.url}{path}")
        return
    async with opened(browser, f"{server.url}{path}") as found:
        await expect(found.page.get_by_role("heading", level=1)).to_have_text("Not Found")
        [told] = found.faults  # the browser's own word for the status
        assert "404" in told
        found.faults.clear()


@in_browser
async def test_the_keyboard_comes_to_the_content(browser: Browser, server: ServerProcess) -> None:
    async with opened(browser, f"{server.url}/console") as found:
        await found.page.keyboard.press("Tab")
        await expect(found.page.get_by_role("link", name="Skip to the content")).to_be_focused()
        await found.page.keyboard.press("Enter")
        await expect(found.page.locator("main")).to_be_focused()


def test_the_business_of_these_tests_has_what_it_says(http: httpx.Client, business: Business) -> None:
    status = {saga["saga_id"]: saga["status"] for saga in http.get("/sagas").json()["sagas"]}

    assert status[business.order] == status[business.transfer] == "completed"
    assert status[business.compensated] == "compensated"
    assert status[business.waiting] == "waiting"
    assert status[business.stuck] == "stuck"
    assert status[business.queued] == "queued"


def test_files_are_kept_for_ever_under_the_name_of_their_content(http: httpx.Client) -> None:
    page = http.get("/console", headers=HTML).text
    [style] = re.findall(r'<link rel="stylesheet" href="([^"]+)"', page)

    answer = http.get(style)

    assert answer.headers["content-type"].startswith("text/css")
    assert "immutable" in answer.headers["cache-control"]
    assert "cookie" not in answer.headers.get("set-cookie", "")


@pytest.mark.parametrize("path", ["x/console.css", "x/..%2F..%2Fmain.py", "%2e%2e/router.py"])
def test_nothing_else_is_served_as_a_file(http: httpx.Client, path: str) -> None:
    assert http.get(f"/console/static/{path}").status_code == 404


def test_a_problem_is_a_page_for_a_browser_and_a_document_for_a_program(http: httpx.Client) -> None:
    page, document = http.get("/console/nowhere", headers=HTML), http.get("/console/nowhere")

    assert (page.status_code, document.status_code) == (404, 404)
    assert page.headers["content-type"].startswith("text/html")
    assert document.headers["content-type"] == "application/problem+json"
    assert "<h1>Not Found</h1>" in page.text
    assert page.headers["x-correlation-id"] in page.text
    assert "default-src 'none'" in page.headers["content-security-policy"]


def test_a_form_that_is_not_ours_is_refused_with_a_page(http: httpx.Client) -> None:
    answer = http.post("/console/logout", data={"csrf": "x"}, headers=HTML)

    assert answer.status_code == 403
    assert "<h1>The form is not of a page of this console</h1>" in answer.text
    assert "forged-form" in answer.text


def test_a_method_that_there_is_not(http: httpx.Client) -> None:
    answer = http.put("/console", headers=HTML)

    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD")
    assert "<h1>Method Not Allowed</h1>" in answer.text


def test_the_live_stream_speaks_of_commits(http: httpx.Client) -> None:
    with http.stream("GET", "/console/live", timeout=60) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        lines = answer.iter_lines()
        assert next(lines) == "retry: 1000"
        http.post("/aggregates/account/live/open-account", json={"currency": "USD"}).raise_for_status()
        assert "event: changed" in lines
