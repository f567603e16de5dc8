"""HEAD: the head of the answer to GET, as balancers and monitors ask for it."""

import httpx
import pytest

from tests.acceptance.server import account_with, unique

pytestmark = [pytest.mark.postgres, pytest.mark.slow]


def test_it_is_the_head_of_the_answer_to_get(http: httpx.Client) -> None:
    account = account_with(http, 5)
    # Not what changes by itself, such as metrics.
    for path in ("/health/live", "/health/ready", f"/aggregates/account/{account}", "/openapi.json"):
        head, got = http.head(path), http.get(path)

        assert head.status_code == 200
        assert head.content == b""
        own = ("content-type", "content-length", "etag", "saga-position")
        assert {name: head.headers.get(name) for name in own} == {name: got.headers.get(name) for name in own}


def test_an_answer_without_an_end_is_over_at_its_beginning(http: httpx.Client) -> None:
    later, body = (
        {"at": "2099-01-01T00:00:00Z"},
        {"source": "a", "target": "b", "money": {"amount": 1, "currency": "USD"}},
    )
    saga_id = unique("head")
    http.post("/sagas/transfer-funds", json=body, headers={"Idempotency-Key": saga_id}, params=later)

    for path in (f"/sagas/{saga_id}/watch", "/events/follow"):
        answer = http.head(path)

        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")


def test_what_cannot_be_got_has_no_head(http: httpx.Client) -> None:
    assert http.head(f"/sagas/{unique('nobody')}").status_code == 404
    refused = http.head("/subjects/nobody/forget")
    assert (refused.status_code, refused.headers["allow"]) == (405, "POST")
