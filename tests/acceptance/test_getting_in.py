"""Attempts to get into a server that asks for tokens: with none or wrong ones, by odd paths, by headers."""

import socket
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import httpx
import pytest

from app.embedded import EmbeddedPostgres
from app.security.roles import Role
from app.security.tokens import new_token
from tests.acceptance.secured import Secured, refused, secured_server
from tests.acceptance.server import account_with, money, start, until
from tests.acceptance.test_tokens import tokens

pytestmark = [pytest.mark.postgres, pytest.mark.slow]

REASON = {"reason": "trying"}


@pytest.fixture(scope="module")
def secured(postgres_server: EmbeddedPostgres, template_database: str) -> Iterator[Secured]:
    with secured_server(postgres_server, template_database, "getting_in") as found:
        yield found


@pytest.fixture(scope="module")
def operator(secured: Secured) -> httpx.Client:
    return secured.as_role(Role.OPERATOR)


@pytest.fixture(scope="module")
def transfer(operator: httpx.Client) -> httpx.Response:
    """A saga that has ended."""
    source, target = account_with(operator, 1000), account_with(operator, 0)
    body = {"source": source, "target": target, "money": money(100)}
    return start(operator, "transfer-funds", body).raise_for_status()


@pytest.mark.parametrize(
    "path", ["/sagas", "/events", "/openapi.json", "/docs", "/redoc", "/executors", "/nowhere", "/metrics"]
)
def test_nobody_without_a_token(secured: Secured, path: str) -> None:
    refused(secured.client().get(path), 401, "unauthenticated")


def test_health_is_free(secured: Secured) -> None:
    for path in ("/health/live", "/health/ready"):
        assert secured.client().get(path).status_code == 200


def test_the_challenge_names_an_error_only_to_who_showed_something(secured: Secured) -> None:
    assert secured.client().get("/sagas").headers["www-authenticate"] == 'Bearer realm="saga"'
    shown = secured.client(new_token()).get("/sagas")
    assert shown.headers["www-authenticate"] == 'Bearer realm="saga", error="invalid_token"'


def test_a_token_that_nobody_made(secured: Secured) -> None:
    refused(secured.client(new_token()).get("/sagas"), 401, "token-invalid")


@pytest.mark.parametrize("shown", ["x", "saga_", "saga_" + "a" * 59, "a.b.c", "null", "undefined"])
def test_what_is_no_token(secured: Secured, shown: str) -> None:
    refused(secured.client(shown).get("/sagas"), 401, "token-invalid")


@pytest.mark.parametrize("characters", [8_000, 9_000, 50_000])
def test_a_token_that_is_too_long(secured: Secured, characters: int) -> None:
    refused(secured.client("saga_" + "a" * characters).get("/sagas"), 401, "token-invalid")


def test_a_token_is_the_scheme_bearer_and_nothing_else(secured: Secured) -> None:
    _, token = secured.token(Role.READER)

    for scheme in ("Basic", "Token", "", "Digest"):
        shown = f"{scheme} {token}" if scheme else token
        refused(secured.client().get("/sagas", headers={"Authorization": shown}), 401, "token-invalid")
    assert secured.client().get("/sagas", headers={"Authorization": f"bEARER {token}"}).status_code == 200
    refused(secured.client().get(f"/sagas?access_token={token}"), 401, "unauthenticated")
    refused(secured.client().get("/sagas", headers={"Cookie": f"token={token}"}), 401, "unauthenticated")


def test_an_almost_right_token(secured: Secured) -> None:
    _, token = secured.token(Role.READER)

    assert secured.client(token).get("/sagas").status_code == 200
    for wrong in (token.upper(), token[:-1], token + "a", token[:6] + token[7:] + "a"):
        refused(secured.client(wrong).get("/sagas"), 401, "token-invalid")


def test_an_expired_token(secured: Secured) -> None:
    _, token = secured.token(Role.ADMIN, expires_at=datetime.now(UTC) - timedelta(seconds=1))

    refused(secured.client(token).get("/sagas"), 401, "token-expired")


@pytest.mark.parametrize("repeated", [["Authorization", "Authorization"], ["authorization", "AUTHORIZATION"]])
def test_two_tokens_in_one_request(secured: Secured, repeated: list[str]) -> None:
    _, token = secured.token(Role.READER)
    shown = [(name, f"Bearer {each}") for name, each in zip(repeated, (token, new_token()), strict=True)]

    for headers in (shown, shown[::-1]):
        refused(httpx.get(f"{secured.server.url}/sagas", headers=headers), 401, "token-invalid")


