"""The checker is not blind: each rule is broken once, in what a real server left, and it says so."""

from collections.abc import Callable
from copy import deepcopy

import httpx
import pytest

from tests.acceptance.server import Json, until
from tests.chaos.checker import check
from tests.chaos.ends import left_by_people
from tests.chaos.found import Answers, Found, behind, find, sagas_of
from tests.conftest import Database
from tests.recovery.launcher import serving
from tests.recovery.shop import FUNDS, Look, await_end, behave, money, open_shop, order, place, saga, state

pytestmark = [pytest.mark.postgres, pytest.mark.slow]

RETURN = {
    "order_id": "good",
    "customer_id": "ana",
    "reason": "late",
    "lines": [{"sku": "cup", "quantity": 1}],
}


@pytest.fixture
def found(database: Database) -> Found:
    """Of an order that was delivered and came back in part, one that was refused, goods that were ordered as
    stock ran low, a transfer that came back, and a return that was abandoned."""
    look = Look(database)
    with serving(database) as server, httpx.Client(base_url=server.url, timeout=30) as http:
        open_shop(http)
        place(http, order("good"))
        await_end(http, "fulfil-order-good")
        low = http.post("/aggregates/stock/tea/set-reorder-point", json={"level": 1_000, "quantity": 20})
        [_, ran_low] = low.raise_for_status().json()["events"]
        replenishing = f"replenish-stock-{ran_low['event_id']}"
        behave(http, mode="refuse")
        place(http, order("bad"))
        transfer = {"source": "ana", "target": "nobody", "money": money(5)}
        start(http, "transfer-funds", "back", transfer)
        start(http, "return-order", "returned", RETURN)
        signal(http, "returned", "approval", {"approved": True, "by": "Ada"})
        await_end(http, "returned", "fulfil-order-bad", "back")
        start(http, "return-order", "given-up", RETURN | {"lines": [{"sku": "tea", "quantity": 1}]})
        until(lambda: saga(http, "given-up")["status"] == "waiting")
        http.post("/sagas/given-up/abandon", json={"reason": "lost"}).raise_for_status()
        until(lambda: http.get(f"/sagas/{replenishing}").is_success)
        signal(http, replenishing, "goods-received", {"quantity": 7})
        await_end(http, replenishing)
        until(lambda: not behind(look))
        ids = {"fulfil-order-good", "fulfil-order-bad", "back", "returned", "given-up"}
        answers = Answers(ids, {"nonsense"}, {("returned", "approval"), (replenishing, "goods-received")})
        return find(look, look, lambda sku: state(http, "stock", sku), answers)


def start(http: httpx.Client, name: str, saga_id: str, body: Json) -> None:
    http.post(f"/sagas/{name}", json=body, headers={"Idempotency-Key": saga_id}).raise_for_status()


def signal(http: httpx.Client, saga_id: str, name: str, data: Json) -> None:
    """Under its own name."""
    http.post(f"/sagas/{saga_id}/signals/{name}", json={"id": name, "data": data}).raise_for_status()


def of_type(found: Found, kind: str) -> list[int]:
    return [place for place, event in enumerate(found.events) if event["type"] == kind]


def lose_an_event(found: Found) -> None:
    del found.events[of_type(found, "PaymentHeld")[0]]


def forget_an_answer(found: Found) -> None:
    found.answers.accepted.add("lost")


def keep_what_was_refused(found: Found) -> None:
    found.answers.refused.add("back")


def forget_a_signal(found: Found) -> None:
    found.answers.signals.add(("returned", "another"))


def start_by_no_event(found: Found) -> None:
    del found.events[of_type(found, "StockRanLow")[0]]


def miss_an_event(found: Found) -> None:
    low = found.events[of_type(found, "StockRanLow")[0]]
    found.events.append(low | {"event_id": "another"})


def start_with_another_input(found: Found) -> None:
    found.events[of_type(found, "StockRanLow")[0]]["data"]["order_quantity"] += 1


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


def ship_what_another_order_reserved(found: Found) -> None:
    found.events[of_type(found, "StockShipped")[0]]["data"]["order_id"] = "bad"


def say_too_much_is_there(found: Found) -> None:
    found.events[of_type(found, "StockRanLow")[0]]["data"]["on_hand"] += 1


