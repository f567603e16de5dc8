"""What must be true when a round is over, asked of the whole log by no code of the product.

Money, stock and orders are folded anew event by event; what servers, read models, carrier and supplier say is
held against that.
"""

from collections import Counter

from app.demo.checks import Check, no_command_happened_twice
from app.demo.evidence import Evidence
from tests.chaos.books import money_is_conserved, stock_is_conserved
from tests.chaos.ends import ends_fit_the_books
from tests.chaos.found import Found, Json, Saga, sagas_of
from tests.chaos.orders import orders_are_in_order


def check(found: Found) -> list[Check]:
    """All rules."""
    sagas = sagas_of(found.events)
    return [
        streams_have_no_gaps(found),
        answers_are_in_the_log(found, sagas),
        every_saga_is_at_rest(sagas),
        undoing_is_the_reverse_of_doing(sagas),
        no_command_happened_twice(Evidence(found.events, {}, {}, {}, []), ()),
        one_saga_for_each_event(found, sagas),
        money_is_conserved(found),
        stock_is_conserved(found),
        orders_are_in_order(found, sagas),
        ends_fit_the_books(found, sagas),
        other_side_agrees("the carrier", "fulfil-order", found.bookings, sagas),
        other_side_agrees("the supplier", "replenish-stock", found.goods_orders, sagas),
        the_list_is_a_fold(found, sagas),
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


def answers_are_in_the_log(found: Found, sagas: dict[str, Saga]) -> Check:
    """What was answered 2xx is there, what was refused is not."""
    told = found.answers
    faults = [f"{saga_id} was accepted and is not there" for saga_id in told.accepted - sagas.keys()]
    faults += [f"{saga_id} was refused and is there" for saga_id in told.refused & sagas.keys()]
    faults += [
        f"{saga_id} took signal {signal}, which is not there"
        for saga_id, signal in told.signals
        if saga_id not in sagas or signal not in sagas[saga_id].ledger.received
    ]
    figure = f"{len(told.accepted)} sagas, {len(told.signals)} signals accepted, {len(told.refused)} refused"
    return Check("answers are in the log", figure, faults)


def every_saga_is_at_rest(sagas: dict[str, Saga]) -> Check:
    counts = Counter(saga.ledger.ended or "open" for saga in sagas.values())
    faults = [f"{saga_id} is open" for saga_id, saga in sagas.items() if saga.ledger.ended is None]
    return Check(
        "every saga is at rest", ", ".join(f"{n} {each}" for each, n in sorted(counts.items())), faults
    )


def undoing_is_the_reverse_of_doing(sagas: dict[str, Saga]) -> Check:
    """Each step acts once and is undone once at most, last one first; an undone saga leaves nothing. Of a
    completed one just that was undone which came after a step that it was taken back to."""
    ledgers = [saga.ledger for saga in sagas.values()]
    faults = [f"{ledger.saga_id}: {each}" for ledger in ledgers for each in ledger.violations]
    undone = 0
    for ledger in ledgers:
        undone += sum(effect.undone for effect in ledger.effects.values())
        left = [effect.step for effect in ledger.effects.values() if effect.to_undo]
        if ledger.ended == "compensated" and left:
            faults.append(f"{ledger.saga_id} is compensated, and {left} are not undone")
        standing = [effect for effect in ledger.effects.values() if not effect.forgotten]
        if ledger.ended == "completed" and any(effect.undone for effect in standing):
            faults.append(f"{ledger.saga_id} is completed, and something was undone")
    return Check("undone in reverse, once", f"{undone} compensations", faults)


def one_saga_for_each_event(found: Found, sagas: dict[str, Saga]) -> Check:
    """Whenever stock ran low one `replenish-stock` was started by that event, once, and never without one."""
    lows = {f"replenish-stock-{e['event_id']}": e["data"] for e in found.events if e["type"] == "StockRanLow"}
    started = {saga_id for saga_id, saga in sagas.items() if saga.name == "replenish-stock"}
    faults = [f"no event has started {saga_id}" for saga_id in sorted(started - lows.keys())]
    for saga_id, low in lows.items():
        asked = [each["input"] for each in sagas[saga_id].requests] if saga_id in started else []
        if asked != [{"sku": low["sku"], "quantity": low["order_quantity"]}]:
            faults.append(f"{low} has started {asked} as {saga_id}")
    return Check("one saga for each event", f"{len(lows)} events", faults)


def other_side_agrees(side: str, name: str, kept: list[Json], sagas: dict[str, Saga]) -> Check:
    """What carrier or supplier `kept` stands exactly if the saga does that asked for it; nothing is kept
    under a key that no journal announced."""
    standing = {one["key"] for one in kept if one["status"] != "cancelled"}
    ledgers = [saga.ledger for saga in sagas.values() if saga.name == name]
    known = {key for ledger in ledgers for key in ledger.effects}
    faults = [f"no journal knows of {key}" for key in sorted({one["key"] for one in kept} - known)]
    calls = 0
    for ledger in ledgers:
        for key, effect in ledger.effects.items():
            if effect.kind != "call" or ledger.ended not in ("completed", "compensated"):
                continue
            calls += 1
            if (key in standing) != (effect.status == "succeeded" and not effect.undone):
                faults.append(f"{key} is {effect.status}, undone {effect.undone}; kept {key in standing}")
    return Check(f"{side} agrees", f"{calls} calls, {len(standing)} stand", faults)


def the_list_is_a_fold(found: Found, sagas: dict[str, Saga]) -> Check:
    """The list of sagas says of each what its journal says."""
    faults = [
        f"the list says of {saga_id} {found.sagas.get(saga_id)}, its journal {saga.ledger.ended}"
        for saga_id, saga in sagas.items()
        if saga.ledger.ended and found.sagas.get(saga_id) != saga.ledger.ended
    ]
    faults += [f"the list has {saga_id}, the log has not" for saga_id in found.sagas.keys() - sagas.keys()]
    return Check("the list of sagas is a fold of the log", f"{len(found.sagas)} sagas", faults)