PATHS = [
    "/health/live/../../sagas",
    "/health/live/%2e%2e/%2e%2e/sagas",
    "/health/live/..%2f..%2fsagas",
    "/health/live%2f..%2f..%2fsagas",
    "/health/live%00/sagas",
    "/health/live;/../sagas",
    "/health/live?/../sagas",
    "//sagas",
    "/./sagas",
    "/%2e/sagas",
    "/%73agas",
    "/sagas/",
    "/sagas.",
    "/sagas%2f",
    "/sagas%20",
    "/SAGAS",
    "/health/../events",
    "/health//live",
    "/health/live/",
    "/health/live%2f",
    "/health/live.",
    "\\sagas",
    "/sagas#/health/live",
    "http://x/sagas",
    "http://x/health/live/../../sagas",
    "/metrics/../sagas",
    "/sandbox/carrier/../../sagas",
    "/sandbox/carrier/bookings/..%2f..%2f..%2fevents",
    "/console/../events",
]


@pytest.mark.parametrize("path", PATHS)
def test_no_spelling_of_a_path_gets_in(secured: Secured, transfer: httpx.Response, path: str) -> None:
    """Sent as it is: clients would tidy it up."""
    saga_id = transfer.json()["saga_id"]

    head, _, body = raw(secured, f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")

    status = int(head.split()[1])
    if path == "/health/live?/../sagas":
        assert (status, body) == (200, '{"status":"live"}')
    else:
        assert status in (400, 401), head
    assert saga_id not in body


@pytest.mark.parametrize(
    "extra",
    [
        "X-Original-URL: /health/live",
        "X-Rewrite-URL: /health/live",
        "X-Forwarded-For: 127.0.0.1",
        "X-Forwarded-Host: localhost",
        "X-HTTP-Method-Override: GET",
        "Forwarded: for=127.0.0.1;host=localhost",
        "Remote-User: admin",
        "X-Remote-User: admin",
        "X-Actor: admin",
        "X-Principal: admin",
        "Authorization_: Bearer x",
        "Upgrade: websocket\r\nConnection: upgrade",
    ],
)
def test_no_header_gets_in(secured: Secured, extra: str) -> None:
    request = f"GET /sagas HTTP/1.1\r\nHost: localhost\r\n{extra}\r\nConnection: close\r\n\r\n"

    head, _, _ = raw(secured, request)

    assert head.split()[1] in ("400", "401")


@pytest.mark.parametrize(
    "framing",
    [
        "Content-Length: 5\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
        "Content-Length: 5\r\nContent-Length: 60",
        "Transfer-Encoding : chunked",
    ],
)
def test_a_request_within_a_request(secured: Secured, framing: str) -> None:
    outer = f"POST /health/live HTTP/1.1\r\nHost: x\r\n{framing}\r\nConnection: close\r\n\r\n0\r\n\r\n"
    inner = "GET /sagas HTTP/1.1\r\nHost: x\r\n\r\n"

    head, _, rest = raw(secured, outer + inner)

    assert head.split()[1] in ("400", "405")
    assert "200 OK" not in rest


def raw(secured: Secured, request: str) -> tuple[str, str, str]:
    """What the server answers to these very bytes: head, separator and the rest."""
    address = urlsplit(secured.server.url)
    with socket.create_connection((address.hostname, address.port or 0), timeout=30) as connection:
        connection.sendall(request.encode("latin-1"))
        received = b""
        while chunk := connection.recv(65536):
            received += chunk
    return received.decode().partition("\r\n\r\n")


def test_revoked_tokens_are_refused_and_their_streams_end(secured: Secured, transfer: httpx.Response) -> None:
    name, token = secured.token(Role.READER)
    client = secured.client(token)
    assert client.get("/sagas").status_code == 200
    with client.stream("GET", "/events/follow", params={"after": 0}) as stream:
        lines = stream.iter_lines()
        assert any(line.startswith("data:") for line in lines)

        assert tokens(secured.url, secured.owner_url, "revoke", name).returncode == 0
        until(lambda: client.get("/sagas").status_code == 401)
        rest = list(lines)

    assert len(rest) < 1_000_000  # it came to its end
    refused(client.get("/sagas"), 401, "token-revoked")
