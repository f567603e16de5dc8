"""Record answers for the page of models: python -m tests.docs.references.record http://127.0.0.1:8000

To be run against a server that `saga demo` has left up, when the shape of an answer has changed.
`tests/docs/test_references.py` finds recorded answers that do not fit their model any more.
"""

import json
import re
import sys
from pathlib import Path
from typing import Any

import httpx

FILE = Path(__file__).with_name("answers.json")
USD = "USD"


def recorded(client: httpx.Client) -> dict[str, Any]:
    """One answer for each model, of a transfer between two accounts and of the orders of the demo."""

    def get(path: str) -> Any:
        return client.get(path).json()

    def post(path: str, body: object, **headers: str) -> Any:
        return client.post(path, json=body, headers=headers).json()

    for account in ("mia", "leo"):
        post(f"/aggregates/account/{account}/open-account", {"currency": USD})
    deposited = post("/aggregates/account/mia/deposit", {"money": {"amount": 5000, "currency": USD}})
    transfer = {"source": "mia", "target": "leo", "money": {"amount": 1400, "currency": USD}}
    saga = post("/sagas/transfer-funds", transfer, **{"Idempotency-Key": "to-leo", "Prefer": "wait=5"})
    after = f"after={saga['position']}"
    preview = {"reason": "sent twice", "preview": True}
    return {
        "CommandAnswer": deposited,
        "SagaView": saga,
        "AggregateView": get("/aggregates/account/mia"),
        "Problem": post("/aggregates/account/mia/deposit", {"money": {"amount": -1, "currency": USD}}),
        "AccountPage": get(f"/accounts?limit=1&{after}"),
        "AnchorPage": get("/audit/anchors?limit=1"),
        "BulkAnswer": post(
            "/sagas/bulk",
            {"action": "compensate", "filter": {"ids": ["to-leo"]}, "reason": "sent twice"},
        ),
        "ChangePage": get("/aggregates/account/mia/history?limit=1&backwards=true"),
        "EventPage": get(f"/events?limit=1&after={deposited['position'] - 1}"),
        "ExecutorList": get("/executors"),
        "JournalPage": get("/sagas/to-leo/journal?limit=2"),
        "OrderPage": get("/orders?limit=1"),
        "PreviewView": post("/sagas/to-leo/compensate", preview),
        "Ready": get("/health/ready"),
        "SagaPage": get("/sagas?name=fulfil-order&limit=1"),
        "Statement": get("/accounts/leo/statement?limit=1"),
        "StockPage": get("/stock?limit=1"),
        "WhyView": get("/streams/account-leo/why?version=2"),
    }


def main(url: str) -> None:
    with httpx.Client(base_url=url, timeout=30) as client:
        answers = recorded(client)
    text = json.dumps(answers, indent=1, ensure_ascii=False)
    [host] = {executor["host"] for executor in answers["ExecutorList"]["executors"]}
    FILE.write_text(re.sub(rf"\b{re.escape(host)}\b", "shop", text) + "\n")


if __name__ == "__main__":
    main(sys.argv[1])
