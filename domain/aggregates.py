"""The aggregates of the order business."""

from typing import Final

from domain.account import account
from domain.catalog import Catalog
from domain.order import order
from domain.shipment import shipment
from domain.stock import stock

CATALOG: Final = Catalog(
    [
        order,
        stock,
        account,
        shipment,
    ]
)
