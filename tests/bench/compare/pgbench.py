"""Postgres alone: single rows by pgbench, each a transaction, prepared."""

import asyncio
import re
import subprocess
import tempfile
from pathlib import Path

import psycopg

from app.bench.measure import Rate
from app.postgres_tools import fitting
from tests.bench.compare.contestant import compete

SCRIPT = (
    "insert into pgbench_rows (stream, version, data, metadata) values (gen_random_uuid()::text, 1, "
    '\'{"account_id": "bench", "currency": "USD"}\', \'{"actor": "saga bench"}\');\n'
)


async def run(url: str, clients: int, seconds: float) -> Rate:
    with psycopg.connect(url) as connection:
        connection.execute(
            "create table pgbench_rows (position bigserial primary key, stream text, version int, data jsonb,"
            " metadata jsonb, unique (stream, version))"
        )
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "insert.sql"
        script.write_text(SCRIPT)
        command = [str(fitting("pgbench", 14)), "--no-vacuum", "--protocol=prepared", f"--client={clients}"]
        command += [f"--jobs={min(clients, 2)}", f"--time={max(1, round(seconds))}", f"--file={script}", url]
        done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=True)
    found = re.search(r"^tps = ([\d.]+)", done.stdout, re.M)
    latency = re.search(r"^latency average = ([\d.]+) ms", done.stdout, re.M)
    assert found, done.stdout
    assert latency, done.stdout
    return Rate(clients, float(found[1]), float(latency[1]), float(latency[1]))


if __name__ == "__main__":
    compete(run)
