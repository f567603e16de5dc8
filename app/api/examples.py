"""Bodies to try and answers to expect, for the OpenAPI document and its page."""

from collections.abc import Mapping
from importlib.resources import files
from typing import Any, Final

import orjson

from app.problems import FAMILIES, INTERNAL, problem_document

_ADDRESS: Final = {"name": "Vins et alcools Chevalier", "country": "France"}
_ORDER: Final = {
    "customer_id": "VINET",
    "ship_to": _ADDRESS,
    "lines": [{"sku": "11", "quantity": 12, "unit_price": {"amount": 1400, "currency": "USD"}}],
}
_RETURN: Final = {
    "customer_id": "VINET",
    "lines": [{"sku": "11", "quantity": 2}],
    "reason": "too small",
}

EXAMPLES: Final[dict[str, dict[str, Any]]] = {
    "FulfilOrder": {"order_id": "10248", **_ORDER},
    "PlaceOrder": _ORDER,
    "CancelOrder": {},
    "CompleteOrder": {},
    "DispatchShipment": {"tracking": "parcel-1", "ship_to": _ADDRESS},
    "TransferFunds": {"source": "VINET", "target": "shop", "money": {"amount": 1400, "currency": "USD"}},
    "ReturnOrder": {"order_id": "10248", **_RETURN},
    "ReplenishStock": {"sku": "11", "quantity": 100},
    "ReceiveStock": {"quantity": 39},
    "SetReorderPoint": {"level": 20, "quantity": 100},
    "OpenAccount": {"currency": "USD"},
    "CompensateRequest": {"reason": "the customer called"},
    "ReasonRequest": {"reason": "the carrier is back"},
    "SkipRequest": {"reason": "refunded by hand", "step": "3"},
    "SignalRequest": {"id": "approval-7", "data": {"approved": True}},
    "ForgetRequest": {"reason": "asked for it, ticket 4711"},
    "DecisionRequest": {"reason": "version 2 counts returns"},
    "RetryRequest": {"reason": "the code is mended"},
    "SkipEventRequest": {"reason": "recorded by a test", "position": 17},
    "PromoteRequest": {"reason": "compared with diff"},
    "ReturnRequest": {"reason": "totals are wrong"},
    "DiscardRequest": {"reason": "not needed any more", "of": "previous"},
    "BulkRequest": {
        "action": "retry",
        "filter": {"name": "fulfil-order", "status": "stuck", "attributes": {"carrier": "acme"}},
        "reason": "the carrier is back",
        "dry_run": True,
    },
    "BatchRequest": {"sagas": [{"id": "order-10248", "input": {"order_id": "10248", **_ORDER}}]},
    "RequestReturn": {"return_id": "return-1", **_RETURN},
    "RefuseReturn": {"return_id": "return-1", "by": "Bo", "note": "worn"},
    "ExpireReturn": {"return_id": "return-1"},
    "CloseReturn": {"return_id": "return-1", "by": "Bo"},
    "CancelReturn": {"return_id": "return-1"},
    "ReserveStock": {"order_id": "10248", "quantity": 12},
    "ReleaseStock": {"order_id": "10248"},
    "ShipStock": {"order_id": "10248"},
    "RestockReturned": {"order_id": "10248", "quantity": 2},
    "RevokeRestock": {"order_id": "10248", "quantity": 2},
    "ExpectGoods": {},
    "GiveUpGoods": {},
    "Deposit": {"money": {"amount": 5000, "currency": "USD"}},
    "Withdraw": {"money": {"amount": 1400, "currency": "USD"}},
    "HoldPayment": {"order_id": "10248", "money": {"amount": 16800, "currency": "USD"}},
    "ReleasePayment": {"order_id": "10248"},
    "CapturePayment": {"order_id": "10248"},
    "RefundPayment": {"order_id": "10248", "money": {"amount": 2800, "currency": "USD"}},
}
"""By the name of their model, without what is in the path. Add one for each command and saga of yours:
else its schema is all that the document says."""

ANSWERS: Final[Mapping[str, Any]] = orjson.loads(files("app.api").joinpath("answers.json").read_bytes())
"""By the name of their model, of a real server: tests/docs/references/record.py has written them down."""


def problem_example(status: int) -> dict[str, Any]:
    """A problem with this status: there are others, by the table of errors in the reference."""
    recorded: dict[str, Any] = ANSWERS["Problem"]
    if recorded["status"] == status:
        return recorded
    family = next((family for family in FAMILIES.values() if family.status == status), INTERNAL)
    return problem_document(family, "", recorded["correlation_id"])
