"""The typed client on a real server: what it answers has the types that it says, and a no is told apart from
silence."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from pydantic import ConfigDict, TypeAdapter, ValidationError, with_config
from typing_extensions import is_typeddict

from app.client import ClientError, NoAnswer, Refused, SagaClient, models
from tests.acceptance.server import (
    Json,
    ServerProcess,
    account_with,
    balance,
    free_port,
    money,
    order_of,
    stock_of,
    unique,
)
from tests.docs.howto import asking

pytestmark = [pytest.mark.postgres, pytest.mark.slow]


@pytest.fixture
async def client(server: ServerProcess) -> AsyncIterator[SagaClient]:
    async with SagaClient.connect(server.url, actor="ada") as client:
        yield client


for each in list(vars(models).values()):
    if is_typeddict(each):
        with_config(ConfigDict(extra="forbid", strict=True))(each)


def check(answer: object, model: Any) -> None:
    """Fails unless the answer is exactly what its type says: each field, no more, no other type."""
    TypeAdapter(model).validate_python(answer)


def test_an_answer_that_is_otherwise_is_found() -> None:
    page: Json = {
        "anchors": [{"format": "f", "block": 1, "position": 2, "hash": "h", "sealed_at": "t"}],
        "next": None,
    }
    check(page, models.AnchorPage)

    with pytest.raises(ValidationError):
        check({**page, "anchors": [{**page["anchors"][0], "more": 1}]}, models.AnchorPage)
    with pytest.raises(ValidationError):
        check({**page, "anchors": [{**page["anchors"][0], "block": "1"}]}, models.AnchorPage)


def transfer(source: str, target: str, amount: int) -> Json:
    return {"source": source, "target": target, "money": money(amount)}


async def test_a_saga_is_started_watched_and_undone(client: SagaClient, http: httpx.Client) -> None:
    source, target = account_with(http, 900), account_with(http, 0)

    done = await client.start("transfer-funds", transfer(source, target, 500), wait_seconds=30)
    check(done, models.SagaView)
    assert done["status"] == "completed"
    assert balance(http, target) == 500

    preview = await client.preview(done["saga_id"], {"force": False})
    check(preview, models.PreviewView)
    assert [planned["name"] for planned in preview["commands"]] == ["Withdraw", "Deposit"]

    asked = await client.compensate(done["saga_id"], {"reason": "by mistake"})
    check(asked, models.SagaView)
    assert asked["requested"] is not None
    assert asked["requested"]["actor"] == "ada"
    seen = [saga async for saga in client.watch(done["saga_id"])]
    for saga in seen:
        check(saga, models.SagaView)
    assert seen[-1]["status"] == "compensated"
    assert balance(http, source) == 900


async def test_a_saga_is_watched_whatever_its_input_says(client: SagaClient, http: httpx.Client) -> None:
    """Line separators of Unicode end no line of a stream of events."""
    order = order_of(account_with(http, 0), stock_of(http, 1))
    order["ship_to"]["name"] = "Ann\u2028Lee\u2029\u0085"
    saga = await client.start("fulfil-order", order, wait_seconds=30)

    seen = [each async for each in client.watch(saga["saga_id"])]

    assert seen[-1]["status"] == "compensated"
    assert seen[-1]["input"]["ship_to"]["name"] == order["ship_to"]["name"]


async def test_every_answer_has_the_type_that_it_is_said_to_have(
    client: SagaClient, http: httpx.Client, customer: str
) -> None:
    sku = stock_of(http, 5)
    order = order_of(customer, sku)
    saga = await client.start("fulfil-order", order, wait_seconds=30)
    assert saga["status"] == "completed"
    after = str(saga["position"])
    order_id = order["order_id"]

    events = await client.stream(f"order-{order_id}", from_version=1, limit=10)
    position = str(saga["position"])
    answers: list[tuple[object, Any]] = [
        (saga, models.SagaView),
        (await client.saga(saga["saga_id"]), models.SagaView),
        (await client.saga_at(saga["saga_id"], position), models.SagaThenView),
        (await client.sagas(attributes={}, name="fulfil-order", limit=3), models.SagaPage),
        (events, models.StreamPage),
        (await client.events(after=0, limit=3), models.EventPage),
        (await client.aggregate("stock", sku), models.AggregateView),
        (await client.history("stock", sku, start=None, limit=5), models.ChangePage),
        (await client.why(f"events/{events['events'][0]['event_id']}"), models.WhyView),
        (await client.why(f"streams/order-{order_id}"), models.WhyView),
        (await client.executors(), models.ExecutorList),
        (await client.projections(), models.FollowerPage),
        (await client.projection("orders"), models.FollowerView),
        (await client.order(order_id, after=after), models.OrderRow),
        (await client.orders(customer_id=customer), models.OrderPage),
        (await client.stock_item(sku), models.StockItemView),
        (await client.stock(limit=2), models.StockPage),
        (await client.account(customer), models.AccountDetail),
        (await client.accounts(limit=2), models.AccountPage),
        (await client.statement(customer, limit=10), models.Statement),
        (await client.anchors(3), models.AnchorPage),
    ]
    for answer, model in answers:
        check(answer, model)


async def test_many_are_started_and_acted_on(client: SagaClient, http: httpx.Client) -> None:
    source, target = account_with(http, 0), account_with(http, 0)
    ids = [unique("batch"), unique("batch")]

    started = await client.start_batch(
        "transfer-funds",
        {"sagas": [{"id": saga_id, "input": transfer(source, target, 5)} for saga_id in ids]},
    )
    check(started, models.BatchView)
    assert [saga["saga_id"] for saga in started["sagas"]] == ids
    # The filter reads the list: it is let come so far.
    await client.sagas(attributes={}, limit=1, after=str(max(saga["position"] for saga in started["sagas"])))
    answer = await client.bulk({"action": "retry", "filter": {"ids": ids}, "reason": "trying"})
    check(answer, models.BulkAnswer)
    assert answer["dry_run"] is True
    assert {outcome["saga_id"] for outcome in answer["outcomes"]} == set(ids)


async def test_one_that_starts_later_takes_a_version_and_is_abandoned(
    client: SagaClient, http: httpx.Client
) -> None:
    source, target = account_with(http, 0), account_with(http, 0)
    later = datetime.now(UTC) + timedelta(days=1)
    saga = await client.start("transfer-funds", transfer(source, target, 5), at=later)
    check(saga, models.SagaView)

    with pytest.raises(Refused) as refused:
        await client.operate(saga["saga_id"], "abandon", {"reason": "no need"}, if_version=99)
    assert refused.value.status == 412
    ended = await client.operate(
        saga["saga_id"], "abandon", {"reason": "no need"}, if_version=saga["journal_version"]
    )

    assert ended["status"] == "abandoned"


async def test_a_no_has_its_code_and_is_one_line(client: SagaClient) -> None:
    with pytest.raises(Refused) as unknown:
        await client.saga("nobody")
    with pytest.raises(Refused) as invalid:
        await client.start("transfer-funds", {"source": 1})

    assert (unknown.value.status, invalid.value.status) == (404, 422)
    assert unknown.value.code is not None
    assert unknown.value.code in str(unknown.value)
    assert "\n" not in str(unknown.value) + str(invalid.value)


def test_the_program_in_the_reference_pays_once(server: ServerProcess, http: httpx.Client) -> None:
    def pay(url: str, reference: str, cents: int) -> str:
        return asyncio.run(asking.pay(url, None, reference, cents))

    for account in ("ana", "shop"):
        http.post(f"/aggregates/account/{account}/open-account", json={"currency": "USD"}).raise_for_status()
    http.post("/aggregates/account/ana/deposit", json={"money": money(70)}).raise_for_status()
    had = balance(http, "ana")
    reference = unique("invoice")

    paid = pay(server.url, reference, 70)
    again = pay(server.url, reference, 70)
    too_much = pay(server.url, unique("invoice"), had + 1_000_000)

    assert (paid, again) == ("completed", "completed")
    assert balance(http, "ana") == had - 70
    assert too_much.startswith("compensated: ")
    assert pay(server.url, reference, 71) == "not asked for: saga-conflict"
    nowhere = f"http://127.0.0.1:{free_port()}"
    assert (pay(nowhere, reference, 70)).startswith("perhaps")


async def test_silence_is_no_refusal() -> None:
    async with SagaClient.connect(f"http://127.0.0.1:{free_port()}") as client:
        with pytest.raises(NoAnswer, match="no server at"):
            await client.executors()


@pytest.mark.parametrize(
    ("url", "token", "said"),
    [
        ("ftp://here", None, "starts with http:// or https://"),
        ("http://sagas.example", "saga_x", "not sent over plain http://"),
        ("https://sagas.example", "saga x", "characters that no token has"),
    ],
)
async def test_what_must_not_be_sent_is_not(url: str, token: str | None, said: str) -> None:
    with pytest.raises(ClientError, match=said):
        async with SagaClient.connect(url, token):
            pass