def miscount_the_stock(found: Found) -> None:
    found.stock_rows["tea"]["reserved"] += 1


def complete_a_cancelled_order(found: Found) -> None:
    found.events[of_type(found, "OrderCancelled")[0]]["type"] = "OrderCompleted"


def place_for_nobody(found: Found) -> None:
    found.events[of_type(found, "OrderPlaced")[0]]["metadata"]["saga_id"] = "back"


def return_more_than_was_bought(found: Found) -> None:
    found.events[of_type(found, "ReturnRequested")[0]]["data"]["lines"][0]["quantity"] += 1


def list_an_order_wrong(found: Found) -> None:
    found.orders["good"]["status"] = "placed"


def keep_a_payment(found: Found) -> None:
    """The amount is that of the order, the account is not."""
    found.events[of_type(found, "PaymentHeld")[0]]["data"]["account_id"] = "eve"


def keep_what_was_reserved(found: Found) -> None:
    del found.events[of_type(found, "StockReleased")[0]]


def refund_twice(found: Found) -> None:
    place = next(n for n in of_type(found, "MoneyDeposited") if by(found, n) == "returned")
    found.events.append(deepcopy(found.events[place]))


def by(found: Found, place: int) -> str | None:
    saga_id: str | None = found.events[place]["metadata"].get("saga_id")
    return saga_id


def take_less_in_than_came(found: Found) -> None:
    place = next(n for n in of_type(found, "StockReceived") if by(found, n))
    found.events[place]["data"]["quantity"] -= 1


def complete_without_the_order(found: Found) -> None:
    del found.events[of_type(found, "OrderCompleted")[0]]


def close_no_return(found: Found) -> None:
    del found.events[of_type(found, "ReturnClosed")[0]]


def forget_what_stays(found: Found) -> None:
    found.events[of_type(found, "SagaAbandoned")[0]]["data"]["left"] = []


def cancel_what_was_ordered(found: Found) -> None:
    found.goods_orders[0]["status"] = "cancelled"


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
    (forget_a_signal, "answers are in the log"),
    (start_by_no_event, "one saga for each event"),
    (miss_an_event, "one saga for each event"),
    (start_with_another_input, "one saga for each event"),
    (stop_short, "every saga is at rest"),
    (leave_a_compensation_out, "undone in reverse, once"),
    (undo_in_the_order_of_doing, "undone in reverse, once"),
    (do_it_twice, "no command happened twice"),
    (make_money, "money is conserved at every position"),
    (spend_too_much, "money is conserved at every position"),
    (miscount_an_account, "money is conserved at every position"),
    (ship_more_than_was_reserved, "stock is conserved at every position"),
    (forget_a_delivery, "stock is conserved at every position"),
    (ship_what_another_order_reserved, "stock is conserved at every position"),
    (say_too_much_is_there, "stock is conserved at every position"),
    (miscount_the_stock, "stock is conserved at every position"),
    (complete_a_cancelled_order, "each end fits the books"),
    (complete_a_cancelled_order, "orders are in order"),
    (place_for_nobody, "orders are in order"),
    (return_more_than_was_bought, "orders are in order"),
    (list_an_order_wrong, "orders are in order"),
    (keep_a_payment, "each end fits the books"),
    (keep_what_was_reserved, "each end fits the books"),
    (refund_twice, "each end fits the books"),
    (take_less_in_than_came, "each end fits the books"),
    (complete_without_the_order, "each end fits the books"),
    (close_no_return, "each end fits the books"),
    (forget_what_stays, "each end fits the books"),
    (forget_a_booking, "the carrier agrees"),
    (book_what_nobody_asked_for, "the carrier agrees"),
    (cancel_what_was_ordered, "the supplier agrees"),
    (lag_behind, "the list of sagas is a fold of the log"),
    (list_what_is_not_there, "the list of sagas is a fold of the log"),
]


def test_each_broken_rule_is_noticed(found: Found) -> None:
    assert [each for each in check(found) if not each.ok] == []
    [left] = left_by_people(found, sagas_of(found.events))
    assert left.startswith("given-up is abandoned, left ['1']")

    for break_it, rule in BROKEN:
        broken = deepcopy(found)
        break_it(broken)
        noticed = {each.name for each in check(broken) if not each.ok}
        assert rule in noticed, f"{break_it.__name__} was not noticed: {noticed}"
