"""python -m tests.simulation SEED [--size SAGAS,FAULTS,SIGNALS,OPERATIONS,ACTIONS] [--shrink] [--postgres]
python -m tests.simulation --seeds COUNT [--first SEED] [--processes NUMBER]
"""

import argparse
import os
import random
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import astuple

from tests.conftest import database_on_a_server_of_its_own
from tests.simulation.exploring import explore
from tests.simulation.postgres import real_store
from tests.simulation.schedule import Figures, Schedule, Size, run
from tests.simulation.shrinking import Run, shrink
from tests.simulation.twins import run_on


def show(figures: Figures) -> None:
    """Everything that happened."""
    for seconds, text in figures.trace:
        print(f"{seconds:9.3f}  {text}")
    print(f"trace {figures.digest}")
    for rule in figures.violations:
        print(f"BROKEN: {rule}")


@contextmanager
def running(postgres: bool) -> Iterator[Run]:
    """What runs a seed: in memory, or on a database that is there meanwhile."""
    if not postgres:
        yield run
        return
    with (
        database_on_a_server_of_its_own() as database,
        real_store(database.url, database.admin_url) as real,
    ):
        yield lambda seed, size: run_on(real, seed, size)


def replay(seed: int, size: Size, *, shrinking: bool, postgres: bool) -> int:
    """Show one schedule, or the smallest one found that breaks the same rule."""
    with running(postgres) as run_seed:
        figures = run_seed(seed, size)
        if shrinking and figures.violations:
            seed, size, figures = shrink(seed, size, run_seed)
    show(figures)
    option = " --postgres" if postgres else ""
    print(f"python -m tests.simulation {seed} --size {','.join(map(str, astuple(size)))}{option}")
    return int(bool(figures.violations))


def main() -> int:
    parser = argparse.ArgumentParser(description="Deterministic simulation of the saga kernel")
    parser.add_argument("seed", type=int, nargs="?")
    parser.add_argument("--size", help=",".join(Size.__dataclass_fields__))
    parser.add_argument(
        "--shrink", action="store_true", help="look for a smaller schedule that breaks the rule"
    )
    parser.add_argument("--postgres", action="store_true", help="on Postgres, beside its twin")
    parser.add_argument("--seeds", type=int, help="run so many seeds")
    parser.add_argument("--first", type=int, default=random.SystemRandom().randrange(10**9))
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    asked = parser.parse_args()
    if asked.seeds:
        whole = explore(asked.first, asked.seeds, asked.processes)
        return int(not whole.clean or whole.schedules < asked.seeds)
    if asked.seed is None:
        parser.error("a seed, or --seeds")
    size = Size(*map(int, asked.size.split(","))) if asked.size else Schedule(asked.seed).size
    return replay(asked.seed, size, shrinking=asked.shrink, postgres=asked.postgres)


if __name__ == "__main__":
    sys.exit(main())
