"""What holds for every aggregate after any sequence of commands."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain import Command, Event, Rejected, State
from domain.account import (
    Account,
    Deposit,
    MoneyDeposited,
    MoneyWithdrawn,
    PaymentCaptured,
    PaymentRefunded,
    RefundPayment,
    Withdraw,
    account,
)
from domain.aggregates import CATALOG
from domain.catalog import AnyDecider
from domain.reordering import ReorderPointSet, StockRanLow
from domain.stock import (
    ReceiveStock,
    RestockReturned,
    RevokeRestock,
    StockItem,
    stock,
)
from tests.unit.domain.strategies import COMMANDS

ADDS_EACH_TIME = (ReceiveStock, RestockReturned, RevokeRestock, Deposit, Withdraw, RefundPayment)
"""Two deliveries or payments of the same size are two: command ids, not deciders, tell a repetition."""

every_aggregate = pytest.mark.parametrize("decider", CATALOG.deciders.values(), ids=lambda d: d.category)


def attempt(decider: AnyDecider, state: State, command: Command) -> list[Event]:
    """The events of the command; a refusal is none."""
    try:
        return decider.decide(state, command)
    except Rejected:
        return []


def history_of(decider: AnyDecider, commands: list[Command]) -> list[Event]:
    events: list[Event] = []
    for command in commands:
        events += attempt(decider, decider.fold(events), command)
    return events


def commands_of(decider: AnyDecider, size_max: int = 12) -> st.SearchStrategy[list[Any]]:
    return st.lists(COMMANDS[decider.category], max_size=size_max)


@every_aggregate
@given(data=st.data())
def test_a_command_sent_twice_adds_nothing(decider: AnyDecider, data: st.DataObject) -> None:
    state = decider.fold(history_of(decider, data.draw(commands_of(decider))))
    command = data.draw(COMMANDS[decider.category].filter(lambda c: not isinstance(c, ADDS_EACH_TIME)))

    after = decider.fold(attempt(decider, state, command), state)

    assert attempt(decider, after, command) == []


@every_aggregate
@given(data=st.data())
def test_deciding_changes_nothing_and_answers_the_same(decider: AnyDecider, data: st.DataObject) -> None:
    state = decider.fold(history_of(decider, data.draw(commands_of(decider))))
    command = data.draw(COMMANDS[decider.category])
    before = state.model_dump_json()

    first, second = attempt(decider, state, command), attempt(decider, state, command)

    assert first == second
    assert state.model_dump_json() == before


@every_aggregate
@given(data=st.data())
def test_evolving_changes_no_earlier_state(decider: AnyDecider, data: st.DataObject) -> None:
    states = [decider.initial]
    dumps = [decider.initial.model_dump_json()]
    for event in history_of(decider, data.draw(commands_of(decider))):
        states.append(decider.evolve(states[-1], event))
        dumps.append(states[-1].model_dump_json())

    assert [state.model_dump_json() for state in states] == dumps


@every_aggregate
@given(data=st.data())
def test_no_order_of_events_breaks_the_fold(decider: AnyDecider, data: st.DataObject) -> None:
    events = history_of(decider, data.draw(commands_of(decider)))
    shuffled = data.draw(st.permutations(events + events))

    assert isinstance(decider.fold(shuffled), type(decider.initial))


@every_aggregate
@given(data=st.data())
def test_commands_events_and_states_survive_json(decider: AnyDecider, data: st.DataObject) -> None:
    commands = data.draw(commands_of(decider))
    events = history_of(decider, commands)
    state = decider.fold(events)

    assert [CATALOG.command(type(c).__name__, c.model_dump(mode="json")) for c in commands] == commands
    assert [CATALOG.event(type(e).__name__, e.model_dump(mode="json")) for e in events] == events
    assert type(state).model_validate_json(state.model_dump_json()) == state


@settings(max_examples=300)
@given(st.lists(COMMANDS["stock"], max_size=25))
def test_stock_never_appears_and_never_vanishes(commands: list[Command]) -> None:
    for item in states_of(stock, commands):
        assert isinstance(item, StockItem)
        assert item.on_hand + sum(item.reserved.values()) + item.shipped == item.received
        assert min(item.on_hand, item.shipped, *item.reserved.values(), 0) == 0


@settings(max_examples=300)
@given(st.lists(COMMANDS["stock"], max_size=25))
def test_stock_says_that_it_runs_low_only_when_it_does_and_once(commands: list[Command]) -> None:
    item: Any = stock.initial
    for event in history_of(stock, commands):
        if isinstance(event, StockRanLow):
            assert item.on_hand == event.on_hand < item.reorder_point.level
            assert event.order_quantity == item.reorder_point.quantity
            assert not item.reorder_point.goods_expected
        item = stock.evolve(item, event)


@settings(max_examples=300)
@given(st.lists(COMMANDS["stock"], max_size=25))
def test_only_a_stock_with_a_reorder_point_shows_one(commands: list[Command]) -> None:
    events = history_of(stock, commands)

    shown = stock.fold(events).model_dump(mode="json")

    assert ("reorder_point" in shown) == any(isinstance(event, ReorderPointSet) for event in events)
    assert shown.keys() - {"reorder_point"} == {"received", "on_hand", "reserved", "shipped"}


@settings(max_examples=300)
@given(st.lists(COMMANDS["account"], max_size=25))
def test_money_never_appears_and_never_vanishes(commands: list[Command]) -> None:
    events = history_of(account, commands)
    state = states_of(account, commands)[-1]

    assert isinstance(state, Account)
    assert state.balance + sum(state.holds.values()) == sum(map(flow, events))


@settings(max_examples=300)
@given(st.lists(COMMANDS["account"], max_size=25))
def test_an_account_is_never_overdrawn(commands: list[Command]) -> None:
    for state in states_of(account, commands):
        assert isinstance(state, Account)
        assert min(state.balance, *state.holds.values(), 0) == 0


def states_of(decider: AnyDecider, commands: list[Command]) -> list[State]:
    states = [decider.initial]
    for event in history_of(decider, commands):
        states.append(decider.evolve(states[-1], event))
    return states


def flow(event: Event) -> int:
    """What an event brings into the account, in minor units."""
    match event:
        case MoneyDeposited(money=money) | PaymentRefunded(money=money):
            return money.amount
        case MoneyWithdrawn(money=money) | PaymentCaptured(money=money):
            return -money.amount
    return 0
