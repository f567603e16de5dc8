"""make chaos: rounds of some minutes, one seed each, until CHAOS_MINUTES of faults are over.

CHAOS_MINUTES=10   how long in all; CHAOS_ROUND_SECONDS=120 a round; CHAOS_SERVERS=4, the last a worker
CHAOS_SEED=1       of the first round; the others count on
CHAOS_OUT=folder   one JSON document a round, and the logs of servers that died
"""

import asyncio
import json
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

import typer

from app.cluster import Cluster
from app.database import migrate, prepare_embedded
from tests.acceptance.server import release_ports
from tests.chaos.rounds import Round, Setting, play
from tests.conftest import PrivateServer, database_on_a_server_of_its_own, temporary_server
from tests.recovery.launcher import serving
from tests.recovery.shop import Carrier, Look


def main() -> int:
    """Zero if no rule was broken; it ends with the first round that breaks one."""
    minutes = float(os.environ.pop("CHAOS_MINUTES", "10"))
    seconds = float(os.environ.pop("CHAOS_ROUND_SECONDS", "120"))
    seed, servers = int(os.environ.pop("CHAOS_SEED", "1")), int(os.environ.pop("CHAOS_SERVERS", "4"))
    out = Path(os.environ.pop("CHAOS_OUT", None) or tempfile.mkdtemp(prefix="saga-chaos-"))
    out.mkdir(parents=True, exist_ok=True)
    typer.echo(f"reports in {out}")
    since, played = time.monotonic(), 0.0
    while played < minutes * 60:
        length = min(seconds, minutes * 60 - played)
        typer.echo(f"seed {seed}: {length:.0f} s of faults on {servers} executors")
        one = _round(seed, length, servers, out)
        release_ports()
        (out / f"round-{seed}.json").write_text(json.dumps(one.document(), indent=1, default=str))
        _show(one)
        if one.faults:
            replay = f"CHAOS_SEED={seed} CHAOS_MINUTES={length / 60} CHAOS_ROUND_SECONDS={length}"
            typer.echo(f"replay the plan: {replay} CHAOS_SERVERS={servers} make chaos")
            return 1
        seed, played = seed + 1, played + length
    typer.echo(f"{played / 60:.1f} minutes of faults in {(time.monotonic() - since) / 60:.1f} minutes")
    return 0


def _round(seed: int, seconds: float, servers: int, out: Path) -> Round:
    with (
        database_on_a_server_of_its_own() as other,
        serving(other) as outside,
        temporary_server() as server,
    ):
        urls = prepare_embedded(server)
        asyncio.run(migrate(urls))
        postgres = PrivateServer(urls, server.data_dir)
        carrier = Carrier(f"{outside.url}/sandbox/carrier", Look(other))
        kept = out / f"database-{seed}"
        try:
            one = play(postgres, carrier, Setting(seed, seconds, servers, out))
        except BaseException:
            _keep(postgres, kept)
            raise
        if one.faults:
            _keep(postgres, kept)
        return one


def _keep(postgres: PrivateServer, folder: Path) -> None:
    """A copy of the database as it is: of a server that was stopped."""
    if Cluster(postgres.data_dir).processes():
        postgres.stop()
    shutil.copytree(postgres.data_dir, folder, ignore=shutil.ignore_patterns("*.sock*", ".s.*"))
    typer.echo(f"the database is kept in {folder}")


def _show(one: Round) -> None:
    for line in one.timeline:
        typer.echo(line)
    for name, figure in one.figures.items():
        typer.echo(f"{figure:8}  {name}")
    for left in one.left:
        typer.echo(f"left by a person: {left}")
    for each in one.checks:
        typer.echo(f"{'ok  ' if each.ok else 'FAIL'}  {each.name}: {each.figure}")
    typer.echo("\n".join(one.faults))


if __name__ == "__main__":
    sys.exit(main())
