"""Servers that ask everybody for a token, and clients that show one or another."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import httpx
import psycopg
from psycopg import sql

from app.database import APP_ROLE, OWNER_ROLE
from app.embedded import EmbeddedPostgres
from app.security.roles import Role
from app.security.token_table import create_token
from tests.acceptance.server import ServerProcess, serving, unique

Json = dict[str, Any]


@dataclass
class Secured:
    """A server with tokens, and its database as the application and as the owner."""

    server: ServerProcess
    url: str
    owner_url: str
    _clients: list[httpx.Client] = field(default_factory=list)

    def token(self, role: Role, *sagas: str, expires_at: datetime | None = None) -> tuple[str, str]:
        """A name that no other has, and the token of that name."""
        name = unique("token")
        limited = list(sagas) or None
        return name, asyncio.run(create_token(self.owner_url, name, role, limited, expires_at))

    def client(self, credential: str | None = None, **headers: str) -> httpx.Client:
        """A client that shows this."""
        shown = {} if credential is None else {"Authorization": f"Bearer {credential}"}
        client = httpx.Client(base_url=self.server.url, timeout=30, headers={**shown, **headers})
        self._clients.append(client)
        return client

    def client_of(self, other: ServerProcess) -> httpx.Client:
        """A client of another server, which asks nobody for a token."""
        client = httpx.Client(base_url=other.url, timeout=60)
        self._clients.append(client)
        return client

    def as_role(self, role: Role, *sagas: str) -> httpx.Client:
        return self.client(self.token(role, *sagas)[1])

    def close(self) -> None:
        for client in self._clients:
            client.close()


@contextmanager
def fresh(postgres: EmbeddedPostgres, template: str, name: str) -> Iterator[tuple[str, str]]:
    """A migrated database: its address as the application and as the owner."""
    names = sql.Identifier(name), sql.Identifier(template), sql.Identifier(OWNER_ROLE)
    with psycopg.connect(postgres.url(), autocommit=True) as admin:
        admin.execute(sql.SQL("CREATE DATABASE {} TEMPLATE {} OWNER {}").format(*names))
    yield postgres.url(role=APP_ROLE, database=name), postgres.url(role=OWNER_ROLE, database=name)


@contextmanager
def secured_server(
    postgres: EmbeddedPostgres, template: str, name: str, **settings: str
) -> Iterator[Secured]:
    """A server on a database of its own that has a token, and logs everything."""
    with fresh(postgres, template, name) as (url, owner_url):
        asyncio.run(create_token(owner_url, "first", Role.ADMIN, None, None))
        with serving(url, owner_url, SAGA_LOG_LEVEL="DEBUG", **settings) as server:
            secured = Secured(server, url, owner_url)
            try:
                yield secured
            finally:
                secured.close()


def refused(answer: httpx.Response, status: int, code: str) -> None:
    """It is a problem document of this kind."""
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    assert answer.json()["code"] == code
    if status == 401:
        assert answer.headers["www-authenticate"].startswith("Bearer ")
