"""What routes take from a request: the runtime, headers, the JSON body, the bounds of a page."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Final, TypeVar

import orjson
from fastapi import Depends, Header, Path, Query, Request
from pydantic import AwareDatetime, BaseModel, BeforeValidator, StringConstraints, ValidationError

from app.ids import ID_LENGTH_MAX, ID_PATTERN
from app.problems import FieldError, InvalidRequest, UnsupportedMediaType
from app.runtime import Runtime
from app.security.authorizing import principal_of
from domain.personal import TOKEN_PREFIX
from domain.values import Name
from eventstore.validation import MAX_VERSION

M = TypeVar("M", bound=BaseModel)

PATIENCE_SECONDS: Final = 2.0
"""How long a read model is waited for when the client does not say."""
NO_TOKEN: Final = f"must not contain {TOKEN_PREFIX!r}, which marks encrypted values"
JSON_DEPTH_MAX: Final = 64
"""Levels of objects and lists in a body."""
_RFC_3339: Final = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
_WAIT: Final = re.compile(r"(?:^|[,;])\s*wait\s*=\s*\"?(\d{1,6})\"?\s*(?=$|[,;])")


# Dependencies are `async`, also those that wait for nothing: FastAPI runs the others in threads, and each hop
# waits for the interpreter's lock.


def runtime_of(request: Request) -> Runtime:
    runtime: Runtime = request.app.state.runtime
    return runtime


async def _runtime(request: Request) -> Runtime:
    return runtime_of(request)


RuntimeOf = Annotated[Runtime, Depends(_runtime)]


async def stopping_of(request: Request) -> asyncio.Event:
    stopping: asyncio.Event = request.app.state.stopping
    return stopping


Stopping = Annotated[asyncio.Event, Depends(stopping_of)]


def in_time(runtime: Runtime, more_seconds: float = 0.0) -> asyncio.Timeout:
    """Bounds what a route does: a saga may wait for its database, a client should not wait as long.

    After a TimeoutError, answered 503, a write may or may not have happened. `more_seconds` are what the
    client itself wants to wait.
    """
    return asyncio.timeout(runtime.settings.request_seconds_max + more_seconds)


@asynccontextmanager
async def admitted(runtime: Runtime) -> AsyncIterator[None]:
    """As `in_time`, for what starts work: it needs a place, and has one for no longer than it takes to start.

    Raises Crowded.
    """
    with runtime.starts.place():
        async with in_time(runtime):
            yield


def _actor(
    request: Request,
    said: Annotated[
        str,
        Header(
            alias="X-Actor",
            pattern=r"^[\x20-\x7e]+$",
            max_length=120,
            description="Who asks, where nobody has to prove it; else this is ignored.",
        ),
    ] = "anonymous",
) -> str:
    principal = principal_of(request)
    return said if principal is None else principal.actor


Actor = Annotated[str, Depends(_actor)]
"""Who asks: the one who has proved it; where nobody has to, whom the header names, or `anonymous`."""

Reason = Annotated[Name, StringConstraints(strip_whitespace=True)]
"""Why: a line that is not blank."""

IdempotencyKey = Annotated[
    str | None,
    Header(alias="Idempotency-Key", pattern=ID_PATTERN, min_length=1, max_length=ID_LENGTH_MAX),
]

IfMatch = Annotated[
    str | None,
    Header(
        alias="If-Match",
        pattern=r'^(\*|"\d{1,10}")$',
        description="The `ETag` that it must still have.",
    ),
]


async def expected_version(if_match: IfMatch = None) -> int | None:
    """The version that `If-Match` names; None for any."""
    return None if if_match in (None, "*") else int(if_match.strip('"'))


ExpectedVersion = Annotated[int | None, Depends(expected_version)]
"""The version that `If-Match` names; None for any."""

Key = Annotated[str, Path(pattern=ID_PATTERN, max_length=120)]
StreamName = Annotated[str, Path(pattern=ID_PATTERN, max_length=250, examples=["account-VINET"])]
SagaId = Annotated[str, Path(pattern=ID_PATTERN, max_length=120, examples=["fulfil-order-10248"])]
FromVersion = Annotated[
    int, Query(alias="from", ge=1, le=MAX_VERSION, description="The first version of the page.")
]


async def _page_size(
    request: Request,
    limit: Annotated[int, Query(ge=1, description="Page size; the server has a bound.")] = 100,
) -> int:
    return min(limit, runtime_of(request).settings.page_size_max)


PageSize = Annotated[int, Depends(_page_size)]


@dataclass(frozen=True, slots=True)
class Correlation:
    """`given` is the client's own id; `own` always there, made here if need be."""

    own: str
    given: str | None


async def _correlation(
    request: Request,
    _: Annotated[
        str | None,
        Header(
            alias="X-Correlation-Id",
            pattern=ID_PATTERN,
            max_length=ID_LENGTH_MAX,
            description="Ties together what follows; also in the answer.",
        ),
    ] = None,
) -> Correlation:
    return Correlation(request.state.correlation_id, request.state.given_correlation_id)


