"""Direct commands and the state of aggregates over HTTP."""

from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from app.api.command_names import named_commands
from domain.aggregates import CATALOG
from tests.acceptance.server import Json, account_with, balance, money, unique

pytestmark = [pytest.mark.postgres, pytest.mark.slow]


def deposit(http: httpx.Client, account: str, amount: int, **headers: str) -> httpx.Response:
    body = {"money": money(amount)}
    return http.post(f"/aggregates/account/{account}/deposit", json=body, headers=headers)


def test_a_command_answers_with_its_events(http: httpx.Client) -> None:
    account = account_with(http, 0)

    answer = deposit(http, account, 500, **{"X-Actor": "ada", "X-Correlation-Id": "trace-1"})

    assert answer.status_code == 200
    assert answer.headers["ETag"] == '"2"'
    document = answer.json()
    assert (document["stream"], document["version"]) == (f"account-{account}", 2)
    [event] = document["events"]
    assert document["position"] == event["position"]
    assert event.keys() == {
        "position", "stream", "version", "event_id", "type", "schema_version", "data", "metadata",
        "recorded_at",
    }  # fmt: skip
    assert event["type"] == "MoneyDeposited"
    assert event["data"] == {"account_id": account, "money": money(500), "reference": None}
    assert (event["metadata"]["actor"], event["metadata"]["correlation_id"]) == ("ada", "trace-1")


def test_the_state_has_the_version_as_etag(http: httpx.Client) -> None:
    account = account_with(http, 500)

    answer = http.get(f"/aggregates/account/{account}")

    assert answer.headers["ETag"] == '"2"'
    document = answer.json()
    assert document["state"] == {"currency": "USD", "balance": 500, "holds": {}}
    assert document.keys() == {"stream", "version", "position", "recorded_at", "state"}


def test_a_refusal_says_why(http: httpx.Client) -> None:
    account = account_with(http, 10)

    answer = http.post(f"/aggregates/account/{account}/withdraw", json={"money": money(11)})

    assert answer.status_code == 409
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert (problem["code"], problem["rejection"]) == ("rejected", "insufficient-funds")
    assert problem["reason"] == f"account {account}: 11 wanted, balance is 10"
    assert problem["data"] == {"requested": 11, "balance": 10, "currency": "USD"}


def test_nothing_to_do_is_no_error(http: httpx.Client) -> None:
    account = account_with(http, 0)

    answer = http.post(f"/aggregates/account/{account}/open-account", json={"currency": "USD"})

    assert answer.status_code == 200
    document = answer.json()
    assert (document["version"], document["events"]) == (1, [])
    assert document["position"] == http.get(f"/aggregates/account/{account}").json()["position"]


def test_a_command_sent_again_under_its_key_answers_the_same(http: httpx.Client) -> None:
    account, key = account_with(http, 0), unique("key")

    first = deposit(http, account, 500, **{"Idempotency-Key": key})
    deposit(http, account, 1)
    second = deposit(http, account, 500, **{"Idempotency-Key": key})

    assert (first.status_code, second.status_code) == (200, 200)
    assert first.json() == second.json()
    assert balance(http, account) == 501


def test_the_answer_is_the_same_when_it_would_be_refused_today(http: httpx.Client) -> None:
    account, headers = account_with(http, 100), {"Idempotency-Key": unique("key")}
    path, body = f"/aggregates/account/{account}/withdraw", {"money": money(100)}

    first, second = (http.post(path, json=body, headers=headers) for _ in range(2))

    assert (first.status_code, second.status_code) == (200, 200)
    assert first.json() == second.json()


def test_one_of_many_at_once_under_one_key_acts(http: httpx.Client) -> None:
    account, key = account_with(http, 0), unique("key")

    with ThreadPoolExecutor(8) as threads:
        answers = list(
            threads.map(lambda _: deposit(http, account, 5, **{"Idempotency-Key": key}), range(16))
        )

    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.text for answer in answers}) == 1
    assert balance(http, account) == 5
    assert deposit(http, account, 1).json()["version"] == 3


def test_a_key_is_not_reused_for_another_command(http: httpx.Client) -> None:
    account, headers = account_with(http, 0), {"Idempotency-Key": unique("key")}
    deposit(http, account, 500, **headers)

    answers = [
        deposit(http, account, 501, **headers),
        deposit(http, account_with(http, 0), 500, **headers),
        http.post(f"/aggregates/account/{account}/withdraw", json={"money": money(500)}, headers=headers),
    ]

    assert {(answer.status_code, answer.json()["code"]) for answer in answers} == {
        (409, "idempotency-key-reused")
    }
    assert balance(http, account) == 500


def test_a_key_is_used_up_by_a_command_that_had_nothing_to_do(http: httpx.Client) -> None:
    account, order, headers = account_with(http, 100), unique("order"), {"Idempotency-Key": unique("key")}
    release = f"/aggregates/account/{account}/release-payment"
    first = http.post(release, json={"order_id": order}, headers=headers)
    hold = {"order_id": order, "money": money(30)}
    http.post(f"/aggregates/account/{account}/hold-payment", json=hold).raise_for_status()

    again = http.post(release, json={"order_id": order}, headers=headers)
    other = deposit(http, account, 1, **headers)

    assert first.json() == again.json()
    assert (again.status_code, again.json()["events"]) == (200, [])
    assert (other.status_code, other.json()["code"]) == (409, "idempotency-key-reused")
    assert balance(http, account) == 70


