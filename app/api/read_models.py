"""Orders, stock and accounts: read models, a moment behind the events; each answer says how far they are."""

from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from app.api.read_queries import (
    AccountsQuery,
    OneQuery,
    OrdersQuery,
    PageQuery,
    StatementQuery,
    StockQuery,
)
from app.api.reading import Reader, ReaderOf, view_response
from app.api.requests import Key
from app.api.wire import problems
from app.json_response import JsonResponse
from app.problems import NotFound
from app.readmodels import listings
from app.readmodels.listings import AccountRow, HoldRow, MovementRow, OrderRow, ReservationRow, StockRow
from app.readmodels.paging import Listing
from app.readmodels.reading import View

router = APIRouter(tags=["read models"])

Next = Annotated[str | None, Field(description="The `after` of the next page, null at the end.")]


class OrderPage(BaseModel):
    """A page of orders."""

    orders: list[OrderRow]
    next: Next


class StockPage(BaseModel):
    """A page of SKUs."""

    stock: list[StockRow]
    next: Next


class StockItemView(StockRow):
    """A SKU, and a page of the orders that have reserved it, in the order of their ids."""

    reservations: list[ReservationRow]
    next: Next


class AccountPage(BaseModel):
    """A page of accounts."""

    accounts: list[AccountRow]
    next: Next


class AccountDetail(AccountRow):
    """An account, and a page of what is held on it, by order."""

    holds: list[HoldRow]
    next: Next


class Statement(AccountRow):
    """An account as it is now, and a page of what happened to it."""

    movements: list[MovementRow]
    next: Next


@router.get("/orders", summary="List orders", response_model=OrderPage, responses=problems(410))
async def orders(reader: ReaderOf, query: Annotated[OrdersQuery, Query()]) -> JsonResponse:
    """Orders that were placed, for which all of this is so; the latest first."""
    async with reader.view("orders", query.place()) as view:
        rows, following = await _page(
            reader, listings.ORDERS, view, query, query.sort, placed=True, **query.given()
        )
    return view_response(view, {"orders": rows, "next": following})


@router.get(
    "/orders/{order_id}", summary="Look at an order", response_model=OrderRow, responses=problems(404, 410)
)
async def order(order_id: Key, reader: ReaderOf, query: Annotated[OneQuery, Query()]) -> JsonResponse:
    """The order, its parcel and its returns."""
    async with reader.view("orders", query.place()) as view:
        row = await listings.ORDERS.find(view, {"placed": True, "order_id": order_id})
    return view_response(view, _found(row, f"there is no order {order_id!r}"))


@router.get("/stock", summary="List stock", response_model=StockPage, responses=problems(410))
async def stock(reader: ReaderOf, query: Annotated[StockQuery, Query()]) -> JsonResponse:
    """What there is of each SKU, for which all of this is so."""
    async with reader.view("stock", query.place()) as view:
        rows, following = await _page(reader, listings.STOCK, view, query, query.sort, **query.given())
    return view_response(view, {"stock": rows, "next": following})


@router.get(
    "/stock/{sku}", summary="Look at a SKU", response_model=StockItemView, responses=problems(404, 410)
)
async def stock_item(sku: Key, reader: ReaderOf, query: Annotated[PageQuery, Query()]) -> JsonResponse:
    """What there is of it, and which orders have reserved how much."""
    async with reader.view("stock", query.place()) as view:
        item = _found(await listings.STOCK.find(view, {"sku": sku}), f"there is no stock of {sku!r}")
        rows, following = await _page(reader, listings.RESERVATIONS, view, query, "order", sku=sku)
    return view_response(view, {**item, "reservations": rows, "next": following})


@router.get("/accounts", summary="List accounts", response_model=AccountPage, responses=problems(410))
async def accounts(reader: ReaderOf, query: Annotated[AccountsQuery, Query()]) -> JsonResponse:
    """Accounts for which all of this is so."""
    async with reader.view("accounts", query.place()) as view:
        rows, following = await _page(reader, listings.ACCOUNTS, view, query, query.sort, **query.given())
    return view_response(view, {"accounts": rows, "next": following})


@router.get(
    "/accounts/{account_id}",
    summary="Look at an account",
    response_model=AccountDetail,
    responses=problems(404, 410),
)
async def account(account_id: Key, reader: ReaderOf, query: Annotated[PageQuery, Query()]) -> JsonResponse:
    """Its balance, and for which orders how much is held."""
    async with reader.view("accounts", query.place()) as view:
        row = await _account(view, account_id)
        rows, following = await _page(reader, listings.HOLDS, view, query, "order", account_id=account_id)
    return view_response(view, {**row, "holds": rows, "next": following})


@router.get(
    "/accounts/{account_id}/statement",
    summary="Read an account's statement",
    response_model=Statement,
    responses=problems(404, 410),
)
async def statement(
    account_id: Key, reader: ReaderOf, query: Annotated[StatementQuery, Query()]
) -> JsonResponse:
    """Each event with the balance after it, in the order in which they happened."""
    async with reader.view("accounts", query.place()) as view:
        row = await _account(view, account_id)
        rows, following = await _page(
            reader, listings.MOVEMENTS, view, query, query.sort, account_id=account_id, **query.given()
        )
    return view_response(view, {**row, "movements": rows, "next": following})


async def _account(view: View, account_id: str) -> dict[str, Any]:
    found = await listings.ACCOUNTS.find(view, {"account_id": account_id})
    return _found(found, f"there is no account {account_id!r}")


def _found(row: BaseModel | None, missing: str) -> dict[str, Any]:
    if row is None:
        raise NotFound(missing)
    return row.model_dump()


async def _page(
    reader: Reader,
    listing: Listing[Any],
    view: View,
    query: PageQuery,
    sort: str,
    **given: Any,
) -> tuple[list[dict[str, Any]], str | None]:
    """A page as documents, and the cursor of the next one."""
    limit = reader.page_size(query.limit)
    rows, following = await listing.page(view, given, sort, limit, query.place().cursor)
    return [row.model_dump() for row in rows], following
