"""Orders, stock and accounts as tables for people."""

from collections.abc import Sequence

from rich.console import Group
from rich.table import Table
from rich.text import Text

from app.cli.output import status_text, table_of
from app.cli.saga_details import moment
from app.client import models


def order_table(orders: list[models.OrderRow]) -> Table:
    rows = table_of("order", "status", "customer", "country", "lines", "total", "placed", "saga")
    for order in orders:
        rows.add_row(
            order["order_id"],
            status_text(order["status"]),
            order["customer_id"],
            order["ship_to"]["country"],
            str(len(order["lines"])),
            money_text(order["total"]["amount"], order["total"]["currency"]),
            moment(order["placed_at"]),
            ", ".join(order["saga_ids"]),
        )
    return rows


def order_lines(order: models.OrderRow) -> Group:
    """One order: head, where it goes, its lines, what came back."""
    head = Text.assemble((order["order_id"], "bold"), "  ", status_text(order["status"]))
    ship_to = order["ship_to"]
    facts = [
        f"customer: {order['customer_id']}",
        f"to: {ship_to['name']}, {ship_to['country']}",
        f"placed: {moment(order['placed_at'])}, updated: {moment(order['updated_at'])}",
        f"tracking: {order['tracking'] or 'none yet'}",
        f"sagas: {', '.join(order['saga_ids']) or 'none'}",
    ]
    lines = table_of("sku", "quantity", "unit price")
    for line in order["lines"]:
        price = line["unit_price"]
        lines.add_row(line["sku"], str(line["quantity"]), money_text(price["amount"], price["currency"]))
    returns = [
        Text(
            f"return {return_id}: {each['status']}, "
            + ", ".join(f"{line['quantity']} of {line['sku']}" for line in each["lines"])
        )
        for return_id, each in order["returns"].items()
    ]
    total = Text(f"total: {money_text(order['total']['amount'], order['total']['currency'])}")
    return Group(head, *(Text(fact, style="dim") for fact in facts), lines, total, *returns)


def stock_table(items: Sequence[models.StockRow | models.StockItemView]) -> Table:
    rows = table_of("sku", "on hand", "reserved", "shipped", "received", "reorder below", "")
    for item in items:
        level = item["reorder_level"]
        rows.add_row(
            item["sku"],
            *(str(item[name]) for name in ("on_hand", "reserved", "shipped", "received")),
            "" if level is None else str(level),
            _lowness(item),
        )
    return rows


def stock_lines(item: models.StockItemView) -> Group:
    reservations = table_of("reserved for", "quantity", "since")
    for each in item["reservations"]:
        reservations.add_row(each["order_id"], str(each["quantity"]), moment(each["reserved_at"]))
    return Group(stock_table([item]), *([reservations] if item["reservations"] else []))


def account_table(accounts: Sequence[models.AccountRow | models.AccountDetail]) -> Table:
    rows = table_of("account", "balance", "held", "movements", "opened", "updated")
    for account in accounts:
        rows.add_row(
            account["account_id"],
            money_text(account["balance"], account["currency"]),
            money_text(account["held"], account["currency"]),
            str(account["movement_count"]),
            moment(account["opened_at"]),
            moment(account["updated_at"]),
        )
    return rows


def account_lines(account: models.AccountDetail) -> Group:
    holds = table_of("held for", "amount", "since")
    for each in account["holds"]:
        amount = money_text(each["amount"], account["currency"])
        holds.add_row(each["order_id"], amount, moment(each["held_at"]))
    return Group(account_table([account]), *([holds] if account["holds"] else []))


def movement_table(movements: list[models.MovementRow]) -> Table:
    rows = table_of("position", "recorded", "kind", "amount", "change", "balance", "held", "order", "saga")
    for each in movements:
        currency = each["amount"]["currency"]
        rows.add_row(
            str(each["position"]),
            moment(each["recorded_at"]),
            each["kind"],
            money_text(each["amount"]["amount"], currency),
            f"{each['change']:+}" if each["change"] else "",
            money_text(each["balance"], currency),
            str(each["held"]),
            each["order_id"] or each["reference"] or "",
            each["saga_id"] or "",
        )
    return rows


def money_text(amount: int, currency: str) -> str:
    """In minor units, as everywhere."""
    return f"{amount} {currency}"


def _lowness(item: models.StockRow | models.StockItemView) -> Text:
    if not item["running_low"]:
        return Text("")
    return Text("low, more is expected" if item["goods_expected"] else "low", style="yellow")
