"""Builds what judges requests, out of the settings."""

from contextlib import AsyncExitStack

from app.security.access import Access
from app.security.oidc import oidc_verifier
from app.security.sessions import Sessions
from app.security.token_table import TokenReader
from app.settings import Settings
from eventstore.connections import Pool


async def open_access(stack: AsyncExitStack, pool: Pool, settings: Settings, own_token: str) -> Access:
    """Its connections are closed with the stack."""
    return Access(
        TokenReader(pool),
        await oidc_verifier(stack, settings),
        Sessions(pool, settings.session_hours * 3600),
        own_token=own_token,
        metrics_open=settings.metrics_open,
    )
