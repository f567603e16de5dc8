"""Sessions of browsers: a cookie with 256 random bits, of which the database keeps the digest.

A session is somebody's as long as the token counts that it began with. Its forms carry a token of their own,
made from the cookie, which pages of other origins can neither read nor guess.
"""

import hashlib
import hmac
import secrets
import time
from dataclasses import dataclass
from typing import Any, Final

import orjson
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from app.security.errors import TokenExpired, TokenInvalid, TokenRevoked
from app.security.roles import Grant, Principal, Role
from eventstore.connections import Pool
from eventstore.reader import Reader

COOKIE: Final = "saga_session"
SECURE_COOKIE: Final = "__Host-saga_session"
"""Over https: a browser takes it from nobody else, neither from http nor from a neighbouring host."""
COOKIE_CHARACTERS_MAX: Final = 64

_BEGIN: Final = "select security.begin_session(%(digest)s, %(token_id)s, %(who)s, %(seconds)s)"
_FIND: Final = "select * from security.find_session(%(digest)s)"
_END: Final = "select security.end_session(%(digest)s)"


@dataclass(frozen=True, slots=True)
class _Row:
    token_id: Any
    name: str | None
    role: str | None
    sagas: list[str] | None
    who: dict[str, Any] | None
    expired: bool
    revoked: bool


class Sessions:
    """Begins, recognises and ends sessions. Raises StoreUnavailable."""

    def __init__(self, pool: Pool, seconds: float) -> None:
        self._reader = Reader(pool)
        self.seconds = seconds

    async def begin(self, principal: Principal) -> str:
        """A new cookie for somebody who has just shown a token or JWT. It ends with that at the latest."""
        cookie = secrets.token_urlsafe(32)
        row = {
            "digest": _digest(cookie),
            "token_id": principal.token_id,
            "who": None if principal.token_id else Jsonb(_document(principal), dumps=orjson.dumps),
            "seconds": self.seconds
            if principal.until is None
            else min(self.seconds, principal.until - time.time()),
        }
        await self._reader.scalar(_BEGIN, row)
        return cookie

    async def find(self, cookie: str) -> Principal:
        """Whose session it is. Raises TokenInvalid, TokenExpired, TokenRevoked."""
        rows = await self._reader.rows(_FIND, {"digest": _digest(cookie)}, class_row(_Row))
        if not rows:
            raise TokenInvalid
        [row] = rows
        if row.revoked:
            raise TokenRevoked
        if row.expired:
            raise TokenExpired
        if row.who is not None:
            return _principal(row.who)
        sagas = None if row.sagas is None else frozenset(row.sagas)
        return Principal(f"token:{row.name}", (Grant(Role.of(row.role or ""), sagas),), row.token_id)

    async def end(self, cookie: str) -> None:
        await self._reader.scalar(_END, {"digest": _digest(cookie)})


def csrf_token(cookie: str) -> str:
    """What the forms of a session carry."""
    return hmac.digest(cookie.encode(), b"forms", "sha256").hex()


def cookie_of(header_values: list[str]) -> str | None:
    """The session's cookie. Two of them are one too many: TokenInvalid."""
    found = [
        value.strip()
        for header in header_values
        for name, _, value in (part.partition("=") for part in header.split(";"))
        if name.strip() in (COOKIE, SECURE_COOKIE)
    ]
    if len(found) > 1 or any(len(value) > COOKIE_CHARACTERS_MAX or not value.isascii() for value in found):
        raise TokenInvalid
    return found[0] if found and found[0] else None


def _digest(cookie: str) -> bytes:
    return hashlib.sha256(cookie.encode()).digest()


def _document(principal: Principal) -> dict[str, Any]:
    grants = [
        {"role": grant.role.word, "sagas": None if grant.sagas is None else sorted(grant.sagas)}
        for grant in principal.grants
    ]
    return {"actor": principal.actor, "grants": grants}


def _principal(document: dict[str, Any]) -> Principal:
    grants = tuple(
        Grant(Role.of(grant["role"]), None if grant["sagas"] is None else frozenset(grant["sagas"]))
        for grant in document["grants"]
    )
    return Principal(document["actor"], grants)
