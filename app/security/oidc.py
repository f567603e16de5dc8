"""JWTs of an OIDC issuer: who signed them, for whom, until when; and whose they are."""

import asyncio
import time
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any, Final

import httpx
import jwt
import structlog

from app.security.errors import KeysUnavailable, TokenExpired, TokenInvalid
from app.security.role_mapping import parse_roles, roles_of
from app.security.roles import ACTOR_CHARACTERS_MAX, Grant, Principal
from app.settings import Settings

ALGORITHMS: Final = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]
"""Asymmetric ones only: with any other a public key would be a secret, or none would be needed."""
KEY_TYPES: Final = ("RSA", "EC", "OKP")
LEEWAY_SECONDS: Final = 30.0
"""How far the issuer's clock may be from ours."""
FRESH_SECONDS: Final = 300.0
"""After so long the keys are fetched again: one that was withdrawn counts no longer than this."""
FETCH_PAUSE_SECONDS: Final = 5.0
"""Between two fetches, whatever tokens are shown: made-up key ids must not become a load for the issuer."""
FETCH_SECONDS_MAX: Final = 5.0
JWKS_BYTES_MAX: Final = 256 * 1024

log = structlog.get_logger(__name__)


class IssuerKeys:
    """The public keys of the issuer, by their id. While it is away those that are known go on counting."""

    def __init__(self, http: httpx.AsyncClient, url: str) -> None:
        self._http = http
        self._url = url
        self._keys: dict[str | None, jwt.PyJWK] = {}
        self._fetching = asyncio.Lock()
        self._tried_at = self._fetched_at = float("-inf")
        self._refreshing: asyncio.Task[None] | None = None

    async def key(self, key_id: str | None) -> jwt.PyJWK:
        """Raises TokenInvalid when the issuer has no such key, and KeysUnavailable."""
        if key_id not in self._keys:
            await self._fetch()
        elif time.monotonic() > self._fetched_at + FRESH_SECONDS and not self._fetching.locked():
            self._refreshing = asyncio.create_task(self._fetch())  # nobody waits for what is known already
        if not self._keys:
            raise KeysUnavailable
        if key_id not in self._keys:
            raise TokenInvalid
        return self._keys[key_id]

    async def _fetch(self) -> None:
        async with self._fetching:
            if time.monotonic() < self._tried_at + FETCH_PAUSE_SECONDS:
                return
            self._tried_at = time.monotonic()
            try:
                self._keys = await self._fetched()
            except (httpx.HTTPError, ValueError, jwt.PyJWTError) as error:
                log.warning("keys of the OIDC issuer not fetched", error=f"{type(error).__name__}: {error}")
                return
            self._fetched_at = time.monotonic()

    async def _fetched(self) -> dict[str | None, jwt.PyJWK]:
        answer = (await self._http.get(self._url, timeout=FETCH_SECONDS_MAX)).raise_for_status()
        document = answer.json() if len(answer.content) <= JWKS_BYTES_MAX else None
        found = document.get("keys") if isinstance(document, dict) else None
        if not isinstance(found, list):
            raise ValueError("what it answers is no JSON Web Key Set")
        usable = [
            each
            for each in found
            if isinstance(each, dict) and each.get("kty") in KEY_TYPES and each.get("use", "sig") == "sig"
        ]
        keys: dict[str | None, jwt.PyJWK] = {}
        for each in usable:
            try:
                keys[each.get("kid")] = jwt.PyJWK.from_dict(each)
            except jwt.PyJWTError:  # of a kind that is not known here: the others are
                continue
        if len(keys) == 1:
            keys[None] = next(iter(keys.values()))  # a token need not name the only one
        return keys


@dataclass(frozen=True, slots=True)
class Expected:
    """What a JWT must say, and where it says who it is of."""

    issuer: str
    audience: str
    actor_claim: str
    roles_claim: str
    roles: Mapping[str, Grant]


class Oidc:
    """Judges JWTs."""

    def __init__(self, keys: IssuerKeys, expected: Expected) -> None:
        self._keys = keys
        self._expected = expected

    async def principal(self, credential: str) -> Principal:
        """Whose JWT it is. Raises TokenInvalid, TokenExpired, KeysUnavailable."""
        try:
            header = jwt.get_unverified_header(credential)
            if header.get("alg") not in ALGORITHMS:
                raise TokenInvalid
            key = await self._keys.key(header.get("kid"))
            claims = jwt.decode(
                credential,
                key,
                algorithms=ALGORITHMS,
                audience=self._expected.audience,
                issuer=self._expected.issuer,
                leeway=LEEWAY_SECONDS,
                options={"require": ["exp", "iss", "aud", self._expected.actor_claim]},
            )
        except jwt.ExpiredSignatureError:
            raise TokenExpired from None
        except (jwt.PyJWTError, ValueError, TypeError, OverflowError, RecursionError):
            raise TokenInvalid from None
        grants = roles_of(claims, self._expected.roles_claim, self._expected.roles)
        return Principal(self._actor(claims), grants, until=float(claims["exp"]))

    def _actor(self, claims: Mapping[str, Any]) -> str:
        actor = f"oidc:{claims[self._expected.actor_claim]}"
        if len(actor) > ACTOR_CHARACTERS_MAX or not (actor.isascii() and actor.isprintable()):
            raise TokenInvalid
        return actor


async def oidc_verifier(stack: AsyncExitStack, settings: Settings) -> Oidc | None:
    """Judges JWTs if an issuer is set up; its connections are closed with the stack."""
    issuer, audience, url = settings.oidc_issuer, settings.oidc_audience, settings.oidc_jwks_url
    if issuer is None or audience is None or url is None:
        return None
    roles = parse_roles(settings.oidc_roles)
    expected = Expected(issuer, audience, settings.oidc_actor_claim, settings.oidc_roles_claim, roles)
    return Oidc(IssuerKeys(await stack.enter_async_context(httpx.AsyncClient()), url), expected)
