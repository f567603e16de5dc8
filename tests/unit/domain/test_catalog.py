"""The catalog finds aggregates, commands and events by durable names."""

import pytest

from domain import Catalog, Decider, UnknownName
from domain.aggregates import CATALOG
from domain.catalog import AnyDecider
from domain.order import CancelOrder, OrderCancelled, order
from domain.stock import stock


def test_a_command_finds_its_aggregate() -> None:
    command = CATALOG.command("CancelOrder", {"order_id": "o1"})

    decider = CATALOG.decider_of(command)

    assert command == CancelOrder(order_id="o1")
    assert decider is order
    assert decider.stream(decider.key(command)) == "order-o1"


def test_an_event_finds_its_class() -> None:
    assert CATALOG.event("OrderCancelled", {"order_id": "o1"}) == OrderCancelled(order_id="o1")


def test_a_category_finds_its_aggregate() -> None:
    assert CATALOG.decider("stock") is stock


def test_unknown_names_say_so() -> None:
    with pytest.raises(UnknownName):
        CATALOG.decider("nothing")
    with pytest.raises(UnknownName):
        CATALOG.command("DoNothing", {})
    with pytest.raises(UnknownName):
        CATALOG.event("NothingDone", {})


def test_two_aggregates_of_one_category_are_refused() -> None:
    with pytest.raises(ValueError, match="'order' is defined twice"):
        Catalog([order, order])


def test_two_commands_of_one_name_are_refused() -> None:
    twin: AnyDecider = Decider(
        category="twin",
        key=order.key,
        initial=order.initial,
        decide=order.decide,
        evolve=order.evolve,
        commands=order.commands,
        events=order.events,
    )

    with pytest.raises(ValueError, match="'PlaceOrder' is defined twice"):
        Catalog([order, twin])
