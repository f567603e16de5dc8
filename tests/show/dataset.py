"""The Northwind traders' orders, as far as this shop needs them: the published files, comma-separated."""

import csv
from collections import defaultdict
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

Json = dict[str, Any]
Row = dict[str, str]

FILES = ("customers.csv", "products.csv", "orders.csv", "order_details.csv")
CURRENCY = "USD"


@dataclass(frozen=True)
class Northwind:
    """Customers by id, units in stock by SKU, and the orders as `fulfil-order` takes them."""

    customers: list[str]
    stock: dict[str, int]
    orders: list[Json]


def is_there(folder: Path) -> bool:
    return all((folder / name).is_file() for name in FILES)


def read(folder: Path) -> Northwind:
    """All of it, orders oldest first."""
    customers, products, orders, details = (_rows(folder / name) for name in FILES)
    by_id = {row["customerID"]: row for row in customers}
    lines: dict[str, list[Json]] = defaultdict(list)
    for row in details:
        lines[row["OrderID"]].append(_line(row))
    return Northwind(
        customers=list(by_id),
        stock={row["ProductID"]: int(row["UnitsInStock"]) for row in products},
        orders=[_order(row, by_id[row["CustomerID"]], lines[row["OrderID"]]) for row in orders],
    )


def _rows(file: Path) -> list[Row]:
    with file.open(encoding="utf-8", newline="") as text:
        return list(csv.DictReader(text))


def _order(row: Row, customer: Row, lines: list[Json]) -> Json:
    return {
        "order_id": row["OrderID"],
        "customer_id": row["CustomerID"],
        "ship_to": {"name": customer["companyName"], "country": customer["country"]},
        "lines": lines,
    }


def _line(row: Row) -> Json:
    """The discount is taken off the unit price, which is then cut to whole cents."""
    cents = int(Decimal(row["UnitPrice"]) * 100)
    percent_off = int(Decimal(row["Discount"]) * 100)
    price = {"amount": cents * (100 - percent_off) // 100, "currency": CURRENCY}
    return {"sku": row["ProductID"], "quantity": int(row["Quantity"]), "unit_price": price}
