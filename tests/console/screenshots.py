"""python -m tests.console.screenshots: the pictures of docs/images, taken of a server with some sagas."""

import asyncio
from pathlib import Path
from typing import Final

import httpx
from playwright.async_api import Browser

from app.database import migrate
from tests.acceptance.server import serving
from tests.conftest import prepare_embedded, temporary_server
from tests.console.business import open_business
from tests.console.conftest import CHROMIUM, WITHOUT_CHROMIUM
from tests.console.pages import WIDE, chromium, opened

FOLDER: Final = Path("docs/images")
HEIGHT: Final = 900


async def pictures(executable: str, url: str, pages: dict[str, str]) -> None:
    """One picture for each page, by its name."""
    async with chromium(executable) as browser:
        for name, path in pages.items():
            await _picture(browser, f"{url}{path}", FOLDER / f"console-{name}.png")


async def _picture(browser: Browser, url: str, file: Path) -> None:
    async with opened(browser, url, width=WIDE) as found:
        await found.page.wait_for_load_state("load")
        await found.page.screenshot(path=file, clip={"x": 0, "y": 0, "width": WIDE, "height": HEIGHT})


def main() -> None:
    if CHROMIUM is None:
        raise SystemExit(WITHOUT_CHROMIUM)
    FOLDER.mkdir(exist_ok=True)
    with temporary_server() as postgres:
        urls = prepare_embedded(postgres)
        asyncio.run(migrate(urls))
        with serving(urls.app, urls.owner) as server, httpx.Client(base_url=server.url, timeout=60) as http:
            business = open_business(http)
            undone = http.get(f"/sagas/{business.compensated}/at").raise_for_status().json()
            position = undone["positions"]["previous"]
            asyncio.run(
                pictures(
                    CHROMIUM,
                    server.url,
                    {
                        "overview": "/console",
                        "sagas": "/console/sagas",
                        "start": "/console/start/fulfil-order",
                        "saga": f"/console/sagas/{business.compensated}",
                        "travel": f"/console/sagas/{business.compensated}/travel?position={position}",
                        "undo": f"/console/sagas/{business.order}/undo?force=true",
                        "events": "/console/events",
                        "aggregate": "/console/aggregates/account/ana",
                        "projections": "/console/projections",
                    },
                )
            )


if __name__ == "__main__":
    main()