def test_a_key_is_used_up_also_where_there_is_no_stream(http: httpx.Client) -> None:
    sku, headers = unique("sku"), {"Idempotency-Key": unique("key")}
    release = {"order_id": "o"}

    answers = [
        http.post(f"/aggregates/stock/{sku}/release-stock", json=release, headers=headers) for _ in range(2)
    ]
    other = http.post(f"/aggregates/stock/{sku}/receive-stock", json={"quantity": 1}, headers=headers)

    assert [(answer.status_code, answer.json()["position"]) for answer in answers] == [(200, 0)] * 2
    assert (other.status_code, other.json()["code"]) == (409, "idempotency-key-reused")


def test_a_refused_command_leaves_its_key_free(http: httpx.Client) -> None:
    account, headers = account_with(http, 0), {"Idempotency-Key": unique("key")}
    path, body = f"/aggregates/account/{account}/withdraw", {"money": money(5)}

    refused = http.post(path, json=body, headers=headers)
    deposit(http, account, 5)
    done = http.post(path, json=body, headers=headers)

    assert (refused.status_code, done.status_code) == (409, 200)
    assert balance(http, account) == 0


def test_of_two_commands_at_once_under_one_key_one_acts_round_after_round(http: httpx.Client) -> None:
    account = account_with(http, 0)
    expected = 0

    with ThreadPoolExecutor(6) as threads:
        for _ in range(25):
            key = unique("key")

            def ask(amount: int, key: str = key) -> httpx.Response:
                return deposit(http, account, amount, **{"Idempotency-Key": key})

            answers = list(threads.map(ask, [1, 2, 1, 2, 1, 2]))

            won = {
                answer.json()["events"][0]["data"]["money"]["amount"]
                for answer in answers
                if answer.is_success
            }
            [amount] = won
            expected += amount
            assert [answer.status_code for answer in answers].count(200) == 3
            assert {answer.json()["code"] for answer in answers if answer.is_error} == {
                "idempotency-key-reused"
            }
            assert len({answer.text for answer in answers if answer.is_success}) == 1

    assert balance(http, account) == expected


def test_if_match_guards_against_a_change(http: httpx.Client) -> None:
    account = account_with(http, 0)

    stale = deposit(http, account, 5, **{"If-Match": '"7"'})
    fresh = deposit(http, account, 5, **{"If-Match": '"1"'})

    assert stale.status_code == 412
    assert stale.json()["current_version"] == 1
    assert fresh.status_code == 200
    assert deposit(http, account, 5, **{"If-Match": "*"}).status_code == 200


def test_if_match_of_any_version_wants_the_aggregate_to_be_there(http: httpx.Client) -> None:
    path, body = f"/aggregates/account/{unique('nobody')}/open-account", {"currency": "USD"}

    refused = http.post(path, json=body, headers={"If-Match": "*"})

    assert (refused.status_code, refused.json()["current_version"]) == (412, 0)
    assert http.post(path, json=body).json()["version"] == 1
    assert http.post(path, json=body, headers={"If-Match": "*"}).status_code != 412


def test_the_key_in_the_body_may_only_repeat_the_path(http: httpx.Client) -> None:
    account = account_with(http, 0)
    path = f"/aggregates/account/{account}/deposit"

    same = http.post(path, json={"account_id": account, "money": money(1)})
    other = http.post(path, json={"account_id": "else", "money": money(1)})

    assert same.status_code == 200
    assert other.status_code == 422
    assert other.json()["errors"][0]["field"] == "account_id"


@pytest.mark.parametrize("path", ["account/nobody", "stock/nothing", "order/none", "shipment/none"])
def test_what_has_no_events_is_not_found(http: httpx.Client, path: str) -> None:
    answer = http.get(f"/aggregates/{path}")

    assert (answer.status_code, answer.json()["code"]) == (404, "not-found")


def test_what_is_unknown_is_answered_with_what_there_is(http: httpx.Client) -> None:
    category = http.get("/aggregates/nonsense/x").json()
    command = http.post("/aggregates/stock/x/explode", json={}).json()

    assert (category["status"], category["code"]) == (404, "unknown-name")
    assert "account" in category["detail"]
    assert (command["status"], command["code"]) == (404, "unknown-name")
    assert "receive-stock" in command["detail"]


def test_every_command_of_the_catalog_can_be_sent(http: httpx.Client) -> None:
    document: Json = http.get("/openapi.json").json()
    paths = [path for path, methods in document["paths"].items() if _is_command(path, methods)]

    answers = [http.post(path.replace("{", "").replace("}", ""), json={"never": 1}) for path in paths]

    assert len(paths) == len(named_commands(CATALOG)) >= 25
    assert {answer.status_code for answer in answers} == {422}


def _is_command(path: str, methods: Json) -> bool:
    return path.startswith("/aggregates/") and "post" in methods
