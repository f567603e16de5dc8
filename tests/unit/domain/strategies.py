"""Random commands and histories: few ids and small figures, so that they meet each other."""

from typing import Any

from hypothesis import strategies as st

from app.api.command_names import named_commands
from domain.account import (
    CapturePayment,
    Deposit,
    HoldPayment,
    OpenAccount,
    RefundPayment,
    ReleasePayment,
    Withdraw,
)
from domain.aggregates import CATALOG
from domain.catalog import AnyDecider
from domain.money import Money
from domain.order import CancelOrder, CompleteOrder, PlaceOrder
from domain.order_lines import OrderLine
from domain.reordering import ExpectGoods, GiveUpGoods, SetReorderPoint
from domain.returns import (
    CancelReturn,
    CloseReturn,
    ExpireReturn,
    RefuseReturn,
    RequestReturn,
    ReturnLine,
)
from domain.shipment import DispatchShipment
from domain.stock import (
    ReceiveStock,
    ReleaseStock,
    ReserveStock,
    RestockReturned,
    RevokeRestock,
    ShipStock,
)
from domain.values import Address
from tests.golden.shapes import values_of

order_ids = st.sampled_from(["o1", "o2", "o3"])
quantities = st.integers(1, 8)
currencies = st.sampled_from(["USD", "USD", "USD", "EUR"])
money = st.builds(Money, amount=st.integers(1, 8), currency=currencies)
addresses = st.builds(Address, name=st.sampled_from(["Ana", "Bo"]), country=st.just("Peru"))
lines = st.lists(
    st.builds(
        OrderLine,
        sku=st.sampled_from(["1", "2", "3"]),
        quantity=quantities,
        unit_price=st.builds(Money, amount=st.integers(1, 8), currency=st.just("USD")),
    ),
    min_size=1,
    unique_by=lambda line: line.sku,
).map(tuple)

stock_commands = st.one_of(
    st.builds(ReceiveStock, sku=st.just("s"), quantity=quantities),
    st.builds(ReserveStock, sku=st.just("s"), order_id=order_ids, quantity=quantities),
    st.builds(ReleaseStock, sku=st.just("s"), order_id=order_ids),
    st.builds(ShipStock, sku=st.just("s"), order_id=order_ids),
    st.builds(RestockReturned, sku=st.just("s"), order_id=order_ids, quantity=quantities),
    st.builds(RevokeRestock, sku=st.just("s"), order_id=order_ids, quantity=quantities),
    st.builds(SetReorderPoint, sku=st.just("s"), level=st.integers(0, 12), quantity=quantities),
    st.just(ExpectGoods(sku="s")),
    st.just(GiveUpGoods(sku="s")),
)
account_commands = st.one_of(
    st.builds(OpenAccount, account_id=st.just("a"), currency=currencies),
    st.builds(Deposit, account_id=st.just("a"), money=money),
    st.builds(Withdraw, account_id=st.just("a"), money=money),
    st.builds(HoldPayment, account_id=st.just("a"), order_id=order_ids, money=money),
    st.builds(ReleasePayment, account_id=st.just("a"), order_id=order_ids),
    st.builds(CapturePayment, account_id=st.just("a"), order_id=order_ids),
    st.builds(RefundPayment, account_id=st.just("a"), order_id=order_ids, money=money),
)
return_lines = st.lists(
    st.builds(ReturnLine, sku=st.sampled_from(["1", "2", "3"]), quantity=st.integers(1, 4)),
    min_size=1,
    max_size=2,
    unique_by=lambda line: line.sku,
).map(tuple)
returns: dict[str, Any] = {"order_id": st.just("o"), "return_id": st.sampled_from(["r1", "r2", "r3"])}
return_commands = st.one_of(
    st.builds(
        RequestReturn, **returns, customer_id=order_ids, lines=return_lines, reason=st.just("too small")
    ),
    st.builds(RefuseReturn, **returns, by=st.just("Bo")),
    st.builds(ExpireReturn, **returns),
    st.builds(CloseReturn, **returns, by=st.just("Bo")),
    st.builds(CancelReturn, **returns),
)
order_commands = st.one_of(
    return_commands,
    st.builds(PlaceOrder, order_id=st.just("o"), customer_id=order_ids, ship_to=addresses, lines=lines),
    st.just(CancelOrder(order_id="o")),
    st.just(CompleteOrder(order_id="o")),
)
shipment_commands = st.builds(
    DispatchShipment, order_id=st.just("o"), tracking=st.sampled_from(["T1", "T2"]), ship_to=addresses
)


def commands_of_any_shape(decider: AnyDecider) -> st.SearchStrategy[Any]:
    """Commands of one aggregate "k" that its schemas allow. Of an aggregate of yours; more telling values for
    its fields, so that they meet each other more often, are written as those above."""
    kinds = [each for each in named_commands(CATALOG).values() if each.category == decider.category]
    return st.one_of(
        *(
            values_of(each.type.model_json_schema()).map(
                lambda values, each=each: each.type.model_validate(values | {each.key_field: "k"})
            )
            for each in kinds
        )
    )


COMMANDS: dict[str, st.SearchStrategy[Any]] = {
    **{category: commands_of_any_shape(decider) for category, decider in CATALOG.deciders.items()},
    "stock": stock_commands,
    "account": account_commands,
    "order": order_commands,
    "shipment": shipment_commands,
}
