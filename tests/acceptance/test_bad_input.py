"""What users get wrong: always a clear 4xx problem document that names the field, never a 500."""

import json
import socket
from typing import Any

import httpx
import pytest

from tests.acceptance.server import Json, ServerProcess, account_with, money, start, unique

pytestmark = [pytest.mark.postgres, pytest.mark.slow]

JSON = {"Content-Type": "application/json"}
LINE = {"sku": "11", "quantity": 1, "unit_price": money(1400)}
HEAD = (
    b"POST /sagas/fulfil-order HTTP/1.1\r\nHost: localhost\r\n"
    b"Content-Type: application/json\r\nContent-Length: %d\r\n"
)
ORDER = {
    "order_id": "10248",
    "customer_id": "VINET",
    "ship_to": {"name": "Vins et alcools Chevalier", "country": "France"},
    "lines": [LINE],
}


def problem_of(answer: httpx.Response, status: int) -> Json:
    """The problem document, after checking what all of them have in common."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem: Json = answer.json()
    assert problem.keys() >= {"type", "title", "status", "code", "detail"}
    assert problem["status"] == status
    assert problem["correlation_id"] == answer.headers["X-Correlation-Id"]
    return problem


def connected(server: ServerProcess) -> socket.socket:
    url = httpx.URL(server.url)
    return socket.create_connection((url.host, url.port or 80), timeout=10)


def fields_of(answer: httpx.Response) -> list[str]:
    return [error["field"] for error in problem_of(answer, 422)["errors"]]


def lines(*changes: Json) -> Json:
    return {"lines": [{**LINE, **change} for change in changes]}


@pytest.mark.parametrize(
    ("change", "field"),
    [
        (lines({"quantity": -1}), "lines.0.quantity"),
        (lines({"quantity": 0}), "lines.0.quantity"),
        (lines({"quantity": 1.5}), "lines.0.quantity"),
        (lines({"quantity": "1"}), "lines.0.quantity"),
        (lines({"quantity": True}), "lines.0.quantity"),
        (lines({"quantity": 10**30}), "lines.0.quantity"),
        (lines({}, {"sku": "12", "quantity": None}), "lines.1.quantity"),
        (lines({"unit_price": money(-1)}), "lines.0.unit_price.amount"),
        (lines({"unit_price": money(1, "usd")}), "lines.0.unit_price.currency"),
        (lines({}, {"sku": "12", "unit_price": money(1, "EUR")}), "lines"),
        (lines({}, {}), "lines"),
        ({"lines": []}, "lines"),
        ({"lines": None}, "lines"),
        ({"lines": [LINE] * 501}, "lines"),
        ({"lines": {"0": LINE}}, "lines"),
        ({"order_id": "x" * 121}, "order_id"),
        ({"order_id": ""}, "order_id"),
        ({"order_id": "a/b"}, "order_id"),
        ({"order_id": "a\0b"}, "order_id"),
        ({"order_id": "10248\n"}, "order_id"),
        ({"customer_id": 5}, "customer_id"),
        ({"ship_to": {"name": "a\0b", "country": "France"}}, "ship_to.name"),
        ({"ship_to": {"name": "x" * 201, "country": "France"}}, "ship_to.name"),
        ({"ship_to": {"name": "x"}}, "ship_to.country"),
        ({"suprise": 1}, "suprise"),
        ({"\0": 1}, "\0"),
    ],
)
def test_a_bad_field_of_an_order_is_named(http: httpx.Client, change: Json, field: str) -> None:
    answer = http.post("/sagas/fulfil-order", json={**ORDER, **change})

    assert fields_of(answer) == [field]


def test_every_missing_field_is_named(http: httpx.Client) -> None:
    answer = http.post("/sagas/fulfil-order", json={})

    assert fields_of(answer) == ["order_id", "customer_id", "ship_to", "lines"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'"text"',
        b"17",
        b'{"order_id": NaN}',
        b'{"order_id": Infinity}',
        b'{"order_id": "\xff\xfe"}',
        b'{"order_id": "\\ud800"}',
        b'{"\\ud800": 1}',
        b'{"lines": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b"\xef\xbb\xbf{}",
        b"order_id=10248",
    ],
    ids=lambda body: repr(body[:24]),
)
@pytest.mark.parametrize(
    "path",
    [
        "/sagas/fulfil-order",
        "/sagas/bulk",
        "/sagas/any/compensate",
        "/sagas/any/signals/any",
        "/aggregates/account/any/deposit",
    ],
)
def test_a_body_that_is_no_json_object_is_refused(http: httpx.Client, path: str, body: bytes) -> None:
    answer = http.post(path, content=body, headers=JSON)

    assert fields_of(answer) == ["body"]


@pytest.mark.parametrize("media_type", [None, "text/plain", "application/x-www-form-urlencoded", "junk", "é"])
def test_a_body_must_be_announced_as_json(http: httpx.Client, media_type: str | None) -> None:
    headers = {} if media_type is None else {b"Content-Type": media_type.encode()}

    problem = problem_of(http.post("/sagas/fulfil-order", content=b"{}", headers=headers), 415)

    assert problem["code"] == "unsupported-media-type"


@pytest.mark.parametrize("media_type", ["application/json; charset=utf-8", "application/merge-patch+json"])
def test_json_may_be_announced_in_other_words(http: httpx.Client, media_type: str) -> None:
    answer = http.post("/sagas/fulfil-order", content=b"{}", headers={"Content-Type": media_type})

    assert "order_id" in fields_of(answer)


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_of_ten_megabytes_is_too_large(http: httpx.Client, chunked: bool) -> None:
    body = b'{"order_id": "' + b"x" * 10_000_000 + b'"}'
    content: Any = iter([body[:1_000_000]] * 10) if chunked else body

    answer = http.post("/sagas/fulfil-order", content=content, headers=JSON)

    assert problem_of(answer, 413)["code"] == "too-large"


def test_a_client_that_asks_first_is_refused_before_it_sends(server: ServerProcess) -> None:
    with connected(server) as connection:
        connection.sendall(HEAD % 10_000_000 + b"Expect: 100-continue\r\n\r\n")

        assert connection.recv(1000).startswith(b"HTTP/1.1 413 ")


def test_a_client_that_goes_while_it_sends_is_no_failure(server: ServerProcess, http: httpx.Client) -> None:
    with connected(server) as connection:
        connection.sendall(HEAD % 500 + b"\r\n{")

    assert http.get("/health/live").status_code == 200
    assert "request failed" not in server.log.read_text()


def test_a_large_body_that_fits_is_read(http: httpx.Client) -> None:
    answer = http.post("/sagas/fulfil-order", json={**ORDER, "order_id": "x" * 1_000_000})

    assert fields_of(answer) == ["order_id"]
    assert len(answer.content) < 2000


def test_many_errors_are_answered_in_bounds(http: httpx.Client) -> None:
    answer = http.post("/sagas/fulfil-order", json={**ORDER, **{f"x{number}": 1 for number in range(10_000)}})

    assert len(fields_of(answer)) == 20


@pytest.mark.parametrize(
    ("method", "path", "code"),
    [
        ("POST", "/sagas/no-such-saga", "unknown-saga"),
        ("POST", "/sagas/x%00", "unknown-saga"),
        ("GET", "/sagas/nobody", "saga-not-found"),
        ("GET", "/sagas/nobody/journal", "saga-not-found"),
        ("GET", "/sagas/nobody/watch", "saga-not-found"),
        ("GET", "/sagas/a%2Fb", "not-found"),
        ("GET", "/sagas/", "not-found"),
        ("GET", "/nothing/here", "not-found"),
        ("GET", "/%ff%00%zz", "not-found"),
        ("GET", "/aggregates/acco%00unt/x", "unknown-name"),
        ("POST", "/aggregates/account/x/dep%ffosit", "unknown-name"),
    ],
)
def test_what_is_not_there_is_404(http: httpx.Client, method: str, path: str, code: str) -> None:
    answer = http.request(method, path, json={} if method == "POST" else None)

    assert problem_of(answer, 404)["code"] == code


def test_an_unknown_saga_cannot_be_compensated(http: httpx.Client) -> None:
    answer = http.post("/sagas/nobody/compensate", json={"reason": "x"})

    assert problem_of(answer, 404)["code"] == "saga-not-found"


def test_a_wrong_method_is_405(http: httpx.Client) -> None:
    answer = http.delete("/sagas")

    assert problem_of(answer, 405)["code"] == "method-not-allowed"
    assert answer.headers["Allow"] == "GET, HEAD"


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/sagas/" + "x" * 121, "saga_id"),
        ("/sagas/a%00b", "saga_id"),
        ("/sagas/%ff", "saga_id"),
        ("/sagas?limit=0", "limit"),
        ("/sagas?limit=ten", "limit"),
        ("/sagas?limit=" + "9" * 5000, "limit"),
        ("/sagas?status=happy", "status"),
        ("/sagas?name=%00", "name"),
        ("/sagas?after=junk", "after"),
        ("/sagas?after=%00", "after"),
        ("/sagas?after=" + "9" * 400, "after"),
        ("/sagas?after=" + "x" * 501, "after"),
        ("/streams/a%00b", "stream"),
        ("/streams/account-x?from=0", "from"),
        ("/streams/account-x?from=99999999999", "from"),
        ("/streams/account-x?limit=-1", "limit"),
        ("/events?after=-1", "after"),
        ("/events?after=99999999999999999999", "after"),
        ("/events?after=1.5", "after"),
        ("/aggregates/account/a%00b", "key"),
        ("/aggregates/account/" + "x" * 121, "key"),
    ],
    ids=lambda value: value[:40],
)
def test_a_bad_parameter_is_named(http: httpx.Client, path: str, field: str) -> None:
    assert fields_of(http.get(path)) == [field]


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("Idempotency-Key", b""),
        ("Idempotency-Key", b"a/b"),
        ("Idempotency-Key", b"x" * 121),
        ("Idempotency-Key", b"\xff"),
        ("X-Actor", b"\xe9"),
        ("X-Actor", b"x" * 121),
        ("X-Correlation-Id", b"a b"),
        ("X-Correlation-Id", b"x" * 121),
    ],
)
@pytest.mark.parametrize("path", ["/sagas/fulfil-order", "/aggregates/account/x/deposit"])
def test_a_bad_header_is_named(http: httpx.Client, path: str, header: str, value: bytes) -> None:
    answer = http.post(path, json=ORDER, headers={header.encode(): value})

    assert fields_of(answer) == [header]


@pytest.mark.parametrize("etag", ["3", '"x"', 'W/"3"', '"99999999999"'])
def test_an_if_match_that_is_no_version_is_named(http: httpx.Client, etag: str) -> None:
    answer = http.post("/aggregates/account/x/deposit", json={}, headers={"If-Match": etag})

    assert fields_of(answer) == ["If-Match"]


@pytest.mark.parametrize("prefer", ["wait", "wait=-1", "wait=soon", "wait=", "", "nonsense; =", "wait=1e9"])
def test_a_preference_that_is_not_understood_is_ignored(http: httpx.Client, prefer: str) -> None:
    source, target = account_with(http, 10), account_with(http, 0)
    body = {"source": source, "target": target, "money": money(1)}

    answer = http.post("/sagas/transfer-funds", json=body, headers={"Prefer": prefer})

    assert answer.status_code == 202
    assert "Preference-Applied" not in answer.headers


def test_repeated_headers_are_no_error_of_the_server(http: httpx.Client) -> None:
    keys = [("Idempotency-Key", unique("key")), ("Idempotency-Key", unique("key"))]
    body = {"source": account_with(http, 10), "target": account_with(http, 0), "money": money(1)}

    answer = http.post(
        "/sagas/transfer-funds", json=body, headers=[*keys, ("Prefer", "a"), ("Prefer", "wait=9")]
    )

    assert answer.status_code == 200
    assert answer.json()["saga_id"] == keys[0][1]


@pytest.mark.parametrize("reason", ["", "  ", "x" * 201, "a\0b", 5, None])
def test_a_reason_is_a_line_of_text(http: httpx.Client, reason: object) -> None:
    answer = http.post("/sagas/any/compensate", json={"reason": reason})

    assert fields_of(answer) == ["reason"]


def test_names_of_people_may_hold_any_character_of_theirs(http: httpx.Client) -> None:
    """The opposite of the rest: what is strange but right is stored as it came."""
    name = "Łukasz \u202eO'Brien\\u0000 😀 <b>"
    order = {**ORDER, "order_id": unique("order"), "ship_to": {"name": name, "country": "日本"}}

    saga = start(http, "fulfil-order", order).json()

    assert saga["input"]["ship_to"] == {"name": name, "country": "日本"}
    placed = http.get(f"/streams/order-{order['order_id']}").json()["events"][0]
    assert json.dumps(placed["data"]["ship_to"]["name"]) == json.dumps(name)


@pytest.mark.parametrize("wrong", [0, "no", None])
def test_what_is_no_boolean_is_not_taken_for_one(http: httpx.Client, wrong: object) -> None:
    """0 does not mean: act."""
    body = {"action": "abandon", "filter": {"name": "fulfil-order"}, "reason": "x", "dry_run": wrong}

    assert fields_of(http.post("/sagas/bulk", json=body)) == ["dry_run"]
    preview = {"reason": "x", "preview": wrong, "force": wrong}
    assert fields_of(http.post("/sagas/nobody/compensate", json=preview)) == ["force", "preview"]
    decision = {"reason": "x", "stale": wrong, "wait_seconds": False}
    assert fields_of(http.post("/projections/sagas/return", json=decision)) == ["wait_seconds", "stale"]
