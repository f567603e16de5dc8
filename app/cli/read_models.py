"""saga orders, stock, accounts, statement."""

from typing import Annotated

import typer
from rich.console import RenderableType

from app.cli.client import ask
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
        order = ask(lambda client: client.order(order_id, after=after))
        _list(order, None, as_json, order_lines(order))
        return
    page = ask(
        lambda client: client.orders(
            status=status,
            customer_id=customer,
            country=country,
            currency=currency,
            sku=sku,
            sort=sort,
            limit=limit,
            after=after,
        )
    )
    _list(page, page["next"], as_json, order_table(page["orders"]) if page["orders"] else "no orders")


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
        item = ask(lambda client: client.stock_item(sku, limit=limit, after=after))
        _list(item, item["next"], as_json, stock_lines(item))
        return
    running_low = True if low else None
    page = ask(
        lambda client: client.stock(
            running_low=running_low, reserved_for=reserved_for, sort=sort, limit=limit, after=after
        )
    )
    _list(page, page["next"], as_json, stock_table(page["stock"]) if page["stock"] else "no stock")


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
        shown = ask(lambda client: client.account(account, limit=limit, after=after))
        _list(shown, shown["next"], as_json, account_lines(shown))
        return
    page = ask(
        lambda client: client.accounts(
            currency=currency, held_for=held_for, sort=sort, limit=limit, after=after
        )
    )
    _list(page, page["next"], as_json, account_table(page["accounts"]) if page["accounts"] else "no accounts")


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
    page = ask(
        lambda client: client.statement(
            account,
            kind=kind,
            order_id=order,
            saga_id=saga,
            sort="-position" if newest else "position",
            limit=limit,
            after=after,
        )
    )
    _list(
        page,
        page["next"],
        as_json,
        movement_table(page["movements"]) if page["movements"] else "no movements",
    )


def _list(page: object, following: str | None, as_json: bool, shown: RenderableType) -> None:
    if as_json:
        print_json(page)
        return
    console.print(shown)
    if following is not None:
        console.print(f"more with --after {following}", style="dim", soft_wrap=True)
