"""The table of tokens: servers see the row of one that is shown to them, its owner makes and revokes them."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import psycopg
from psycopg.rows import class_row
from pydantic import BaseModel

from app.security.roles import Role
from app.security.tokens import digest, new_token, selector
from eventstore.connections import Pool
from eventstore.reader import Reader

_FIND: Final = "select * from security.find_token(%(selector)s)"
_ANY: Final = "select security.tokens_exist()"
_USED: Final = "select security.token_used(%(token_id)s)"
_CREATE: Final = """
    insert into security.tokens (name, role, sagas, selector, digest, expires_at)
    values (%(name)s, %(role)s, %(sagas)s, %(selector)s, %(digest)s, %(expires_at)s)"""
_COLUMNS: Final = "name, role, sagas, created_at, expires_at, revoked_at, last_used_at"
_LIST: Final = f"select {_COLUMNS} from security.tokens order by created_at, name"
_REVOKE: Final = """
    update security.tokens set revoked_at = coalesce(revoked_at, clock_timestamp()) where name = %s
    returning name"""


class TokenExists(Exception):
    """A token of this name was made before; names are not used twice, so that the audit stays clear."""


class TokenUnknown(Exception):
    """No token has this name."""


@dataclass(frozen=True, slots=True)
class KnownToken:
    """What the server needs to judge a token, by the clock of the database."""

    token_id: UUID
    name: str
    role: str
    sagas: list[str] | None
    digest: bytes
    expired: bool
    revoked: bool


class TokenView(BaseModel):
    """A token without anything secret."""

    name: str
    role: str
    sagas: list[str] | None
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None


class TokenReader:
    """What servers may know of tokens: only the row of one that is shown to them. Raises StoreUnavailable."""

    def __init__(self, pool: Pool) -> None:
        self._reader = Reader(pool)

    async def any(self) -> bool:
        """Whether a token was ever made."""
        return bool(await self._reader.scalar(_ANY))

    async def find(self, token_selector: bytes) -> KnownToken | None:
        rows = await self._reader.rows(_FIND, {"selector": token_selector}, class_row(KnownToken))
        return rows[0] if rows else None

    async def used(self, token_id: UUID) -> None:
        """Note that it was used; at most once a minute a row is written."""
        await self._reader.scalar(_USED, {"token_id": token_id})


async def create_token(
    owner_url: str, name: str, role: Role, sagas: list[str] | None, expires_at: datetime | None
) -> str:
    """A new token; it is told this once. Raises TokenExists."""
    token = new_token()
    token_digest = digest(token)
    row: dict[str, Any] = {
        "name": name,
        "role": role.word,
        "sagas": sagas,
        "selector": selector(token_digest),
        "digest": token_digest,
        "expires_at": expires_at,
    }
    async with await psycopg.AsyncConnection.connect(owner_url) as connection:
        try:
            await connection.execute(_CREATE, row)
        except psycopg.errors.UniqueViolation:
            raise TokenExists(f"there is a token {name!r} already; names are not used twice") from None
    return token


async def list_tokens(owner_url: str) -> list[TokenView]:
    """All of them, revoked ones included, the oldest first."""
    async with await psycopg.AsyncConnection.connect(owner_url) as connection:
        cursor = connection.cursor(row_factory=class_row(TokenView))
        return await (await cursor.execute(_LIST)).fetchall()


async def revoke_token(owner_url: str, name: str) -> None:
    """From now on it is refused by every server. Twice does nothing twice. Raises TokenUnknown."""
    async with await psycopg.AsyncConnection.connect(owner_url) as connection:
        if await (await connection.execute(_REVOKE, [name])).fetchone() is None:
            raise TokenUnknown(f"there is no token {name!r}")
