"""The server that the commands ask: the one at SAGA_URL, shown SAGA_TOKEN if there is one."""

import asyncio
import getpass
import os
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, Final, TypeVar

from app.cli.errors import CliError
from app.client import SagaClient

DEFAULT_URL: Final = "http://127.0.0.1:8000"

T = TypeVar("T")

Json = dict[str, Any]
"""A JSON object that a person wrote."""


def connect() -> AbstractAsyncContextManager[SagaClient]:
    """Raises CliError; what goes wrong later is a ClientError."""
    url = os.environ.get("SAGA_URL") or DEFAULT_URL
    if not url.startswith(("http://", "https://")):
        raise CliError(f"SAGA_URL must start with http:// or https://, not {url!r}")
    return SagaClient.connect(url, os.environ.get("SAGA_TOKEN", "").strip() or None, _actor())


def ask(request: Callable[[SagaClient], Awaitable[T]]) -> T:
    """What comes of `request`, made on a connection of its own. Raises CliError, ClientError."""

    async def run() -> T:
        async with connect() as client:
            return await request(client)

    return asyncio.run(run())


def _actor() -> str:
    """Who asks, for the audit: the user of this machine, in the characters that a header takes."""
    try:
        user = getpass.getuser()
    except (OSError, KeyError):
        return "cli"
    return "".join(character for character in user if " " < character < "\x7f")[:120] or "cli"
