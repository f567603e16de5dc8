"""The remote systems: where they are, how they are reached, and the calls that sagas make to them."""

from contextlib import AsyncExitStack
from typing import Any

import httpx

from app.observing.spans import continue_elsewhere
from app.settings import Settings
from workflows.carrier import Carrier
from workflows.saga import CallDefinition
from workflows.supplier import Supplier


async def remote_calls(
    stack: AsyncExitStack, settings: Settings, own_token: str | None = None
) -> list[CallDefinition[Any, Any]]:
    """The calls of all remote systems; their connections are closed with the stack.

    `own_token` lets this process into its own sandboxes; nobody else is shown it.
    """

    async def client(url: str | None, token: str | None, sandbox: str) -> httpx.AsyncClient:
        shown = own_token if url is None else token
        made = httpx.AsyncClient(
            base_url=url or _sandbox_url(settings, sandbox),
            timeout=None,
            headers={"Authorization": f"Bearer {shown}"} if shown else None,
            event_hooks={"request": [continue_elsewhere]},
        )
        return await stack.enter_async_context(made)

    carrier = Carrier(await client(settings.carrier_url, settings.carrier_token, "carrier"))
    supplier = Supplier(await client(settings.supplier_url, settings.supplier_token, "supplier"))
    return [*carrier.calls(), *supplier.calls()]


def _sandbox_url(settings: Settings, name: str) -> str:
    everywhere = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # an address to talk to, not to bind
    host = everywhere.get(settings.host, settings.host)
    return f"http://{f'[{host}]' if ':' in host else host}:{settings.port}/sandbox/{name}"