CorrelationOf = Annotated[Correlation, Depends(_correlation)]


async def wait_seconds(
    request: Request,
    _: Annotated[
        str | None,
        Header(
            alias="Prefer",
            description="`wait=N`: hold the answer for up to N seconds until the saga has ended.",
            examples=["wait=5"],
        ),
    ] = None,
) -> float:
    """What `Prefer: wait=N` asks for, bounded by the settings; the rest of the header is ignored."""
    return _asked_seconds(request, 0.0)


async def patience_seconds(
    request: Request,
    _: Annotated[
        str | None,
        Header(
            alias="Prefer",
            description="`wait=N`: wait up to N seconds for a read model that has not come to `after`; "
            f"{PATIENCE_SECONDS:g} when it is not said.",
            examples=["wait=5"],
        ),
    ] = None,
) -> float:
    """How long a read model may take to come to the position that is asked for."""
    return _asked_seconds(request, PATIENCE_SECONDS)


def _asked_seconds(request: Request, default: float) -> float:
    asked = _WAIT.search(",".join(request.headers.getlist("prefer")))
    return min(float(asked[1]) if asked else default, runtime_of(request).settings.wait_seconds_max)


WaitSeconds = Annotated[float, Depends(wait_seconds)]
PatienceSeconds = Annotated[float, Depends(patience_seconds)]


async def json_object(request: Request) -> dict[str, Any]:
    """The body as a JSON object. Raises UnsupportedMediaType, InvalidRequest.

    orjson is strict where the standard library is not: NaN, lone surrogates, bytes that are not UTF-8 and
    endless nesting are refused here, before anything could store them. JSON must be announced: a browser
    sends a foreign page's form without asking anybody, but not with this media type.
    """
    announced = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if announced != "application/json" and not re.fullmatch(r"application/[\w.+-]+\+json", announced):
        raise UnsupportedMediaType(f"the body must be application/json, not {announced[:100] or 'unnamed'}")
    try:
        body = await request.body()
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise InvalidRequest([FieldError(field="body", message=f"not JSON: {error}")]) from None
    if not isinstance(document, dict):
        raise InvalidRequest([FieldError(field="body", message="must be a JSON object")])
    if body.count(b"{") + body.count(b"[") > JSON_DEPTH_MAX:
        refuse_depth(document)
    if TOKEN_PREFIX.encode() in body or b"\\u" in body:
        refuse_tokens(document)
    return document


def refuse_tokens(document: dict[str, Any]) -> None:
    """What looks like an encrypted value would be decrypted in answers, for whoever sent it.

    Raises InvalidRequest.
    """
    waiting: list[tuple[str, Any]] = [("", document)]
    while waiting:
        place, value = waiting.pop()
        match value:
            case dict():
                waiting += [(f"{place}.{name}", each) for name, each in value.items()]
                waiting += [(place, name) for name in value]
            case list():
                waiting += [(f"{place}.{number}", each) for number, each in enumerate(value)]
            case str() if TOKEN_PREFIX in value:
                raise InvalidRequest([FieldError(field=place.removeprefix(".") or "body", message=NO_TOKEN)])


def refuse_depth(document: dict[str, Any]) -> None:
    """Bounded, so that nothing that is stored, printed or folded later has to go deeper.

    Raises InvalidRequest.
    """
    level: list[Any] = [document]
    for _ in range(JSON_DEPTH_MAX):
        level = [
            each
            for value in level
            for each in (value.values() if isinstance(value, dict) else value)
            if isinstance(each, (dict, list))
        ]
        if not level:
            return
    message = f"has more than {JSON_DEPTH_MAX} levels of objects and lists"
    raise InvalidRequest([FieldError(field="body", message=message)])


JsonObject = Annotated[dict[str, Any], Depends(json_object)]


def validated(model: type[M], document: dict[str, Any]) -> M:
    """`document` as a `model`. Raises InvalidRequest."""
    try:
        return model.model_validate(document)
    except ValidationError as error:
        raise InvalidRequest.of(error) from None


def _rfc_3339(value: object) -> object:
    """Pydantic alone takes numbers of seconds as well. Raises ValueError."""
    if isinstance(value, str) and not _RFC_3339.fullmatch(value):
        raise ValueError("must be a time as in RFC 3339, such as 2026-12-24T18:00:00Z")
    return value


DATE_TIME: Final[dict[str, Any]] = {"format": "date-time"}
"""For the schema of a parameter that is read by `time_of`."""
Time = Annotated[AwareDatetime, BeforeValidator(_rfc_3339)]
"""A time with an offset, as in RFC 3339 and not otherwise."""


def time_of(parameter: str, text: str) -> datetime:
    """A parameter that is a time with an offset, in UTC. Raises InvalidRequest."""
    try:
        _rfc_3339(text)
        return datetime.fromisoformat(text.upper()).astimezone(UTC)
    except OverflowError:
        message = "is out of range"
    except ValueError as error:
        message = str(error)
    raise InvalidRequest([FieldError(field=parameter, message=message)])
