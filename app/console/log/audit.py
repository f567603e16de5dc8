"""Audit: why a value is what it is, what operators have done, whether the log is what was sealed."""

import asyncio
import re
from dataclasses import dataclass
from typing import Annotated, Final

import psycopg
from fastapi import APIRouter, Query, Request, Response

from app.api.command_names import find_category
from app.api.requests import RuntimeOf, in_time
from app.console.log.queries import Wanted, find_events
from app.console.rendering import page
from app.console.saga.operations import OPERATIONS
from app.crowd import Crowd
from app.ids import ID_PATTERN
from app.positions import POSITION_MAX
from app.problems import FieldError, InvalidRequest
from app.runtime import Runtime
from app.security.forms import form_of
from app.why import Link, Why
from eventstore.audit.findings import Report
from eventstore.audit.seals import newest_seals
from eventstore.audit.verification import Scope, verify
from eventstore.connections import CONNECTION_KWARGS, configure
from workflows.differences import FieldChange
from workflows.past import Change

router = APIRouter(include_in_schema=False)

VERIFY_SECONDS: Final = 15.0
"""So long one form verifies; then it says how far it has come, and from where to go on."""
VERSIONS_PAGE: Final = 200
"""So many versions, backwards, are looked through for what has changed a value."""
CHANGES_SHOWN: Final = 20
ACTIONS_PAGE: Final = 30
ACTIONS: Final = (
    *OPERATIONS,
    *(f"{kind}{what}" for kind in ("Projection", "Subscription") for what in ("Retried", "Skipped")),
    *(
        f"Projection{what}"
        for what in ("RebuildStarted", "RebuildPaused", "RebuildResumed", "Promoted", "Returned", "Discarded")
    ),
)
"""The durable names of what people decide."""

_verifying: Final = Crowd("verifications", 1)
Text = Annotated[str, Query(max_length=250)]


@dataclass(frozen=True, slots=True)
class Answer:
    """The changes of a value, the newest first, and the chain that led to the newest. `next` is the version
    to look on from, None when all were looked through."""

    changes: list[tuple[Change, list[FieldChange]]]
    chain: list[Link]
    next: int | None


@router.get("/console/audit")
async def audit(
    request: Request,
    runtime: RuntimeOf,
    category: Annotated[str, Query(max_length=120, pattern=f"^$|{ID_PATTERN}")] = "",
    key: Annotated[str, Query(max_length=120, pattern=f"^$|{ID_PATTERN}")] = "",
    path: Text = "",
    start: Annotated[int | None, Query(alias="from", ge=1, le=2**31 - 1)] = None,
    before: Annotated[str, Query(pattern=r"^[0-9]{0,13}$")] = "",
) -> Response:
    """The questions, the answer to why, and the newest decisions of operators."""
    async with in_time(runtime):
        answer = None
        if category or key:
            answer = await _why(runtime, category, key, path, start)
        place = int(before or POSITION_MAX + 1)
        actions = await find_events(runtime, Wanted(types=list(ACTIONS)), place, ACTIONS_PAGE, backwards=True)
        seals = await newest_seals(runtime.pool, 1, POSITION_MAX)
    return page(
        request,
        "audit.html",
        categories=list(runtime.codec.catalog.deciders),
        category=category,
        key=key,
        at=path,
        answer=answer,
        actions=actions,
        before=before,
        seal=seals[0].header if seals else None,
        versions=VERSIONS_PAGE,
        seconds=VERIFY_SECONDS,
    )


async def _why(runtime: Runtime, category: str, key: str, path: str, start: int | None) -> Answer:
    """Raises InvalidRequest, UnknownName."""
    if not category or not key:
        raise InvalidRequest([FieldError(field="key", message="say which aggregate: its category and key")])
    find_category(runtime.codec.catalog, category)
    changes, following = await runtime.past.history(category, key, start, VERSIONS_PAGE, backwards=True)
    told = [(each, within) for each in changes if (within := differences_at(each.differences, path))]
    if len(told) > CHANGES_SHOWN:
        following = told[CHANGES_SHOWN][0].event.version
    chain = await Why(runtime.store).chain(told[0][0].event) if told else []
    return Answer(told[:CHANGES_SHOWN], chain, following)


def differences_at(differences: list[FieldChange], path: str) -> list[FieldChange]:
    """Those at a JSON pointer or below it, and those that took in all of what it was part of."""
    wanted = "/" + path.strip().strip("/") if path.strip("/ ") else ""
    return [
        each
        for each in differences
        if each.path == wanted or each.path.startswith(f"{wanted}/") or wanted.startswith(f"{each.path}/")
    ]


@router.post("/console/audit/verify")
async def verified(request: Request, runtime: RuntimeOf) -> Response:
    """Reads the log again from a block on, for a bounded time. Raises InvalidRequest, Crowded."""
    text = (await form_of(request)).get("from") or "1"
    if re.fullmatch("[0-9]{1,13}", text) is None or int(text) < 1:
        raise InvalidRequest([FieldError(field="from", message="must be the number of a block")])
    report = Report(int(text))
    with _verifying.place():
        try:
            complete = await _verify(runtime, report)
        except LookupError:
            raise InvalidRequest([FieldError(field="from", message="there is no such block")]) from None
    return page(request, "verified.html", report=report, complete=complete, seconds=VERIFY_SECONDS)


async def _verify(runtime: Runtime, report: Report) -> bool:
    """Whether it came to the end in time; else the report is of the blocks until then."""
    try:
        async with (
            asyncio.timeout(VERIFY_SECONDS),
            await psycopg.AsyncConnection.connect(runtime.urls.direct, **CONNECTION_KWARGS) as connection,
        ):
            await configure(connection)
            await connection.execute("set statement_timeout = 0")
            await connection.execute("set default_transaction_read_only = on")
            await verify(connection, Scope(report.from_block), report=report)
    except TimeoutError:
        return False
    return True
