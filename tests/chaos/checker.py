"""What must be true when a round is over, asked of the whole log by no code of the product.

Money and stock are folded anew event by event; what servers, read models and the carrier say is held
against that.
"""

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from itertools import groupby
from types import SimpleNamespace
from typing import Any, Final, cast

from app.demo.checks import Check, no_command_happened_twice
from app.demo.evidence import Evidence
from eventstore import RecordedEvent
from tests.simulation.ledger import Ledger

Json = dict[str, Any]
JOURNAL: Final = "saga-"


@dataclass
class Found:
    """The log in order of position, with `recorded_at` as a time, and what others say of the same things.

    `accepted` are the ids of the sagas that were answered 2xx, `refused` those that were answered 4xx.
    """

    events: list[Json]
    bookings: list[Json]
    accounts: dict[str, Json]
    """The read model: balance and held."""
    stocks: dict[str, Json]
    """The states that a server answers."""
    sagas: dict[str, str]
    """The read model: statuses by saga id."""
    accepted: set[str]
    refused: set[str] = field(default_factory=set)


def check(found: Found) -> list[Check]:
    """All rules."""
    ledgers = _ledgers(found)
    return [
        streams_have_no_gaps(found),
        answers_are_in_the_log(found, ledgers),
        every_saga_is_at_rest(ledgers),
        undoing_is_the_reverse_of_doing(ledgers),
        no_command_happened_twice(Evidence(found.events, {}, {}, {}, []), ()),
        money_is_conserved(found, ledgers),
        stock_is_conserved(found),
        carrier_agrees(found, ledgers),
        read_models_are_a_fold(found, ledgers),
    ]


def streams_have_no_gaps(found: Found) -> Check:
    """Versions count from one, positions only rise, and an append ends at its last position."""
    faults, versions, last = [], Counter[str](), 0
    for event in found.events:
        versions[event["stream"]] += 1
        if event["version"] != versions[event["stream"]]:
            faults.append(f"{event['stream']} has version {event['version']} at {event['position']}")
        if not last < event["position"] <= event["commit_position"]:
            faults.append(f"position {event['position']} follows {last}")
        last = event["position"]
    return Check("no gap in any stream", f"{len(found.events)} events, {len(versions)} streams", faults)


def answers_are_in_the_log(found: Found, ledgers: dict[str, Ledger]) -> Check:
    """What was answered 2xx is there, what was refused is not."""
    faults = [f"{saga_id} was accepted and is not there" for saga_id in found.accepted - ledgers.keys()]
    faults += [f"{saga_id} was refused and is there" for saga_id in found.refused & ledgers.keys()]
    return Check(
        "answers are in the log", f"{len(found.accepted)} accepted, {len(found.refused)} refused", faults
    )


def every_saga_is_at_rest(ledgers: dict[str, Ledger]) -> Check:
    counts = Counter(ledger.ended or "open" for ledger in ledgers.values())
    faults = [f"{ledger.saga_id} is open" for ledger in ledgers.values() if ledger.ended is None]
    return Check(
        "every saga is at rest", ", ".join(f"{n} {each}" for each, n in sorted(counts.items())), faults
    )


def undoing_is_the_reverse_of_doing(ledgers: dict[str, Ledger]) -> Check:
    """Each step acts once and is undone once at most, last one first; an undone saga leaves nothing."""
    faults = [f"{ledger.saga_id}: {each}" for ledger in ledgers.values() for each in ledger.violations]
    undone = 0
    for ledger in ledgers.values():
        undone += sum(effect.undone for effect in ledger.effects.values())
        left = [effect.step for effect in ledger.effects.values() if effect.to_undo]
        if ledger.ended == "compensated" and left:
            faults.append(f"{ledger.saga_id} is compensated, and {left} are not undone")
        if ledger.ended == "completed" and any(effect.undone for effect in ledger.effects.values()):
            faults.append(f"{ledger.saga_id} is completed, and something was undone")
    return Check("undone in reverse, once", f"{undone} compensations", faults)


MOVES: Final = {
    "MoneyDeposited": (1, 0), "MoneyWithdrawn": (-1, 0), "PaymentHeld": (-1, 1), "PaymentReleased": (1, -1),
    "PaymentCaptured": (0, -1), "PaymentRefunded": (1, 0),
}  # fmt: skip
"""What an event does to the balance and to the holds; the rest is in transit, or came from outside."""


