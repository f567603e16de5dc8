"""python -m tests.simulation SEED [--size SAGAS,FAULTS,SIGNALS,OPERATIONS,ACTIONS] [--shrink]
python -m tests.simulation --seeds COUNT [--first SEED]
"""

import argparse
import multiprocessing
import os
import random
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import astuple

from tests.simulation.schedule import Figures, Schedule, Size, run
from tests.simulation.shrinking import shrink

CHUNK = 50
PROGRESS_SECONDS = 10.0


def chunk(first: int) -> tuple[list[Figures], int, int, Counter[str]]:
    """The failures of some seeds, and what happened in all of them."""
    failures, sagas, events, ends = [], 0, 0, Counter[str]()
    for seed in range(first, first + CHUNK):
        figures = run(seed)
        sagas, events = sagas + figures.sagas, events + figures.events
        ends.update(figures.ends)
        if figures.violations:
            failures.append(figures)
    return failures, sagas, events, ends


def explore(first: int, count: int) -> int:
    """Run many seeds on all cores; the number of those that break a rule."""
    began = said = time.monotonic()
    done = sagas = events = broken = 0
    ends: Counter[str] = Counter()
    with multiprocessing.Pool(os.cpu_count()) as pool:
        for failures, more_sagas, more_events, more_ends in pool.imap_unordered(chunk, _firsts(first, count)):
            done, sagas, events = done + CHUNK, sagas + more_sagas, events + more_events
            ends.update(more_ends)
            broken += len(failures)
            for figures in failures:
                print(f"seed {figures.seed}: {figures.violations[0]}")
                print(f"    python -m tests.simulation {figures.seed}", flush=True)
            if time.monotonic() - said > PROGRESS_SECONDS or done >= count:
                said = time.monotonic()
                rate = done / (said - began)
                print(
                    f"{done} schedules, {sagas} sagas, {events} events, {broken} broken, {rate:.0f}/s",
                    flush=True,
                )
    print(f"seeds {first} to {first + done - 1}: {dict(ends)}")
    return broken


def _firsts(first: int, count: int) -> Iterator[int]:
    return iter(range(first, first + count, CHUNK))


def show(figures: Figures) -> None:
    """Everything that happened."""
    for seconds, text in figures.trace:
        print(f"{seconds:9.3f}  {text}")
    print(f"trace {figures.digest}")
    for rule in figures.violations:
        print(f"BROKEN: {rule}")


def main() -> int:
    parser = argparse.ArgumentParser(description="Deterministic simulation of the saga kernel")
    parser.add_argument("seed", type=int, nargs="?")
    parser.add_argument("--size", help=",".join(Size.__dataclass_fields__))
    parser.add_argument(
        "--shrink", action="store_true", help="look for a smaller schedule that breaks the rule"
    )
    parser.add_argument("--seeds", type=int, help="run so many seeds on all cores")
    parser.add_argument("--first", type=int, default=random.SystemRandom().randrange(10**9))
    asked = parser.parse_args()
    if asked.seeds:
        return int(explore(asked.first, asked.seeds) > 0)
    if asked.seed is None:
        parser.error("a seed, or --seeds")
    seed, size = (
        asked.seed,
        Size(*map(int, asked.size.split(","))) if asked.size else Schedule(asked.seed).size,
    )
    figures = run(seed, size)
    if asked.shrink and figures.violations:
        seed, size, figures = shrink(seed, size)
    show(figures)
    print(f"python -m tests.simulation {seed} --size {','.join(map(str, astuple(size)))}")
    return int(bool(figures.violations))


if __name__ == "__main__":
    sys.exit(main())
