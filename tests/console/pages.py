"""A page in a browser: opened at a size and in a scheme, and checked for what no page of ours may do."""

import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import httpx
import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, Page, async_playwright, expect

WIDE: Final = 1440
NARROW: Final = 390
HTML: Final = {"Accept": "text/html,*/*;q=0.8"}
"""What a browser asks for."""
in_browser: Final = pytest.mark.asyncio(loop_scope="module")
"""Marks a test that asks for `browser`, which lives in the loop of its module."""
SCHEMES: Final = ("light", "dark")
GRAVE: Final = frozenset({"serious", "critical"})
PATIENCE: Final = 60_000
"""Milliseconds: a busy machine takes long for what is sure to come."""
expect.set_options(timeout=PATIENCE)


def shown(http: httpx.Client, address: str, status: int = 200, **query: str) -> str:
    """The text of the page at this address."""
    answer = http.get(address, params=query or None, headers=HTML)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"].startswith("text/html")
    return answer.text


def csrf_in(text: str) -> str:
    """What the forms of a page carry."""
    return re.findall(r'name="csrf" value="([^"]+)"', text)[0]


@asynccontextmanager
async def chromium(executable: str) -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        yield browser
        await browser.close()


@dataclass
class Opened:
    """A page, and what went wrong in it: errors of scripts, of the policy, answers that failed."""

    page: Page
    faults: list[str] = field(default_factory=list)


@asynccontextmanager
async def opened(
    browser: Browser, url: str, *, width: int = WIDE, scheme: str = "light", script: bool = True, **more: Any
) -> AsyncIterator[Opened]:
    """The page at `url`. At the end nothing may have gone wrong in it that the test has not cleared."""
    context = await browser.new_context(
        viewport={"width": width, "height": 900},
        color_scheme="dark" if scheme == "dark" else "light",
        reduced_motion="reduce",
        java_script_enabled=script,
        **more,
    )
    context.set_default_timeout(PATIENCE)
    try:
        page = await context.new_page()
        found = Opened(page)
        page.on("console", lambda said: found.faults.append(said.text) if said.type == "error" else None)
        page.on("pageerror", lambda error: found.faults.append(str(error)))
        await page.goto(url)
        yield found
        assert found.faults == [], url
    finally:
        await context.close()


async def check_layout(page: Page) -> None:
    """Nothing makes the whole page scroll sideways."""
    widths = await page.evaluate(
        "[document.documentElement.scrollWidth, document.documentElement.clientWidth]"
    )
    assert widths[0] <= widths[1], f"{page.url} is {widths[0]} px wide in {widths[1]}"


async def check_accessible(page: Page) -> None:
    """axe-core finds nothing serious."""
    found: Sequence[dict[str, Any]] = (await Axe().run(page)).response["violations"]
    grave = [
        f"{each['id']}: {node['html']} {node['failureSummary']}"
        for each in found
        if each["impact"] in GRAVE
        for node in each["nodes"]
    ]
    assert grave == [], page.url


async def check_headings(page: Page) -> None:
    """One h1, a title, and a way past the navigation."""
    assert await page.locator("h1").count() == 1
    assert (await page.title()).endswith("saga-orchestrator")
    assert await page.locator("a.skip").count() == 1


async def check_page(browser: Browser, url: str, *, status: int = 200, **more: Any) -> None:
    """All of this in both sizes and schemes."""
    for width in (WIDE, NARROW):
        for scheme in SCHEMES:
            async with opened(browser, url, width=width, scheme=scheme, **more) as found:
                await check_headings(found.page)
                await check_layout(found.page)
                await check_accessible(found.page)
                if status != 200:
                    [told] = found.faults
                    assert f"status of {status}" in told
                    found.faults.clear()
