"""Many seeds, on several processes: what happened in all of them, and which break a rule."""

import faulthandler
import multiprocessing
import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from dataclasses import dataclass, field

from tests.simulation.schedule import run

CHUNK = 50
CHUNKS_AHEAD = 3
"""As many for each process are on their way: memory does not grow with the number of seeds."""
CHUNK_SECONDS_MAX = 300
"""A process that needs longer for one chunk hangs: it says where, and ends."""
PROGRESS_SECONDS = 10.0


@dataclass
class Tally:
    """What happened under some seeds. `lost` are the first seeds of chunks of which nothing is known."""

    schedules: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    ends: Counter[str] = field(default_factory=Counter)
    findings: list[tuple[int, str]] = field(default_factory=list)
    lost: list[int] = field(default_factory=list)

    def add(self, more: "Tally") -> None:
        self.schedules += more.schedules
        self.counts.update(more.counts)
        self.ends.update(more.ends)
        self.findings += more.findings
        self.lost += more.lost

    @property
    def clean(self) -> bool:
        return not self.findings and not self.lost


def try_seeds(seeds: range) -> Tally:
    """Run these, one after the other."""
    tally = Tally()
    for seed in seeds:
        figures = run(seed)
        tally.schedules += 1
        tally.counts.update(
            sagas=figures.sagas, events=figures.events, crashes=figures.crashes, pauses=figures.pauses
        )
        tally.ends.update(figures.ends)
        if figures.violations:
            tally.findings.append((seed, figures.violations[0]))
    return tally


def _watched(seeds: range) -> Tally:
    faulthandler.dump_traceback_later(CHUNK_SECONDS_MAX, exit=True)
    try:
        return try_seeds(seeds)
    finally:
        faulthandler.cancel_dump_traceback_later()


def _belong_to_the_parent() -> None:
    """Leave interrupts to it, and do not outlive it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_the_parent, daemon=True).start()


def _end_with_the_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def processes(number: int) -> ProcessPoolExecutor:
    """So many, to try seeds on. Their memory is not a copy of ours."""
    spawn = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(number, mp_context=spawn, initializer=_belong_to_the_parent)


def try_all(seeds: range, number: int) -> Iterator[Tally]:
    """Try all on so many processes; gives the tally of each chunk. A process that dies costs the chunks that
    were on their way: they are given as lost, and the others go on with new processes."""
    chunks = (seeds[place : place + CHUNK] for place in range(0, len(seeds), CHUNK))
    while True:
        pool, waiting = processes(number), dict[Future[Tally], range]()
        try:
            yield from _keep_busy(pool, waiting, chunks, number)
            return
        except BrokenProcessPool:
            yield Tally(lost=[chunk[0] for chunk in waiting.values()])
        finally:
            pool.shutdown(cancel_futures=True)


def _keep_busy(
    pool: ProcessPoolExecutor, waiting: dict[Future[Tally], range], chunks: Iterator[range], number: int
) -> Iterator[Tally]:
    while True:
        while len(waiting) < number * CHUNKS_AHEAD and (chunk := next(chunks, None)) is not None:
            waiting[pool.submit(_watched, chunk)] = chunk
        if not waiting:
            return
        done, _ = wait(waiting, return_when=FIRST_COMPLETED)
        for future in done:
            tally = future.result()
            del waiting[future]
            yield tally


def explore(first: int, count: int, number: int) -> Tally:
    """Try many seeds and say on the way how far it has come; also what happened until it was interrupted."""
    began = said = time.monotonic()
    seeds, whole = range(first, first + count), Tally()
    with suppress(KeyboardInterrupt):
        for tally in try_all(seeds, number):
            whole.add(tally)
            report(tally)
            if time.monotonic() - said > PROGRESS_SECONDS:
                said = time.monotonic()
                print(_progress(whole, count, said - began), flush=True)
    print(summary(whole, seeds, time.monotonic() - began, number), flush=True)
    return whole


def report(tally: Tally) -> None:
    """Say what was found, and how to see it again."""
    for seed, violation in tally.findings:
        print(f"seed {seed}: {violation}\n{commands(seed)}", flush=True)
    for first in tally.lost:
        again = f"python -m tests.simulation --seeds {CHUNK} --first {first}"
        print(f"A process died while it tried seeds {first} to {first + CHUNK - 1}, or before:\n    {again}")


def commands(seed: int, *options: str) -> str:
    """The commands that replay and shrink this seed."""
    replay = " ".join(("python -m tests.simulation", str(seed), *options))
    return f"    {replay}\n    {replay} --shrink"


def _progress(whole: Tally, count: int, seconds: float) -> str:
    rate = whole.schedules / seconds
    left = (count - whole.schedules) / rate / 60 if rate else 0
    found = len(whole.findings)
    return f"{whole.schedules} of {count} schedules, {rate:.0f}/s, {left:.0f} min left, {found} break a rule"


def summary(whole: Tally, seeds: range, seconds: float, number: int) -> str:
    """A table for docs/reliability.md."""
    counts, rate = whole.counts, whole.schedules / seconds
    rows = [
        ("seeds", f"{seeds[0]:,} to {seeds[-1]:,}"),
        ("schedules", f"{whole.schedules:,} in {seconds:,.0f} s on {number} processes, {rate:,.0f}/s"),
        ("sagas", f"{counts['sagas']:,}: {_list(whole.ends)}"),
        ("events", f"{counts['events']:,}"),
        ("processes that died, that slept", f"{counts['crashes']:,}, {counts['pauses']:,}"),
        ("schedules that break a rule", f"{len(whole.findings):,}"),
    ]
    if whole.lost:
        rows.append(("chunks of seeds that were lost", f"{len(whole.lost):,}"))
    return "\n".join(("", "| figure | |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows)))


def _list(ends: Counter[str]) -> str:
    return ", ".join(f"{number:,} {status}" for status, number in ends.most_common())
