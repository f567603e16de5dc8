"""python -m tests.bench.compare [--seconds 4] [--rounds 3] [--clients 1,16] [--json FILE]

Runs every contestant that is installed and prints its rate and ours divided by it.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import psycopg
from psycopg import sql

from app import embedded
from app.embedded import EmbeddedPostgres

CONTESTANTS: Final = ("ours", "dbos_steps", "dbos_datasource", "absurd")
FLOOR: Final = ("appends", "pgbench")
"""Single rows: what one event costs us, and what it costs Postgres."""
FLOOR_CLIENTS: Final = 8
FOLDER: Final = Path(".saga")
"""On a disk, with the settings of the product: tests have their server in memory."""

Figures = dict[str, Any]


def rounds_of(
    server: EmbeddedPostgres, names: Sequence[str], clients: int, seconds: float, rounds: int
) -> Figures:
    """The rate and latency of each, the median of the rounds; None for one that is not installed."""
    found: dict[str, list[Figures]] = {name: [] for name in names}
    for number in range(rounds):
        for name in names:
            figures = one(server, name, clients, seconds)
            if figures is not None:
                found[name].append(figures)
                rate = figures["per_second"]
                print(f"  {clients:3} clients, round {number + 1}, {name}: {rate:.1f}/s", file=sys.stderr)
    return {name: median(each) for name, each in found.items()}


def one(server: EmbeddedPostgres, name: str, clients: int, seconds: float) -> Figures | None:
    """One contestant once, on a new database. None when it is not installed (it exits with 3)."""
    database = sql.Identifier(f"compare_{name}")
    with psycopg.connect(server.url(), autocommit=True) as admin:
        admin.execute(sql.SQL("drop database if exists {} with (force)").format(database))
        admin.execute(sql.SQL("create database {}").format(database))
    url = server.url(database=f"compare_{name}")
    command = [sys.executable, "-m", f"tests.bench.compare.{name}", url, str(clients), str(seconds)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120 + 4 * seconds)
    if done.returncode == 3:
        return None
    if done.returncode:
        raise RuntimeError(f"{name} failed: {done.stderr[-2000:]}")
    figures: Figures = json.loads(done.stdout.splitlines()[-1])
    return figures


def median(rounds: Sequence[Figures]) -> Figures | None:
    """Of each figure; of the rate also the least and the most."""
    if not rounds:
        return None
    rates = [each["per_second"] for each in rounds]
    figures = {name: round(statistics.median(each[name] for each in rounds), 2) for name in rounds[0]}
    return figures | {"least": round(min(rates), 2), "most": round(max(rates), 2)}


def compare(clients: Sequence[int], seconds: float, rounds: int) -> Figures:
    """All figures, by the number of clients, and the floor."""
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=FOLDER) as folder, embedded.start(Path(folder)) as server:
        figures: Figures = {
            str(count): rounds_of(server, CONTESTANTS, count, seconds, rounds) for count in clients
        }
        figures["floor"] = rounds_of(server, FLOOR, FLOOR_CLIENTS, seconds, rounds)
    return figures


def ratios(figures: Mapping[str, Any], clients: int) -> dict[str, float | None]:
    """Ours divided by each; null for one that is not installed. More than one means that we are faster."""
    rates, floor = figures[str(clients)], figures["floor"]
    return {
        f"saga_over_{named}": over(rates["ours"], rates.get(name))
        for named, name in (
            ("dbos_datasource", "dbos_datasource"),
            ("dbos_step", "dbos_steps"),
            ("absurd", "absurd"),
            ("restate", "restate"),
        )
    } | {"append_over_pgbench": over(floor["appends"], floor["pgbench"])}


def over(ours: Figures | None, theirs: Figures | None) -> float | None:
    return round(ours["per_second"] / theirs["per_second"], 3) if ours and theirs else None


def main() -> int:
    parser = argparse.ArgumentParser(description="The same work on several engines")
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--clients", default="1,16")
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    clients = [int(count) for count in asked.clients.split(",")]
    figures = compare(clients, asked.seconds, asked.rounds)
    for count in clients:
        for name, found in figures[str(count)].items():
            line = (
                "not installed"
                if found is None
                else f"{found['per_second']:8.1f}/s  p50 {found['p50_ms']} ms"
            )
            print(f"{count:3} clients  {name:16} {line}")
    for name, found in figures["floor"].items():
        print(f"{FLOOR_CLIENTS:3} clients  {name:16} {found['per_second']:8.1f}/s")
    for name, ratio in ratios(figures, clients[-1]).items():
        print(f"{name}: {ratio}")
    if asked.json:
        asked.json.write_text(json.dumps(figures, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
