"""How the store does at ten thousand, a million and ten million events.

python -m tests.bench.growth [--events 10000 1000000] [--directory DIR] [--json FILE]

Loads copies of one real order, its saga's journal and all that it touched, into a Postgres of its own with
the settings of the embedded one (fsync on), below DIR, gone afterwards. Ids are ordered by time.
"""

import argparse
import asyncio
import json
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg

from app import embedded
from app.database import DatabaseUrls, migrate, prepare_embedded
from app.embedded import EmbeddedPostgres
from eventstore import RecordedEvent
from tests.bench.growth_figures import measure
from tests.unit.workflows.shop import ORDER, stocked_shop

CUSTOMERS = 1_000
ARTICLES = 200
CHUNK_SAGAS = 2_000
SIZES = [10_000, 1_000_000]

# Journals and orders are streams of each saga; accounts and stock are shared, so their streams grow.
_TEMPLATE = """
    create unlogged table template (
        number int primary key, owned text, shared text, shared_modulus int, offset_in_saga int, per_saga int,
        type text, schema_version smallint, data text, metadata text)"""
_COPY = """
    insert into eventstore.events
    select base.position, base.position, base.stream, base.version,
           (lpad(to_hex((1.78e12 + base.position)::bigint), 12, '0')
            || '7000a000' || lpad(to_hex(base.position), 12, '0'))::uuid,
           type, schema_version, replace(data, 'o1', base.saga)::jsonb,
           replace(metadata, 'o1', base.saga)::jsonb,
           timestamptz '2026-01-01' + base.position * interval '1 ms'
      from (select t.*, 1 + (n - 1) * %(size)s + t.number as position,
                   lpad(to_hex(n), 10, '0') as saga,
                   case when owned is not null then owned || lpad(to_hex(n), 10, '0')
                        else shared || n %% shared_modulus end as stream,
                   case when owned is not null then 1 + offset_in_saga
                        else 1 + (n / shared_modulus) * per_saga + offset_in_saga end as version
              from generate_series(%(first)s::bigint, %(last)s::bigint) as n cross join template as t) as base
     order by base.position"""


async def order_events(*, complete: bool = False) -> list[RecordedEvent]:
    """All that one order leaves in the log; complete: also what opened its accounts and filled its stock."""
    service = await stocked_shop()
    before = [event async for event in service.store.read_all(0)]
    await service.run_saga("fulfil-order", ORDER)
    return [event async for event in service.store.read_all(0 if complete else before[-1].position)]


def fill_template(
    owner: psycopg.Connection[Any], events: list[RecordedEvent], *, all_owned: bool = False
) -> int:
    """One row an event of the order; how many. All owned: no copy shares an account or stock with another."""
    owner.execute(_TEMPLATE)
    counts: dict[str, int] = {}
    for event in events:
        counts[event.stream] = counts.get(event.stream, 0) + 1
    seen: dict[str, int] = {}
    for number, event in enumerate(events):
        owned, shared, modulus = (f"{event.stream}-", None, None) if all_owned else _stream(event.stream)
        offset = seen.setdefault(event.stream, 0)
        seen[event.stream] += 1
        owner.execute(
            "insert into template values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
            [
                number, owned, shared, modulus, offset, counts[event.stream], event.type,
                event.schema_version, json.dumps(event.data).replace("s1", "o1"),
                json.dumps(event.metadata).replace("s1", "o1"),
            ],
        )  # fmt: skip
    return len(events)


def _stream(stream: str) -> tuple[str | None, str | None, int | None]:
    category, _, key = stream.partition("-")
    if category == "account":
        return None, f"account-{key}-", CUSTOMERS
    if category == "stock":
        return None, f"stock-{key}-", ARTICLES
    return f"{category}-", None, None


def load(owner: psycopg.Connection[Any], size: int, sagas: range) -> float:
    """Insert these sagas with all indexes on; the seconds it took."""
    began = time.monotonic()
    for first in range(sagas.start, sagas.stop, CHUNK_SAGAS):
        last = min(first + CHUNK_SAGAS, sagas.stop) - 1
        owner.execute(_COPY, {"size": size, "first": first, "last": last})
        print(f"\r{last * size:,} events", end="", flush=True)
    owner.execute("select setval('eventstore.position_seq', (select max(position) from eventstore.events))")
    print()
    return time.monotonic() - began


@contextmanager
def server(directory: Path | None) -> Iterator[EmbeddedPostgres]:
    """A server as the product starts it, on a disk and not in memory."""
    data_dir = Path(tempfile.mkdtemp(prefix="saga-growth-", dir=directory))
    try:
        with embedded.start(data_dir, linger_seconds=0) as running:
            yield running
        while not embedded.stop_if_unused(data_dir):
            time.sleep(0.1)
    finally:
        shutil.rmtree(data_dir, ignore_errors=True)


async def run(urls: DatabaseUrls, sizes: list[int]) -> list[dict[str, Any]]:
    """The numbers of each size."""
    events = await order_events()
    numbers = []

    with psycopg.connect(urls.owner, autocommit=True) as owner:
        per_saga = fill_template(owner, events)
        done = 0
        for wanted in sizes:
            sagas = max(done + 1, wanted // per_saga)
            seconds = load(owner, per_saga, range(done + 1, sagas + 1))
            figures = await measure(urls, owner, loaded=(sagas - done) * per_saga / seconds, sagas=sagas)
            # What was measured has appended, too: the next copies must not meet it.
            done = sagas + figures.appended // per_saga + 1

            print(figures.text(), flush=True)
            numbers.append({"events": figures.events, **figures.numbers})
    return numbers


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, nargs="+", default=SIZES)
    parser.add_argument("--directory", type=Path, default=Path("/tmp"))
    parser.add_argument("--json", type=Path, help="also write the numbers there: growth_plot draws them")
    asked = parser.parse_args()
    with server(asked.directory) as running:
        urls = prepare_embedded(running)
        asyncio.run(migrate(urls))
        numbers = asyncio.run(run(urls, sorted(asked.events)))
    if asked.json:
        asked.json.write_text(json.dumps(numbers, indent=1) + "\n")


if __name__ == "__main__":
    main()
