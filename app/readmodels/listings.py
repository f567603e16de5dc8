"""The lists of orders, stock and accounts, and the rows that queries see."""

from datetime import datetime
from typing import Annotated, Any, Final
from uuid import UUID

from pydantic import BaseModel, Field

from app.readmodels.accounts import MovementKind
from app.readmodels.orders import OrderStatus
from app.readmodels.paging import Listing, Sort
from domain.money import Money
from domain.order_lines import OrderLine
from domain.returns import Return
from domain.values import Address

Balance = Annotated[int, Field(description="Minor units.", examples=[5000])]


class OrderRow(BaseModel):
    """An order. `position` is that of the last event that changed it."""

    order_id: str = Field(examples=["10248"])
    status: OrderStatus = Field(examples=["completed"])
    customer_id: str = Field(examples=["VINET"])
    ship_to: Address
    lines: list[OrderLine]
    total: Money
    tracking: str | None = Field(examples=["SBX-10248"])
    returns: dict[str, Return] = Field(examples=[{}])
    saga_ids: list[str] = Field(
        examples=[["fulfil-order-10248"]], description="Sagas that changed it, the one that placed it first."
    )
    correlation_id: str | None
    placed_at: datetime
    updated_at: datetime
    position: int = Field(examples=[17])


class StockRow(BaseModel):
    """What there is of a SKU. `position` is that of the last event that changed it."""

    sku: str = Field(examples=["11"])
    received: int = Field(examples=[100])
    on_hand: int = Field(examples=[83], description="Not reserved, not shipped.")
    reserved: int = Field(examples=[12])
    shipped: int = Field(examples=[5])
    reorder_level: int | None = Field(examples=[20], description="Less than this on hand runs low.")
    reorder_quantity: int | None = Field(examples=[100])
    goods_expected: bool = Field(examples=[False], description="More is on its way, or asked for.")
    running_low: bool = Field(examples=[False])
    updated_at: datetime
    position: int = Field(examples=[17])


class ReservationRow(BaseModel):
    """What an order has reserved of a SKU."""

    order_id: str = Field(examples=["10248"])
    quantity: int = Field(examples=[12])
    reserved_at: datetime


class AccountRow(BaseModel):
    """An account. `position` is that of the last event that changed it."""

    account_id: str = Field(examples=["VINET"])
    currency: str = Field(examples=["USD"])
    balance: Balance = Field(description="Without what is held for orders, as the aggregate has it.")
    held: Balance = Field(examples=[1400])
    available: Balance = Field(description="What can be spent: the balance, which holds have left already.")
    movement_count: int = Field(examples=[3], description="How many rows its statement has.")
    opened_at: datetime
    updated_at: datetime
    position: int = Field(examples=[17])


class HoldRow(BaseModel):
    """What is held on an account for an order."""

    order_id: str = Field(examples=["10248"])
    amount: Balance = Field(examples=[1400])
    held_at: datetime


class MovementRow(BaseModel):
    """One event of an account, and the account after it."""

    position: int = Field(examples=[17])
    part: int = Field(examples=[0], description="More than 0 when one event of then is several of today.")
    version: int = Field(examples=[2])
    event_id: UUID
    kind: MovementKind = Field(examples=["held"])
    amount: Money
    change: int = Field(examples=[-1400], description="What it did to the balance, in minor units.")
    balance: Balance = Field(examples=[3600])
    held: Balance = Field(examples=[1400])
    order_id: str | None = Field(examples=["10248"])
    reference: str | None
    saga_id: str | None = Field(examples=["fulfil-order-10248"])
    step: str | None = Field(examples=["3"])
    actor: str | None
    correlation_id: str | None
    recorded_at: datetime


def _columns(row: type[BaseModel], **made: str) -> str:
    """The columns of a row: those of its fields' names, but for those that are made otherwise."""
    return ", ".join(f"{made[name]} as {name}" if name in made else name for name in row.model_fields)


def _listing(name: str, row: type[BaseModel], key: str, **more: Any) -> Listing[Any]:
    return Listing(name=name, source=f"readmodels.{name}", key=key, row=row, **more)


ORDERS: Final[Listing[OrderRow]] = _listing(
    "orders",
    OrderRow,
    "order_id",
    select=_columns(
        OrderRow,
        ship_to="state->'ship_to'",
        lines="state->'lines'",
        returns="state->'returns'",
        total="state->'total'",
    ),
    sorts={
        "placed": Sort("placed", unique=True),
        "updated": Sort("position", unique=True),
        "total": Sort("amount"),
    },
    conditions={
        # A parcel may be dispatched for an order that nobody has placed: it is no order yet.
        "placed": "placed is not null",
        "order_id": "order_id = %(order_id)s",
        "status": "status = %(status)s",
        "customer_id": "customer_id = %(customer_id)s",
        "country": "country = %(country)s",
        "currency": "currency = %(currency)s",
        "sku": "skus @> array[%(sku)s]",
        "correlation_id": "correlation_id = %(correlation_id)s",
        "placed_after": "placed_at >= %(placed_after)s",
        "placed_before": "placed_at < %(placed_before)s",
    },
)
STOCK: Final[Listing[StockRow]] = _listing(
    "stock",
    StockRow,
    "sku",
    select=_columns(StockRow),
    sorts={
        "sku": Sort("sku", str, unique=True),
        "on_hand": Sort("on_hand"),
        "updated": Sort("position", unique=True),
    },
    conditions={
        "sku": "sku = %(sku)s",
        "running_low": "running_low = %(running_low)s",
        "reserved_for": "sku in (select r.sku from readmodels.stock_reservations as r"
        " where r.order_id = %(reserved_for)s)",
    },
)
RESERVATIONS: Final[Listing[ReservationRow]] = _listing(
    "stock_reservations",
    ReservationRow,
    "order_id",
    select=_columns(ReservationRow),
    sorts={"order": Sort("order_id", str, unique=True)},
    conditions={"sku": "sku = %(sku)s"},
)
ACCOUNTS: Final[Listing[AccountRow]] = _listing(
    "accounts",
    AccountRow,
    "account_id",
    select=_columns(AccountRow, available="balance"),
    sorts={
        "account": Sort("account_id", str, unique=True),
        "balance": Sort("balance"),
        "updated": Sort("position", unique=True),
    },
    conditions={
        "account_id": "account_id = %(account_id)s",
        "currency": "currency = %(currency)s",
        "held_for": "account_id in (select h.account_id from readmodels.account_holds as h"
        " where h.order_id = %(held_for)s)",
    },
)
HOLDS: Final[Listing[HoldRow]] = _listing(
    "account_holds",
    HoldRow,
    "order_id",
    select=_columns(HoldRow),
    sorts={"order": Sort("order_id", str, unique=True)},
    conditions={"account_id": "account_id = %(account_id)s"},
)
MOVEMENTS: Final[Listing[MovementRow]] = _listing(
    "account_movements",
    MovementRow,
    "part",
    key_value=int,
    select=_columns(MovementRow, amount="jsonb_build_object('amount', amount, 'currency', currency)"),
    sorts={"position": Sort("position")},
    conditions={
        "account_id": "account_id = %(account_id)s",
        "kind": "kind = %(kind)s",
        "order_id": "order_id = %(order_id)s",
        "saga_id": "saga_id = %(saga_id)s",
        "recorded_after": "recorded_at >= %(recorded_after)s",
        "recorded_before": "recorded_at < %(recorded_before)s",
    },
)
