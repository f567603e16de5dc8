"""What lists of read models are asked for: filters, order, page. Anything else is refused by its name."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from app.api.positions import PLACE_PATTERN, POSITION_PATTERN, After, after_of
from app.api.requests import Time
from app.readmodels.accounts import MovementKind
from app.readmodels.orders import OrderStatus
from app.readmodels.paging import CURSOR_CHARACTERS_MAX
from domain.money import Currency
from domain.values import Id, Name

Since = Annotated[Time | None, Field(description="At this time or later.", examples=["2026-01-31T12:00:00Z"])]
Until = Annotated[Time | None, Field(description="Before this time.", examples=["2026-01-31T12:00:00Z"])]
PAGING = ("after", "limit", "sort")


class OneQuery(BaseModel):
    """Of a single row: how far the read model must have come."""

    model_config = ConfigDict(extra="forbid")

    after: Annotated[
        str | None,
        Field(
            pattern=POSITION_PATTERN,
            description="The position of an answer, or its `Saga-Position`: the read model is waited for.",
            examples=["17@1"],
        ),
    ] = None

    def place(self) -> After:
        """Raises InvalidRequest."""
        return after_of(self.after)


class PageQuery(OneQuery):
    """Of a list: also which page."""

    limit: Annotated[int, Field(ge=1, description="Page size; the server has a bound.")] = 100
    after: Annotated[
        str | None,
        Field(
            max_length=CURSOR_CHARACTERS_MAX,
            pattern=PLACE_PATTERN,
            description="`next` of the page before; or the position of an answer, or its `Saga-Position`: "
            "the read model is waited for.",
            examples=["17@1"],
        ),
    ] = None

    def given(self) -> dict[str, Any]:
        """The filters that say something."""
        filters = self.model_dump(exclude=set(PAGING))
        return {name: value for name, value in filters.items() if value is not None}


class OrdersQuery(PageQuery):
    """Orders, the one placed last first."""

    status: OrderStatus | None = None
    customer_id: Id | None = Field(default=None, examples=["VINET"])
    country: Name | None = Field(default=None, examples=["France"])
    currency: Currency | None = Field(default=None, examples=["USD"])
    sku: Id | None = Field(default=None, description="Has a line of it.", examples=["11"])
    correlation_id: Id | None = None
    placed_after: Since = None
    placed_before: Until = None
    sort: Literal["placed", "-placed", "updated", "-updated", "total", "-total"] = "-placed"


class StockQuery(PageQuery):
    """SKUs in their order."""

    running_low: bool | None = Field(default=None, description="Less on hand than the reorder point wants.")
    reserved_for: Id | None = Field(default=None, description="Reserved for this order.", examples=["10248"])
    sort: Literal["sku", "-sku", "on_hand", "-on_hand", "updated", "-updated"] = "sku"


class AccountsQuery(PageQuery):
    """Accounts in the order of their ids."""

    currency: Currency | None = Field(default=None, examples=["USD"])
    held_for: Id | None = Field(
        default=None, description="Has a payment held for this order.", examples=["10248"]
    )
    sort: Literal["account", "-account", "balance", "-balance", "updated", "-updated"] = "account"


class StatementQuery(PageQuery):
    """Movements of one account, the oldest first."""

    kind: MovementKind | None = None
    order_id: Id | None = Field(default=None, examples=["10248"])
    saga_id: Id | None = Field(default=None, examples=["fulfil-order-10248"])
    recorded_after: Since = None
    recorded_before: Until = None
    sort: Literal["position", "-position"] = "position"
