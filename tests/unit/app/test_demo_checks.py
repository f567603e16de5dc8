"""The checks of the demonstration: honest evidence passes all of them, and each kind of fault fails one."""

import json
from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from typing import Any

import pytest

from app.api.wire import event_documents
from app.demo.books import check_books
from app.demo.checks import check_sagas
from app.demo.evidence import Evidence
from app.demo.journals import journals_of
from app.json_response import JsonResponse
from domain.account import Deposit
from domain.aggregates import CATALOG
from tests.unit.workflows.shop import ORDER, Carrier, stocked_shop
from workflows.fulfil_order import SHOP
from workflows.saga.codec import EventCodec
from workflows.saga.commands import CommandHandler
from workflows.saga.testing import MemoryService

CODEC = EventCodec(CATALOG)

Json = dict[str, Any]
Tampering = Callable[[Evidence], None]

SAGAS = ["delivered", "refused"]


async def honest_evidence() -> Evidence:
    """Of one order that is delivered, and one that the shop's account refuses when all else is done."""
    carrier = Carrier()
    service = await stocked_shop(carrier)
    await service.run_saga("fulfil-order", ORDER, "delivered")
    service.refuse = lambda command: isinstance(command, Deposit) and command.account_id == SHOP
    await service.run_saga("fulfil-order", ORDER.model_copy(update={"order_id": "o2"}), "refused")
    events = [event async for event in service.store.read_all()]
    documents: list[Json] = json.loads(bytes(JsonResponse(event_documents(events)).body))
    return Evidence(
        events=documents,
        journals=journals_of(documents),
        stocks={sku: await state(service, "stock", sku) for sku in ("11", "12")},
        accounts={key: await state(service, "account", key) for key in ("ana", SHOP)},
        bookings=[booking("o1", "booked"), booking("o2", "cancelled")],
    )


async def state(service: MemoryService, category: str, key: str) -> Json:
    folded = await CommandHandler(service.store, CODEC).load(category, key)
    return folded.state.model_dump(mode="json")


def booking(order_id: str, status: str) -> Json:
    return {"order_id": order_id, "status": status, "tracking": f"T-{order_id}"}


def failed(evidence: Evidence, saga_ids: list[str] = SAGAS) -> set[str]:
    """The names of the checks that fail; journals are read anew, for they may have been tampered with."""
    evidence = replace(evidence, journals=journals_of(evidence.events))
    checks = [*check_sagas(evidence, saga_ids), *check_books(evidence, saga_ids)]
    assert len({check.name for check in checks}) == len(checks) == 10
    return {check.name for check in checks if not check.ok}


async def test_honest_evidence_passes() -> None:
    evidence = await honest_evidence()

    assert failed(evidence) == set()
    refused = evidence.journals["refused"]
    assert (refused.status, refused.refused_at) == ("compensated", "Deposit")
    assert refused.compensations == [
        "RefundPayment", "cancel-booking", "ReleasePayment", "ReleaseStock", "ReleaseStock", "CancelOrder",
    ]  # fmt: skip
    assert refused.undone == ["6", "5", "4", "3", "2", "1"]


async def test_a_saga_that_was_accepted_and_is_not_in_the_log_is_a_fault() -> None:
    assert failed(await honest_evidence(), [*SAGAS, "lost"]) == {"every saga ended"}


def places(evidence: Evidence, stream: str, kind: str) -> list[int]:
    """Where such events are in the log."""
    log = enumerate(evidence.events)
    found = [place for place, event in log if (event["stream"], event["type"]) == (stream, kind)]
    assert found, f"{stream} has a {kind}"
    return found


def without(stream: str, kind: str) -> Tampering:
    def tamper(evidence: Evidence) -> None:
        del evidence.events[places(evidence, stream, kind)[-1]]

    return tamper


def again(stream: str, kind: str) -> Tampering:
    """The event once more, as the next version of its stream."""

    def tamper(evidence: Evidence) -> None:
        event = deepcopy(evidence.events[places(evidence, stream, kind)[-1]])
        event["version"] = 1 + max(each["version"] for each in evidence.events if each["stream"] == stream)
        evidence.events.append(event)

    return tamper


def in_another_order(stream: str, kind: str) -> Tampering:
    def tamper(evidence: Evidence) -> None:
        first, second, *_ = places(evidence, stream, kind)
        log = evidence.events
        log[first], log[second] = log[second], log[first]

    return tamper


def in_state(change: Callable[[Evidence], object]) -> Tampering:
    def tamper(evidence: Evidence) -> None:
        change(evidence)

    return tamper


def moved_stock(evidence: Evidence, **changes: int) -> None:
    for name, change in changes.items():
        evidence.stocks["11"][name] += change


@pytest.mark.parametrize(
    ("tamper", "check"),
    [
        (without("saga-delivered", "SagaCompleted"), "every saga ended"),
        (without("saga-refused", "SagaCompensated"), "every saga ended"),
        (without("saga-refused", "StepCompensated"), "refused sagas were undone, in reverse"),
        (in_another_order("saga-refused", "StepCompensated"), "refused sagas were undone, in reverse"),
        (again("saga-refused", "StepCompensated"), "refused sagas were undone, in reverse"),
        (again("saga-delivered", "StepSucceeded"), "no step happened twice"),
        (again("saga-delivered", "SagaCompleted"), "no step happened twice"),
        (without("saga-delivered", "StepSucceeded"), "the journals and the aggregates agree"),
        (again("stock-11", "StockReserved"), "no command happened twice"),
        (again("stock-11", "StockReserved"), "the journals and the aggregates agree"),
        (without("stock-11", "StockReleased"), "the journals and the aggregates agree"),
        (without("stock-11", "StockReleased"), "each order left what it should"),
        (without("order-o1", "OrderCompleted"), "each order left what it should"),
        (without("account-ana", "PaymentRefunded"), "no ended saga holds money"),
        (without("account-ana", "MoneyDeposited"), "money is conserved"),
        (in_state(lambda e: e.accounts["ana"].update(balance=1)), "money is conserved"),
        (in_state(lambda e: e.accounts["ana"]["holds"].update(o9=1)), "money is conserved"),
        (in_state(lambda e: e.accounts["ana"]["holds"].update(o2=0)), "each order left what it should"),
        (in_state(lambda e: e.stocks["11"]["reserved"].update(o2=0)), "each order left what it should"),
        (in_state(lambda e: moved_stock(e, on_hand=1)), "stock is conserved"),
        (in_state(lambda e: moved_stock(e, on_hand=-1, shipped=1)), "stock is conserved"),
        (in_state(lambda e: moved_stock(e, on_hand=1, received=1)), "stock is conserved"),
        (without("stock-11", "StockShipped"), "stock is conserved"),
        (in_state(lambda e: e.bookings.append(booking("o1", "booked"))), "the carrier comes once for each"),
        (in_state(lambda e: e.bookings.append(booking("o2", "booked"))), "the carrier comes once for each"),
        (in_state(lambda e: e.bookings[0].update(tracking="T-9")), "the carrier comes once for each"),
        (in_state(lambda e: e.bookings.clear()), "the carrier comes once for each"),
    ],
)
async def test_a_fault_is_found(tamper: Tampering, check: str) -> None:
    evidence = await honest_evidence()

    tamper(evidence)

    assert check in failed(evidence)
