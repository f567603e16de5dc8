"""saga orders, stock, accounts, statement."""

import asyncio
from collections.abc import Callable
from typing import Annotated, Any

import typer
from rich.console import RenderableType

from app.cli.client import Json, SagaClient
from app.cli.output import console, print_json
from app.cli.read_model_tables import (
    account_lines,
    account_table,
    movement_table,
    order_lines,
    order_table,
    stock_lines,
    stock_table,
)

AsJson = Annotated[bool, typer.Option("--json", help="Print the server's JSON.")]
Limit = Annotated[int, typer.Option(min=1, help="How many.")]
After = Annotated[
    str | None,
    typer.Option(
        help="The cursor that the page before ended with; or a position that must have been taken in, "
        "which is waited for.",
        show_default=False,
    ),
]
Currency = Annotated[str | None, typer.Option(help="Only those in this currency, such as USD.")]


def orders(  # noqa: PLR0913, PLR0917 - one an option
    order_id: Annotated[
        str | None, typer.Argument(help="Show only this one, with all there is.", show_default=False)
    ] = None,
    status: Annotated[
        str | None, typer.Option(help="Only those that are placed, dispatched, completed …")
    ] = None,
    customer: Annotated[str | None, typer.Option(help="Only those of this customer.")] = None,
    country: Annotated[str | None, typer.Option(help="Only those that go to this country.")] = None,
    currency: Currency = None,
    sku: Annotated[str | None, typer.Option(help="Only those with a line of this SKU.")] = None,
    sort: Annotated[
        str, typer.Option(help="placed, updated or total; downwards with a - before it.")
    ] = "-placed",
    limit: Limit = 20,
    after: After = None,
    as_json: AsJson = False,
) -> None:
    """List orders, the latest first, or show one."""
    if order_id is not None:
        _show(_read("orders", order_id, after=after), as_json, order_lines)
        return
    page = _read(
        "orders",
        status=status,
        customer_id=customer,
        country=country,
        currency=currency,
        sku=sku,
        sort=sort,
        limit=limit,
        after=after,
    )
    _list(page, page["orders"], as_json, order_table, "no orders")


def stock(
    sku: Annotated[
        str | None, typer.Argument(help="Show only this one, with its reservations.", show_default=False)
    ] = None,
    low: Annotated[bool, typer.Option("--low", help="Only what runs low.")] = False,
    reserved_for: Annotated[str | None, typer.Option(help="Only what this order has reserved.")] = None,
    sort: Annotated[str, typer.Option(help="sku, on_hand or updated; downwards with a - before it.")] = "sku",
    limit: Limit = 20,
    after: After = None,
    as_json: AsJson = False,
) -> None:
    """List what there is of each SKU, or show one."""
    if sku is not None:
        item = _read("stock", sku, limit=limit, after=after)
        _list(item, item, as_json, stock_lines)
        return
    running_low = True if low else None
    page = _read(
        "stock", running_low=running_low, reserved_for=reserved_for, sort=sort, limit=limit, after=after
    )
    _list(page, page["stock"], as_json, stock_table, "no stock")


def accounts(
    account: Annotated[
        str | None, typer.Argument(help="Show only this one, with what is held on it.", show_default=False)
    ] = None,
    currency: Currency = None,
    held_for: Annotated[
        str | None, typer.Option(help="Only those with a payment held for this order.")
    ] = None,
    sort: Annotated[
        str, typer.Option(help="account, balance or updated; downwards with a - before it.")
    ] = "account",
    limit: Limit = 20,
    after: After = None,
    as_json: AsJson = False,
) -> None:
    """List accounts and their balances, or show one."""
    if account is not None:
        shown = _read("accounts", account, limit=limit, after=after)
        _list(shown, shown, as_json, account_lines)
        return
    page = _read("accounts", currency=currency, held_for=held_for, sort=sort, limit=limit, after=after)
    _list(page, page["accounts"], as_json, account_table, "no accounts")


def statement(
    account: Annotated[str, typer.Argument(help="The account's id.", show_default=False)],
    kind: Annotated[str | None, typer.Option(help="Only what was deposited, held, captured …")] = None,
    order: Annotated[str | None, typer.Option(help="Only what belongs to this order.")] = None,
    saga: Annotated[str | None, typer.Option(help="Only what this saga did.")] = None,
    newest: Annotated[bool, typer.Option("--newest", help="The newest first.")] = False,
    limit: Limit = 50,
    after: After = None,
    as_json: AsJson = False,
) -> None:
    """Show the statement of an account: each movement, and the balance after it."""
    page = _read(
        "accounts",
        account,
        "statement",
        kind=kind,
        order_id=order,
        saga_id=saga,
        sort="-position" if newest else "position",
        limit=limit,
        after=after,
    )
    _list(page, page["movements"], as_json, movement_table, "no movements")


def _read(*parts: str, **query: Any) -> Json:
    async def run() -> Json:
        async with SagaClient.connect() as client:
            return await client.read(*parts, **query)

    return asyncio.run(run())


def _show(document: Json, as_json: bool, lines: Callable[[Json], RenderableType]) -> None:
    if as_json:
        print_json(document)
    else:
        console.print(lines(document))


def _list(
    page: Json, rows: Any, as_json: bool, table: Callable[[Any], RenderableType], nothing: str = ""
) -> None:
    if as_json:
        print_json(page)
        return
    console.print(table(rows) if rows else nothing)
    if page["next"] is not None:
        console.print(f"more with --after {page['next']}", style="dim", soft_wrap=True)
