"""The books balance after every append, whatever sagas are under way: orders, returns, replenishments."""

import json
from collections.abc import Iterator
from typing import Any

from app.api.wire import event_documents
from app.demo.books import money_is_conserved, no_money_is_in_transit, stock_is_conserved
from app.demo.checks import no_command_happened_twice
from app.demo.evidence import Evidence
from app.demo.journals import journals_of
from app.json_response import JsonResponse
from domain.account import Deposit
from domain.aggregates import CATALOG
from domain.reordering import SetReorderPoint
from domain.returns import ReturnLine
from tests.unit.workflows.shop import ORDER, STOCK_UP, Carrier
from tests.unit.workflows.supplier import Supplier
from workflows.return_order import ReturnOrder
from workflows.saga.testing import MemoryService
from workflows.sagas import SAGAS

Json = dict[str, Any]

RETURN = ReturnOrder(
    order_id="o1", customer_id="ana", lines=(ReturnLine(sku="11", quantity=1),), reason="too small"
)


async def a_busy_shop() -> list[Json]:
    """The log of an order, a return that is undone, one that is not, one that is undone later."""
    service = MemoryService(CATALOG, SAGAS, [*Carrier().calls(), *Supplier().calls()])
    await service.apply(*STOCK_UP, SetReorderPoint(sku="11", level=9, quantity=5))
    await service.run_saga("fulfil-order", ORDER)
    await service.deliver()  # the stock ran low
    (replenishing,) = service.enqueued
    await service.run_next()
    received = {"signal_id": "delivery", "actor": "Bo"}
    await service.engine.signal(replenishing.request["id"], "goods-received", {"quantity": 4}, **received)
    await service.settle()
    service.refuse = lambda command: isinstance(command, Deposit) and command.account_id == "ana"
    await approved_return(service, "refused-late")
    service.refuse = lambda _: False
    await approved_return(service, "approved")
    await approved_return(service, "undone")
    await service.engine.compensate("undone", actor="Bo", reason="the parcel was empty")
    await service.settle()
    events = [event async for event in service.store.read_all()]
    documents: list[Json] = json.loads(bytes(JsonResponse(event_documents(events)).body))
    ends = [event.commit_position for event in events]
    return [document | {"commit_position": end} for document, end in zip(documents, ends, strict=True)]


async def approved_return(service: MemoryService, saga_id: str) -> None:
    await service.engine.start("return-order", RETURN, saga_id=saga_id)
    await service.run_next()
    decision = {"approved": True, "by": "Bo"}
    await service.engine.signal(saga_id, "approval", decision, signal_id="decision", actor="Bo")
    await service.settle()


def evidence_at(events: list[Json]) -> Evidence:
    """What the aggregates and the log say together."""
    states: dict[str, dict[str, Any]] = {"stock": {}, "account": {}}
    for event in events:
        category, _, key = event["stream"].partition("-")
        if category in states:
            decider = CATALOG.decider(category)
            known = states[category].get(key, decider.initial)
            states[category][key] = decider.evolve(known, CATALOG.event(event["type"], event["data"]))
    shown = {
        category: {key: state.model_dump(mode="json") for key, state in found.items()}
        for category, found in states.items()
    }
    return Evidence(events, journals_of(events), shown["stock"], shown["account"], bookings=[])


def prefixes(events: list[Json]) -> Iterator[list[Json]]:
    """The log as it was after each append."""
    for count, event in enumerate(events, 1):
        if event["position"] == event["commit_position"]:
            yield events[:count]


async def test_money_and_stock_are_conserved_after_every_append() -> None:
    events = await a_busy_shop()
    looked_at = in_transit = 0

    for prefix in prefixes(events):
        evidence = evidence_at(prefix)
        assert money_is_conserved(evidence).faults == []
        assert stock_is_conserved(evidence).faults == []
        assert no_money_is_in_transit(evidence).faults == []
        assert no_command_happened_twice(evidence, []).faults == []
        looked_at += 1
        in_transit += sum(state["balance"] for state in evidence.accounts.values()) < 10_000

    kinds = {event["type"] for event in events}
    assert {"StockRanLow", "StockRestocked", "RestockRevoked", "ReturnClosed", "ReturnCancelled"} <= kinds
    assert looked_at > 60
    assert in_transit > 5
