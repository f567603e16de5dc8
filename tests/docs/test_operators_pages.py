"""The commands of the pages for operators, typed as they stand, on a server whose shop has had an order."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests.acceptance.server import ServerProcess, money, serving, until
from tests.conftest import Database
from tests.docs.pages import page
from tests.docs.shell import typed_into_a_shell

pytestmark = [pytest.mark.postgres, pytest.mark.slow]

SECONDS = 120
MASTER_KEY = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="
ORDER = {
    "order_id": "10248",
    "customer_id": "VINET",
    "ship_to": {"name": "Vins et alcools Chevalier", "country": "France"},
    "lines": [{"sku": "11", "quantity": 12, "unit_price": money(1400)}],
}


@dataclass(frozen=True)
class Desk:
    """Where an operator types: a folder, and the settings of the server and its database."""

    server: ServerProcess
    http: httpx.Client
    database: Database
    folder: Path

    def type(self, script: str, **settings: str) -> str:
        of_the_server = {
            "SAGA_DATABASE_URL": self.database.url,
            "SAGA_OWNER_DATABASE_URL": self.database.owner_url,
            "SAGA_MASTER_KEY": MASTER_KEY,
        }
        return typed_into_a_shell(script, self.server.url, SECONDS, self.folder, **(of_the_server | settings))

    def until_taken_in(self, *projections: str) -> None:
        """The read models have all of the order."""
        last = self.http.get("/streams/saga-fulfil-order-10248").json()["events"][-1]["position"]
        for name in projections:
            until(
                lambda path=f"/projections/{name}": (
                    self.http.get(path).json()["live"]["lag"]["position"] >= last
                )
            )

    def until_sealed(self) -> None:
        """What has been recorded up to now can be proved, and nobody can change it unseen."""
        last = self.http.get("/events", params={"limit": 1000}).raise_for_status().json()["events"][-1]
        until(lambda: self.http.get(f"/audit/proofs/{last['event_id']}").is_success)


@pytest.fixture
def desk(database: Database, tmp_path: Path) -> Iterator[Desk]:
    with (
        serving(
            database.url, database.owner_url, SAGA_MASTER_KEY=MASTER_KEY, SAGA_SEAL_SECONDS="0.2"
        ) as server,
        httpx.Client(base_url=server.url, timeout=SECONDS) as http,
    ):
        for account, amount in (("shop", 0), ("VINET", 900_000)):
            post(http, f"/aggregates/account/{account}/open-account", {"currency": "USD"})
            if amount:
                post(http, f"/aggregates/account/{account}/deposit", {"money": money(amount)})
        post(http, "/aggregates/stock/11/receive-stock", {"quantity": 39})
        post(http, "/sagas/fulfil-order", ORDER, Prefer="wait=60")
        until(lambda: http.get("/orders/10248").is_success)
        yield Desk(server, http, database, tmp_path)


def post(http: httpx.Client, path: str, body: object, **headers: str) -> None:
    http.post(path, json=body, headers=headers).raise_for_status()


def blocks(name: str) -> list[str]:
    return [block.text for block in page(name).blocks if block.language == "sh"]


def test_audit(desk: Desk) -> None:
    why, verify, anchor, prove = blocks("docs/audit.md")
    desk.until_sealed()

    told = desk.type(why)
    desk.type(f"{anchor.partition('#')[0]} > anchors.jsonl")
    verified = desk.type(verify)

    assert told.count("because anonymous asked for it, as fulfil-order-10248") == 3
    found = json.loads(verified[verified.index("\n{") :])
    assert (found["ok"], found["anchors"]) == (True, 1)

    event = desk.http.get("/streams/account-VINET").json()["events"][0]["event_id"]
    # As it is, but for the event, which is an example.
    proved = desk.type(re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4,12}){4}", event, prove))
    assert proved.startswith("proved: AccountOpened, account-VINET@1, at position 2,")


def test_query_read_models(desk: Desk) -> None:
    ask, wait = blocks("docs/query-read-models.md")
    desk.until_taken_in("accounts", "orders")

    told = desk.type(ask)
    receive, look = re.split(r"(?=^curl -s ')", wait, flags=re.M)
    position = re.split(r": *", desk.type(receive).strip())[1]
    # The position in it is that of the page's own server.
    item = json.loads(desk.type(look.replace("17@1", position)))

    assert "no orders" in told  # it is not placed any more
    assert re.search(r"^VINET +883200 ", told, re.M)
    assert "opened" in told
    assert (item["sku"], item["received"]) == ("11", 78)


def test_rebuild_a_projection(desk: Desk) -> None:
    look, rebuild, diff, promote, return_, discard, unpark, decisions = blocks("docs/rebuild-a-projection.md")

    assert re.search(r"^sagas .*following", desk.type(look), re.M)
    desk.type(rebuild)
    assert (
        re.findall(r"^sagas +(\d+) +(\d+) +(\d+) +(\d+) +(\d+)", desk.type(diff), re.M)
        == [("1", "1", "0", "0", "0")] * 2
    )
    desk.type(promote)
    desk.type(return_)
    desk.type(discard)
    told = desk.type(decisions)

    for entry in ("RebuildStarted", "Promoted", "Returned", "Discarded"):
        assert entry in told
    # Nothing is parked here: tests/recovery/test_parked_projection.py and tests/console/test_poison.py.
    assert [line.split()[2] for line in unpark.splitlines()] == ["retry", "skip"]


def test_personal_data_and_what_became_of_a_leak(desk: Desk) -> None:
    [forget] = blocks("docs/personal-data.md")
    tokens, _oidc, _roles, leak = blocks("docs/security.md")

    assert "VINET" in desk.type(forget)
    order = desk.http.get("/orders/10248").raise_for_status().json()
    assert ORDER["ship_to"] != order["ship_to"]

    desk.until_sealed()
    desk.type("saga audit anchor > anchors.jsonl")
    made = desk.type(tokens)
    until(lambda: desk.http.get("/sagas").status_code == 401)  # from the first one on, a moment later
    olga, shop = re.findall(r"^saga_\w+$", made, re.M)
    answered = {
        token: desk.http.get("/sagas", headers={"Authorization": f"Bearer {token}"}).status_code
        for token in (olga, shop)
    }
    assert answered == {olga: 200, shop: 401}

    # The page names a position of its own log.
    told = desk.type(leak.replace("saga tokens revoke shop", "").replace("120000", "2"), SAGA_TOKEN=olga)
    assert "sound" in told
    assert json.loads(told[told.index("\n{") :])["events"]


def test_signals_of_an_approval(desk: Desk) -> None:
    """The saga of the page, payout, is the reader's own: a return is one that waits for the same signal."""
    [signals] = blocks("docs/wait-for-approval.md")
    body = {
        "order_id": "10248",
        "customer_id": "VINET",
        "lines": [{"sku": "11", "quantity": 1}],
        "reason": "worn",
    }
    post(desk.http, "/sagas/return-order", body, **{"Idempotency-Key": "payout-7"})
    until(lambda: desk.http.get("/sagas/payout-7").json()["status"] == "waiting")

    desk.type(signals)

    until(lambda: desk.http.get("/sagas/payout-7").json()["status"] == "completed")
    entries = desk.http.get("/sagas/payout-7/journal").json()["entries"]
    assert [entry["type"] for entry in entries].count("SignalReceived") == 1


@pytest.mark.parametrize("name", ["docs/change-a-running-saga.md", "docs/evolve-an-event.md"])
def test_the_check_before_a_deployment(desk: Desk, name: str) -> None:
    assert "saga check\n" in blocks(name)

    assert "nothing found" in desk.type("saga check")


def test_backup_and_archive(desk: Desk) -> None:
    dump, _restore, _finish, archive = blocks("docs/backup-and-archive.md")

    desk.type(dump)
    [made] = desk.folder.glob("saga-*.dump")
    assert made.stat().st_size > 0

    desk.until_sealed()
    desk.type("saga audit anchor > anchors.jsonl")
    # The page has the folder, the age and the positions of its own.
    write, *others = archive.replace("/archive", str(desk.folder)).replace("90d", "0d").splitlines()
    desk.type(write)
    [file] = (desk.folder / "sagas").glob("sagas-*.jsonl.gz")
    told = [desk.type(re.sub(r"\S+\.jsonl\.gz", str(file), other)) for other in others]

    assert "sound" in told[0]
    assert "fulfil-order-10248" in told[1]
    assert json.loads(told[2])
