"""Executors, followers of the log, sagas that wait for a person or for a run."""

import asyncio
from collections import Counter
from datetime import timedelta
from typing import Final

from app.doctor.findings import Finding
from app.executors.listing import read_executors
from app.readmodels.sagas import SagaList
from eventstore.appender import Appender
from eventstore.connections import Pool
from eventstore.postgres import PostgresEventStore
from eventstore.standings import Standings
from workflows.saga.dbos_rows import active_runs
from workflows.saga.runs import run_id

LAG_SECONDS_MAX: Final = 30.0
NAMED_MAX: Final = 5

_STUCK: Final = """
    select saga_id, count(*) over () from readmodels.sagas where status = 'stuck' order by saga_id limit %s
"""


async def executors(pool: Pool) -> list[Finding]:
    """Whether somebody runs sagas, and whether the dead are buried."""
    states = Counter(executor.state for executor in await read_executors(pool))
    if not states["alive"]:
        do = "start saga serve or saga worker"
        return [Finding("executors", "error", "nobody holds a lease: no saga goes on", do)]
    says = f"{states['alive']} alive, {states['silent']} silent"
    if states["silent"]:
        do = "it should be buried within seconds; if it stays so see saga executors, and end its process"
        return [Finding("executors", "warning", says, do)]
    return [Finding("executors", "ok", says)]


async def followers(pool: Pool) -> list[Finding]:
    """Whether read models and subscriptions keep up with the log."""
    found = []
    for view in await Standings(pool, PostgresEventStore(pool, Appender(pool)), {}).all():
        if view.live.parked is not None:
            do = f"saga projections show {view.name}; then retry or skip, or deploy code that understands it"
            found.append(Finding("followers", "error", f"{view.name} is {view.live.parked}", do))
        elif view.live.lag.events and view.live.lag.seconds > LAG_SECONDS_MAX:
            lag = view.live.lag
            says = f"{view.name} is {lag.events} events and {lag.seconds:.0f} s behind"
            do = "is a process with SAGA_FOLLOW_LOG up, and has it time? GET /health/ready says what lags"
            found.append(Finding("followers", "warning", says, do))
    return found or [Finding("followers", "ok", "all keep up with the log")]


async def stuck_sagas(pool: Pool) -> list[Finding]:
    """Those that wait for a person."""
    async with pool.connection() as connection:
        rows = await (await connection.execute(_STUCK, [NAMED_MAX])).fetchall()
    if not rows:
        return [Finding("stuck sagas", "ok", "none")]
    says = f"{rows[0][1]}: {_some([saga_id for saga_id, _ in rows], rows[0][1])}"
    do = "saga show ID says why; then saga resume, skip, compensate or abandon"
    return [Finding("stuck sagas", "warning", says, do)]


async def sagas_without_run(pool: Pool, url: str, age: timedelta) -> list[Finding]:
    """Sagas for which something is due and DBOS has no run. An executor names the next one once a minute."""
    overdue = await SagaList(pool).overdue(age)
    named = {run_id(saga.saga_id, saga.named_run): saga.saga_id for saga in overdue}
    active = await asyncio.to_thread(active_runs, url, list(named))
    lost = sorted(saga_id for name, saga_id in named.items() if name not in active)
    if lost:
        do = "a living executor repairs it within a minute; if it does not, see `saga had no run` in its log"
        return [Finding("runs", "warning", f"{len(lost)} sagas without a run: {_some(lost, len(lost))}", do)]
    return [Finding("runs", "ok", "every saga for which something is due has one")]


def _some(saga_ids: list[str], of: int) -> str:
    return ", ".join(saga_ids[:NAMED_MAX]) + (", …" if of > NAMED_MAX else "")
