"""The table of sagas. A name is durable: renaming one orphans the sagas that run under it."""

from typing import Final

from workflows.fulfil_order import FULFIL_ORDER
from workflows.replenish_stock import REPLENISH_STOCK
from workflows.return_order import RETURN_ORDER
from workflows.saga import SagaDefinition
from workflows.transfer_funds import TRANSFER_FUNDS

SAGAS: Final[list[SagaDefinition]] = [
    FULFIL_ORDER,
    TRANSFER_FUNDS,
    RETURN_ORDER,
    REPLENISH_STOCK,
]