def money_is_conserved(found: Found, ledgers: dict[str, Ledger]) -> Check:
    """After each append: nothing below zero, no saga gives what it has not taken. At rest none holds any.

    A saga of which a person skipped something gives or keeps what that would have moved: it is left out.
    """
    accounts, transit, faults, places = _Sums(), Counter[str](), list[str](), 0
    left = set[str]()
    for position, append in groupby(found.events, key=lambda event: event["commit_position"]):
        touched = set()
        for event in append:
            if event["type"] == "StepSkipped":
                left.add(event["stream"].removeprefix(JOURNAL))
            if event["type"] not in MOVES:
                continue
            amount, (balance, held) = event["data"]["money"]["amount"], MOVES[event["type"]]
            account, saga_id = event["data"]["account_id"], event["metadata"].get("saga_id")
            accounts[account]["balance"] += balance * amount
            accounts[account]["held"] += held * amount
            if saga_id:
                transit[saga_id] -= (balance + held) * amount
            touched.add((account, saga_id))
        places += bool(touched)
        for account, saga_id in touched:
            below = min(accounts[account]["balance"], accounts[account]["held"]) < 0
            if below or (transit[saga_id] < 0 and saga_id not in left):
                sums = dict(accounts[account])
                faults.append(f"at {position}: {saga_id}: {account} {sums}, in transit {transit[saga_id]}")
    faults += [
        f"{saga_id} is {ledgers[saga_id].ended} and holds {amount}"
        for saga_id, amount in transit.items()
        if amount
        and saga_id in ledgers.keys() - left
        and ledgers[saga_id].ended in ("completed", "compensated")
    ]
    for account, sums in accounts.items():
        said = found.accounts.get(account, {})
        if (said.get("balance"), said.get("held")) != (sums["balance"], sums["held"]):
            faults.append(f"the read model says of {account} {said}, the log {dict(sums)}")
    return Check("money is conserved at every position", f"{places} appends that move money", faults)


GOODS: Final = {
    "StockReceived": (1, 0, 0), "StockReserved": (-1, 1, 0), "StockReleased": (1, -1, 0),
    "StockShipped": (0, -1, 1), "StockRestocked": (1, 0, -1), "RestockRevoked": (-1, 0, 1),
}  # fmt: skip
"""What an event does to what is on hand, reserved, shipped."""


def stock_is_conserved(found: Found) -> Check:
    """After each event: nothing below zero; in the end it is what the server says."""
    stocks, faults, count = _Sums(), list[str](), 0
    for event in found.events:
        if event["type"] not in GOODS:
            continue
        count += 1
        sums, quantity = stocks[event["data"]["sku"]], event["data"]["quantity"]
        for name, sign in zip(("on_hand", "reserved", "shipped"), GOODS[event["type"]], strict=True):
            sums[name] += sign * quantity
            if sums[name] < 0:
                faults.append(f"at {event['position']}: {event['data']['sku']} {dict(sums)}")
    for sku, sums in stocks.items():
        state = found.stocks.get(sku, {"on_hand": None, "reserved": {}, "shipped": None})
        said = state["on_hand"], sum(state["reserved"].values()), state["shipped"]
        if said != (sums["on_hand"], sums["reserved"], sums["shipped"]):
            faults.append(f"the server says of {sku} {said}, the log {dict(sums)}")
    return Check("stock is conserved at every position", f"{count} events", faults)


def carrier_agrees(found: Found, ledgers: dict[str, Ledger]) -> Check:
    """A booking stands exactly if its saga does; the carrier knows of no key that no journal announced."""
    standing = {one["key"] for one in found.bookings if one["status"] == "booked"}
    known = {key for ledger in ledgers.values() for key in ledger.effects}
    unknown = {one["key"] for one in found.bookings} - known
    faults = [f"no journal knows of booking {key}" for key in sorted(unknown)]
    calls = 0
    for ledger in ledgers.values():
        for key, effect in ledger.effects.items():
            if effect.kind != "call" or ledger.ended not in ("completed", "compensated"):
                continue
            calls += 1
            if (key in standing) != (effect.status == "succeeded" and not effect.undone):
                faults.append(f"{key} is {effect.status}, undone {effect.undone}; booked {key in standing}")
    return Check("the carrier agrees", f"{calls} calls, {len(standing)} bookings stand", faults)


def read_models_are_a_fold(found: Found, ledgers: dict[str, Ledger]) -> Check:
    """The list of sagas says of each what its journal says."""
    faults = [
        f"the list says of {saga_id} {found.sagas.get(saga_id)}, its journal {ledger.ended}"
        for saga_id, ledger in ledgers.items()
        if ledger.ended and found.sagas.get(saga_id) != ledger.ended
    ]
    faults += [f"the list has {saga_id}, the log has not" for saga_id in found.sagas.keys() - ledgers.keys()]
    return Check("read models are a fold of the log", f"{len(found.sagas)} sagas", faults)


class _Sums(defaultdict[str, Counter[str]]):
    def __init__(self) -> None:
        super().__init__(Counter)


def _ledgers(found: Found) -> dict[str, Ledger]:
    ledgers: dict[str, Ledger] = {}
    for event in found.events:
        if event["stream"].startswith(JOURNAL):
            saga_id = event["stream"].removeprefix(JOURNAL)
            entry = cast("RecordedEvent", SimpleNamespace(**event))
            ledgers.setdefault(saga_id, Ledger(saga_id)).take(entry)
    return ledgers
