"""The checker is not blind: each rule is broken once, in what a real server left, and it says so."""

from collections.abc import Callable
from copy import deepcopy

import httpx
import pytest

from tests.acceptance.server import until
from tests.chaos.checker import Found, check
from tests.chaos.rounds import behind
from tests.conftest import Database
from tests.recovery.launcher import serving
from tests.recovery.shop import FUNDS, Look, await_end, behave, money, open_shop, order, place, state

pytestmark = [pytest.mark.postgres, pytest.mark.slow]


@pytest.fixture
def found(database: Database) -> Found:
    """Of an order that was delivered, one that was refused and a transfer that came back."""
    look = Look(database)
    with serving(database) as server, httpx.Client(base_url=server.url, timeout=30) as http:
        open_shop(http)
        place(http, order("good"))
        await_end(http, "fulfil-order-good")
        behave(http, mode="refuse")
        place(http, order("bad"))
        transfer = {"source": "ana", "target": "nobody", "money": money(5)}
        http.post("/sagas/transfer-funds", json=transfer, headers={"Idempotency-Key": "back"})
        ids = ("fulfil-order-good", "fulfil-order-bad", "back")
        await_end(http, *ids)
        until(lambda: not behind(look))
        stocks = {sku: state(http, "stock", sku) for sku in ("tea", "cup")}
        accounts = look.rows("select account_id, balance, held from readmodels.accounts")
        sagas = look.rows("select saga_id, status from readmodels.sagas")
        events = look.rows("select * from eventstore.events order by position")
        return Found(
            events=events,
            bookings=look.bookings(),
            accounts={row["account_id"]: row for row in accounts},
            stocks=stocks,
            sagas={row["saga_id"]: row["status"] for row in sagas},
            accepted=set(ids),
            refused={"nonsense"},
        )


def of_type(found: Found, kind: str) -> list[int]:
    return [place for place, event in enumerate(found.events) if event["type"] == kind]


def lose_an_event(found: Found) -> None:
    del found.events[of_type(found, "PaymentHeld")[0]]


def forget_an_answer(found: Found) -> None:
    found.accepted.add("lost")


def keep_what_was_refused(found: Found) -> None:
    found.refused.add("back")


def stop_short(found: Found) -> None:
    del found.events[of_type(found, "SagaCompensated")[-1]]


def leave_a_compensation_out(found: Found) -> None:
    del found.events[of_type(found, "StepCompensated")[0]]


def undo_in_the_order_of_doing(found: Found) -> None:
    undone = [
        place
        for place in of_type(found, "StepCompensated")
        if found.events[place]["stream"] == "saga-fulfil-order-bad"
    ]
    first, second = undone[:2]
    one, other = found.events[first], found.events[second]
    one["data"], other["data"] = other["data"], one["data"]


def do_it_twice(found: Found) -> None:
    held = found.events[of_type(found, "PaymentHeld")[0]]
    found.events.append(deepcopy(held))


def make_money(found: Found) -> None:
    found.events[of_type(found, "PaymentCaptured")[0]]["data"]["money"]["amount"] -= 1


def spend_too_much(found: Found) -> None:
    found.events[of_type(found, "MoneyWithdrawn")[0]]["data"]["money"]["amount"] += FUNDS


def ship_more_than_was_reserved(found: Found) -> None:
    found.events[of_type(found, "StockShipped")[0]]["data"]["quantity"] += 1


def forget_a_delivery(found: Found) -> None:
    found.stocks["tea"]["on_hand"] -= 1


def forget_a_booking(found: Found) -> None:
    found.bookings = [each for each in found.bookings if each["status"] != "booked"]


def book_what_nobody_asked_for(found: Found) -> None:
    found.bookings.append(found.bookings[0] | {"key": "stranger/1"})


def lag_behind(found: Found) -> None:
    found.sagas["back"] = "running"


def list_what_is_not_there(found: Found) -> None:
    found.sagas["ghost"] = "completed"


def miscount_an_account(found: Found) -> None:
    found.accounts["ana"]["balance"] += 1


BROKEN: list[tuple[Callable[[Found], None], str]] = [
    (lose_an_event, "no gap in any stream"),
    (forget_an_answer, "answers are in the log"),
    (keep_what_was_refused, "answers are in the log"),
    (stop_short, "every saga is at rest"),
    (leave_a_compensation_out, "undone in reverse, once"),
    (undo_in_the_order_of_doing, "undone in reverse, once"),
    (do_it_twice, "no command happened twice"),
    (make_money, "money is conserved at every position"),
    (spend_too_much, "money is conserved at every position"),
    (miscount_an_account, "money is conserved at every position"),
    (ship_more_than_was_reserved, "stock is conserved at every position"),
    (forget_a_delivery, "stock is conserved at every position"),
    (forget_a_booking, "the carrier agrees"),
    (book_what_nobody_asked_for, "the carrier agrees"),
    (lag_behind, "read models are a fold of the log"),
    (list_what_is_not_there, "read models are a fold of the log"),
]


def test_each_broken_rule_is_noticed(found: Found) -> None:
    assert [each for each in check(found) if not each.ok] == []

    for break_it, rule in BROKEN:
        broken = deepcopy(found)
        break_it(broken)
        noticed = {each.name for each in check(broken) if not each.ok}
        assert rule in noticed, f"{break_it.__name__} was not noticed: {noticed}"
