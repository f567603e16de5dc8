"""Record answers for the page of models: python -m tests.docs.references.record http://127.0.0.1:8000

To be run against a server that `saga demo` has left up, when the shape of an answer has changed.
`tests/docs/test_references.py` finds recorded answers that do not fit their model any more.
"""

import json
import re
import sys
import time
from pathlib import Path
from typing import Any

import httpx

FILE = Path(__file__).parents[3] / "app/api/answers.json"
USD = "USD"


def recorded(client: httpx.Client) -> dict[str, Any]:
    """One answer for each model, of a transfer between two accounts and of the orders of the demo."""

    def get(path: str) -> Any:
        return client.get(path).json()

    def post(path: str, body: object, **headers: str) -> Any:
        return client.post(path, json=body, headers=headers).json()

    def there(path: str) -> Any:
        """What is made in the background."""
        for _ in range(600):
            answer = client.get(path)
            if answer.is_success:
                break
            time.sleep(0.1)
        return answer.raise_for_status().json()

    for account in ("mia", "leo"):
        post(f"/aggregates/account/{account}/open-account", {"currency": USD})
    deposited = post("/aggregates/account/mia/deposit", {"money": {"amount": 5000, "currency": USD}})
    transfer = {"source": "mia", "target": "leo", "money": {"amount": 1400, "currency": USD}}
    saga = post("/sagas/transfer-funds", transfer, **{"Idempotency-Key": "to-leo", "Prefer": "wait=5"})
    after = f"after={saga['position']}"
    preview = {"reason": "sent twice", "preview": True}
    batch = [{"id": "to-mia", "input": {**transfer, "source": "leo", "target": "mia"}}]
    order = get("/orders?limit=1")["orders"][0]
    rebuild = post("/projections/stock/rebuild", {"reason": "version 2 counts returns"})
    difference = there("/projections/stock/diff?full=true")
    post("/projections/stock/discard", {"reason": "it was tried out"})
    event = deposited["events"][0]["event_id"]
    return {
        "CommandAnswer": deposited,
        "SagaView": saga,
        "AggregateView": get("/aggregates/account/mia"),
        "Problem": post("/aggregates/account/mia/deposit", {"money": {"amount": -1, "currency": USD}}),
        "AccountDetail": get("/accounts/leo"),
        "AccountPage": get(f"/accounts?limit=1&{after}"),
        "AnchorPage": get("/audit/anchors?limit=1"),
        "BatchView": post("/sagas/transfer-funds/batch", {"sagas": batch}),
        "BulkAnswer": post(
            "/sagas/bulk",
            {"action": "compensate", "filter": {"ids": ["to-leo"]}, "reason": "sent twice"},
        ),
        "ChangePage": get("/aggregates/account/mia/history?limit=1&backwards=true"),
        "Difference": difference,
        "EventPage": get(f"/events?limit=1&after={deposited['position'] - 1}"),
        "ExecutorList": get("/executors"),
        "FollowerPage": {"projections": get("/projections")["projections"][:1]},
        "FollowerView": rebuild,
        "JournalPage": get("/sagas/to-leo/journal?limit=2"),
        "Live": get("/health/live"),
        "OrderPage": get("/orders?limit=1"),
        "OrderRow": get(f"/orders/{order['order_id']}"),
        "PreviewView": post("/sagas/to-leo/compensate", preview),
        "ProofView": there(f"/audit/proofs/{event}"),
        "Ready": get("/health/ready"),
        "SagaPage": get("/sagas?name=fulfil-order&limit=1"),
        "SagaThenView": get("/sagas/to-leo/at"),
        "Statement": get("/accounts/leo/statement?limit=1"),
        "StockItemView": get(f"/stock/{order['lines'][0]['sku']}"),
        "StockPage": get("/stock?limit=1"),
        "StreamPage": get("/streams/account-mia?limit=1"),
        "WhyView": get("/streams/account-leo/why?version=2"),
        # At the end: what was forgotten is in none of the answers above.
        "Forgotten": post(
            f"/subjects/{order['customer_id']}/forget", {"reason": "asked for it, ticket 4711"}
        ),
    }


def main(url: str) -> None:
    with httpx.Client(base_url=url, timeout=30) as client:
        answers = recorded(client)
    text = json.dumps(answers, indent=1, ensure_ascii=False)
    [host] = {executor["host"] for executor in answers["ExecutorList"]["executors"]}
    FILE.write_text(re.sub(rf"\b{re.escape(host)}\b", "shop", text) + "\n")


if __name__ == "__main__":
    main(sys.argv[1])
