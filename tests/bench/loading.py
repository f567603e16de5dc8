"""How long a cold read takes: of a short aggregate, of a long one with snapshots, and without.

python -m tests.bench.loading [--events 10000] [--reads 200]

Also the size of the journal of a small saga and of its fold. On a Postgres of its own, gone afterwards.
"""

import argparse
import asyncio
import json
import statistics
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime

from app.database import migrate, prepare_embedded
from domain import Catalog
from domain.account import AccountOpened, MoneyDeposited, account
from domain.money import Money
from eventstore import Batch
from eventstore.postgres import PostgresEventStore
from eventstore.tasks import end
from tests.conftest import temporary_server
from tests.integration.eventstore.stores import open_store
from tests.unit.workflows.shop import dollars, stocked_shop
from workflows.past import Moment, Past
from workflows.saga.codec import EventCodec
from workflows.saga.commands import CommandHandler, Folded
from workflows.saga.shapes import journal_shape
from workflows.saga.state import SagaState, read_state
from workflows.transfer_funds import TransferFunds

APPEND_EVENTS = 500
SHORT = 10

Read = Callable[[], Awaitable[Folded]]


async def fill(store: PostgresEventStore, codec: EventCodec, key: str, count: int) -> None:
    """An account with so many events."""
    opened = AccountOpened(account_id=key, currency="USD")
    paid = MoneyDeposited(account_id=key, money=Money(amount=1, currency="USD"))
    events = [opened, *[paid] * (count - 1)]
    for first in range(0, count, APPEND_EVENTS):
        new = [codec.encode(event, {"actor": "bench"}) for event in events[first : first + APPEND_EVENTS]]
        await store.append([Batch(f"account-{key}", first, new)])


async def milliseconds(read: Read, reads: int) -> float:
    """The median time of a read."""
    times = []
    for _ in range(reads):
        begun = time.perf_counter()
        await read()
        times.append(time.perf_counter() - begun)
    return statistics.median(times) * 1000


async def measure(url: str, events: int, reads: int) -> dict[str, float]:
    async with open_store(url) as store:
        keeping = asyncio.create_task(store.snapshots.run())
        await asyncio.sleep(0)
        never = replace(account, snapshot_every=0)
        cold = CommandHandler(store, EventCodec(Catalog([account])))
        for key, count in (("short", SHORT), ("long", events)):
            await fill(store, cold.codec, key, count)
            await cold.load("account", key)  # which keeps the long one
        await store.snapshots.settled()
        past = Past(store, cold)
        await cold.fold(account, "account-short")
        figures = {
            f"{SHORT} events": await milliseconds(lambda: cold.fold(account, "account-short"), reads),
            f"{events} events, snapshot": await milliseconds(
                lambda: cold.fold(account, "account-long"), reads
            ),
            f"{events} events, no snapshot": await milliseconds(
                lambda: cold.fold(never, "account-long"), max(reads // 20, 3)
            ),
            f"{events} events, as of now": await milliseconds(
                lambda: past.aggregate("account", "long", Moment(as_of=datetime.now(UTC))), reads
            ),
        }
        await end(keeping)
    return figures


async def sizes() -> dict[str, int]:
    """Bytes of JSON: the journal of a transfer, and the fold of it."""
    service = await stocked_shop()
    transfer = TransferFunds(source="ana", target="shop", money=dollars(5_000))
    await service.run_saga("transfer-funds", transfer)
    journal = await service.stream("saga-s1")
    state = await read_state(service.store, service.codec, "s1")
    assert state is not None
    return {
        "journal": sum(len(json.dumps(event.data)) for event in journal),
        "fold": len(journal_shape(SagaState).dump(state)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=10_000)
    parser.add_argument("--reads", type=int, default=200)
    asked = parser.parse_args()
    with temporary_server() as server:
        urls = prepare_embedded(server)
        asyncio.run(migrate(urls))
        figures = asyncio.run(measure(urls.app, asked.events, asked.reads))
    shortest = next(iter(figures.values()))
    for name, median in figures.items():
        print(f"{name:32} {median:8.2f} ms   {median / shortest:6.2f} x")
    for name, size in asyncio.run(sizes()).items():
        print(f"{name:32} {size:8} bytes")


if __name__ == "__main__":
    main()
