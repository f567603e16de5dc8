"""Recorded events over HTTP: one stream, and all of them."""

import httpx
import pytest

from tests.acceptance.server import account_with, money, stock_of

pytestmark = [pytest.mark.postgres, pytest.mark.slow]


def test_a_stream_is_read_in_pages(http: httpx.Client) -> None:
    account = account_with(http, 0)
    for _ in range(4):
        http.post(f"/aggregates/account/{account}/deposit", json={"money": money(1)}).raise_for_status()

    first = http.get(f"/streams/account-{account}", params={"limit": 3}).json()
    second = http.get(f"/streams/account-{account}", params={"limit": 3, "from": first["next"]}).json()

    assert [event["version"] for event in first["events"] + second["events"]] == [1, 2, 3, 4, 5]
    assert (first["next"], second["next"]) == (4, None)
    assert http.get(f"/streams/account-{account}", params={"from": 6}).json() == {"events": [], "next": None}


def test_a_page_that_ends_with_the_stream_is_the_last(http: httpx.Client) -> None:
    account = account_with(http, 1)

    page = http.get(f"/streams/account-{account}", params={"limit": 2}).json()

    assert (len(page["events"]), page["next"]) == (2, None)


@pytest.mark.parametrize("from_version", [1, 2])
def test_an_unknown_stream_is_not_found(http: httpx.Client, from_version: int) -> None:
    answer = http.get("/streams/account-nobody", params={"from": from_version})

    assert (answer.status_code, answer.json()["code"]) == (404, "not-found")


def test_all_streams_are_read_in_order_and_from_the_cursor_on(http: httpx.Client) -> None:
    account_with(http, 5)
    after, positions = 0, []
    while True:
        page = http.get("/events", params={"after": after, "limit": 7}).json()
        if not page["events"]:
            break
        positions += [event["position"] for event in page["events"]]
        after = page["next"]

    assert positions == sorted(set(positions))
    assert page["next"] == after == positions[-1]
    sku = stock_of(http, 1)
    later = http.get("/events", params={"after": after}).json()["events"]
    # Sagas of earlier tests may have written meanwhile.
    assert [event["version"] for event in later if event["stream"] == f"stock-{sku}"] == [1]
    assert all(event["position"] > after for event in later)


def test_a_page_is_not_larger_than_the_server_allows(http: httpx.Client) -> None:
    answer = http.get("/events", params={"limit": 1_000_000})

    assert answer.status_code == 200
    assert len(answer.json()["events"]) <= 1000
