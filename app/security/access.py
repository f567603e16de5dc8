"""Who a request comes from, judged by what it shows; and whether it has to show anything at all."""

import hmac
import ipaddress
import secrets
import socket
import time
from typing import Final, Protocol
from urllib.parse import urlsplit

from starlette.datastructures import Headers

from app.security.errors import TokenExpired, TokenInvalid, TokenMissing, TokenRevoked, WrongHost
from app.security.roles import Grant, Principal, Role
from app.security.sessions import Sessions, cookie_of
from app.security.token_table import KnownToken, TokenReader
from app.security.tokens import PREFIX, digest, selector, well_formed

KNOWN_SECONDS: Final = 1.0
"""How long a token counts as good without a look: so late, at most, a server hears that it was revoked."""
NOTE_SECONDS: Final = 60.0
KNOWN_TOKENS_MAX: Final = 10_000
CREDENTIAL_CHARACTERS_MAX: Final = 8192
"""A JWT with many claims is as long; nothing is computed of a longer one."""


class NotSecured(Exception):
    """The server would be open to other machines: make a token with `saga tokens create`, or set up OIDC."""


class Verifier(Protocol):
    """Judges a JWT. Raises NotAuthenticated."""

    async def principal(self, credential: str) -> Principal: ...


class Access:
    """Whether authentication is required, and who somebody is. `own_token` is this process's, for
    its own sandboxes."""

    def __init__(
        self,
        tokens: TokenReader,
        verifier: Verifier | None,
        sessions: Sessions,
        *,
        own_token: str,
        metrics_open: bool = False,
    ) -> None:
        self._host: str | None = None
        self.open_csrf = secrets.token_hex(32)
        """What forms carry where nobody has to prove who it is."""
        self.sessions = sessions
        self.metrics_open = metrics_open
        self._own = digest(own_token)
        self._tokens = tokens
        self._verifier = verifier
        self._tokens_exist = False
        self._known: dict[bytes, tuple[float, Principal]] = {}
        self._noted: dict[bytes, float] = {}

    @property
    def required(self) -> bool:
        """False only as long as there are neither tokens nor OIDC."""
        return self._tokens_exist or self._verifier is not None

    async def look(self) -> None:
        """Look whether a token was made meanwhile; none is ever unmade. Raises StoreUnavailable."""
        if not self._tokens_exist:
            self._tokens_exist = await self._tokens.any()

    async def check(self, host: str) -> None:
        """Raises NotSecured when whoever reaches `host` could do everything, and StoreUnavailable."""
        self._host = host
        await self.look()
        if not self.required and not is_loopback(host):
            raise NotSecured(
                f"refusing to listen at {host}, which other machines reach, without authentication: make a "
                "token with `saga tokens create`, or set SAGA_OIDC_ISSUER"
            )

    def check_name(self, headers: Headers) -> None:
        """That an open server is asked under a name of its own: a foreign name may be made to lead here, and
        the pages of a browser under it are then of one origin with us. Raises WrongHost."""
        for asked in headers.getlist("host"):
            try:
                name = urlsplit(f"//{asked}").hostname or ""
            except ValueError:
                raise WrongHost from None
            if name != self._host and not is_local_name(name):
                raise WrongHost

    async def authenticate(self, headers: Headers) -> Principal:
        """Whose request it is. Raises NotAuthenticated, StoreUnavailable."""
        shown = headers.getlist("authorization")
        if not shown:
            raise TokenMissing
        scheme, _, credential = shown[0].partition(" ")
        if len(shown) > 1 or scheme.lower() != "bearer":
            raise TokenInvalid
        return await self.principal(credential.strip())

    async def enter(self, headers: Headers, browser: bool) -> tuple[Principal, str | None]:
        """Whose request it is; `browser` says that the cookie of a session will do, which is then told.

        Raises NotAuthenticated, StoreUnavailable.
        """
        cookie = cookie_of(headers.getlist("cookie")) if browser else None
        if cookie is None or "authorization" in headers:
            return await self.authenticate(headers), None
        known_as = digest(cookie)
        until, principal = self._known.get(known_as, (0.0, None))
        if principal is None or time.monotonic() >= until:
            asked_at = time.monotonic()
            self._known.pop(known_as, None)
            principal = await self.sessions.find(cookie)
            self._know(known_as, asked_at, principal)
        return principal, cookie

    def forget(self, cookie: str) -> None:
        """The session has ended: ask again."""
        self._known.pop(digest(cookie), None)

    def _know(self, known_as: bytes, asked_at: float, principal: Principal) -> None:
        if len(self._known) >= KNOWN_TOKENS_MAX:
            self._known.clear()
            self._noted.clear()
        self._known[known_as] = (asked_at + KNOWN_SECONDS, principal)

    async def principal(self, credential: str) -> Principal:
        """Whose token or JWT it is. Raises NotAuthenticated, StoreUnavailable."""
        if len(credential) > CREDENTIAL_CHARACTERS_MAX or not credential.isascii():
            raise TokenInvalid
        if credential.startswith(PREFIX):
            return await self._of_token(credential)
        if self._verifier is None:
            raise TokenInvalid
        return await self._verifier.principal(credential)

    async def _of_token(self, token: str) -> Principal:
        if not well_formed(token):
            raise TokenInvalid
        shown = digest(token)
        if hmac.compare_digest(shown, self._own):
            return _SANDBOX_CLIENT
        until, principal = self._known.get(shown, (0.0, None))
        if principal is not None and time.monotonic() < until:
            return principal
        return await self._look_up(shown)

    async def _look_up(self, shown: bytes) -> Principal:
        asked_at = time.monotonic()
        self._known.pop(shown, None)
        known = await self._tokens.find(selector(shown))
        if known is None or not hmac.compare_digest(known.digest, shown):
            raise TokenInvalid
        if known.revoked:
            raise TokenRevoked
        if known.expired:
            raise TokenExpired
        principal = _principal(known)
        self._know(shown, asked_at, principal)
        if asked_at > self._noted.get(shown, float("-inf")) + NOTE_SECONDS:
            self._noted[shown] = asked_at
            await self._tokens.used(known.token_id)
        return principal


_SANDBOX_CLIENT: Final = Principal("sandbox", (Grant(Role.OPERATOR),))


def _principal(known: KnownToken) -> Principal:
    sagas = None if known.sagas is None else frozenset(known.sagas)
    return Principal(f"token:{known.name}", (Grant(Role.of(known.role), sagas),), known.token_id)


def is_local_name(name: str) -> bool:
    """Whether no name server is asked for it, and it means this machine."""
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches what listens at `host`: a name counts by all of its addresses."""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError):
        return False
    addresses = [ipaddress.ip_address(str(address[0]).partition("%")[0]) for *_, address in found]
    return bool(addresses) and all(address.is_loopback for address in addresses)
