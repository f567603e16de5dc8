"""Errors on the wire: one table from error family to RFC 9457 problem document.

Every error answer of the API is made here, those of the framework included. `code` is the stable part that
programs compare; `detail` is for people.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

import psycopg
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import iter_route_contexts
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.exceptions import HTTPException

from app.crowd import Crowded
from app.json_response import JsonResponse
from app.positions import LostPosition, OtherTimeline
from app.privacy.cipher import KeyLocked
from app.readmodels.reading import ReadModelBehind
from app.security.errors import (
    ForgedForm,
    KeysUnavailable,
    RoleTooLow,
    TokenExpired,
    TokenInvalid,
    TokenMissing,
    TokenRevoked,
    WrongHost,
    WrongSaga,
)
from domain import Rejected, UnknownName
from eventstore import (
    AppendRefused,
    CommandIdReused,
    InvalidAppend,
    StoreUnavailable,
    UnknownSchema,
    UnsafeReader,
    WrongExpectedVersion,
)
from eventstore.errors import FollowerBehind, FollowerConflict, FollowerUnknown, OwnerNeeded, TablesBusy
from workflows.past import NotReached, NotThereYet
from workflows.saga.commands import Contention
from workflows.saga.errors import (
    CannotCompensate,
    InvalidBatch,
    InvalidSagaId,
    NotPossible,
    SagaConflict,
    SagaMoved,
    SagaNotFound,
    SignalConflict,
    SignalTooLarge,
    TooManySignals,
    UnknownSaga,
    UnknownSignal,
)

MEDIA_TYPE: Final = "application/problem+json"
FIELD_ERRORS_MAX: Final = 20
TEXT_CHARACTERS_MAX: Final = 500


class FieldError(BaseModel):
    """What is wrong with one field. `field` is its path in the body, or the name of the parameter."""

    field: str = Field(examples=["lines.0.quantity"])
    message: str = Field(examples=["Input should be greater than or equal to 1"])


class Problem(BaseModel):
    """An error, as RFC 9457 has it. Some codes add members of their own (`reason`, `current_version`, …)."""

    model_config = ConfigDict(extra="allow")

    type: str = Field(examples=["urn:saga-orchestrator:problem:invalid"])
    title: str = Field(examples=["The request is not valid"])
    status: int = Field(examples=[422])
    code: str = Field(examples=["invalid"])
    detail: str = Field(examples=["lines.0.quantity: Input should be greater than or equal to 1"])
    correlation_id: str | None = Field(default=None, examples=["0199d0c2-5d0b-7bb6-b6ad-3f8a4a3c2f10"])
    errors: list[FieldError] | None = None


class NotFound(Exception):
    """There is no such thing; the message says which."""


class InvalidRequest(Exception):
    """Fields of the request break a rule."""

    def __init__(self, errors: list[FieldError]) -> None:
        super().__init__("; ".join(f"{error.field}: {error.message}" for error in errors))
        self.errors = errors

    @classmethod
    def of(cls, error: ValidationError, *within: str) -> "InvalidRequest":
        """The request that pydantic refused; what it saw is the field `within` of the body."""
        return cls(_field_errors(((*within, *problem["loc"]), problem["msg"]) for problem in error.errors()))


class UnsupportedMediaType(Exception):
    """The body is not announced as JSON."""


class TooLarge(Exception):
    """The body has more bytes than the server takes."""


class TooManyRequests(Exception):
    """The client sends more requests than it may."""


class VersionMismatch(Exception):
    """If-Match names another version than the current one."""

    def __init__(self, stream: str, current_version: int) -> None:
        super().__init__(f"{stream} is at version {current_version}")
        self.current_version = current_version


class NotReady(Exception):
    """The server does not take requests yet, or its database is away."""

    def __init__(self, checks: Mapping[str, str]) -> None:
        super().__init__("; ".join(f"{name}: {state}" for name, state in checks.items() if state != "ok"))
        self.checks = checks


@dataclass(frozen=True, slots=True)
class Family:
    """How one family of errors is answered. `retry_after_seconds` says that trying again will help."""

    status: int
    code: str
    title: str
    retry_after_seconds: int | None = None


INTERNAL: Final = Family(500, "internal", "The server failed; the error is in its log")
_AWAY: Final = Family(503, "unavailable", "The database does not answer; nothing is lost, try again", 2)

FAMILIES: Final[Mapping[type[Exception], Family]] = {
    TokenMissing: Family(401, "unauthenticated", "Who are you?"),
    TokenInvalid: Family(401, "token-invalid", "The token is not known"),
    TokenExpired: Family(401, "token-expired", "The token has expired"),
    TokenRevoked: Family(401, "token-revoked", "The token was revoked"),
    RoleTooLow: Family(403, "role-too-low", "The role does not allow it"),
    ForgedForm: Family(403, "forged-form", "The form is not of a page of this console"),
    WrongHost: Family(421, "wrong-host", "An open server answers to names of its own machine only"),
    WrongSaga: Family(403, "wrong-saga", "The role is limited to other sagas"),
    Rejected: Family(409, "rejected", "The business says no"),
    WrongExpectedVersion: Family(409, "wrong-version", "Somebody else was first; read again, decide again"),
    CommandIdReused: Family(409, "idempotency-key-reused", "The key belongs to another request"),
    SagaConflict: Family(409, "saga-conflict", "The saga id belongs to another request"),
    SignalConflict: Family(409, "signal-conflict", "The id of the signal belongs to another one"),
    CannotCompensate: Family(409, "cannot-compensate", "The saga cannot be compensated as it is"),
    NotPossible: Family(409, "not-possible", "The saga's status does not allow it"),
    SagaNotFound: Family(404, "saga-not-found", "There is no such saga"),
    UnknownSaga: Family(404, "unknown-saga", "No saga has this name"),
    UnknownSignal: Family(404, "unknown-signal", "The saga receives no such signal"),
    UnknownSchema: Family(503, "unknown-schema", "This server's code does not know what is stored"),
    UnknownName: Family(404, "unknown-name", "No aggregate or command has this name"),
    NotFound: Family(404, "not-found", "There is no such thing"),
    NotThereYet: Family(404, "not-there-yet", "It was not there yet at that moment"),
    NotReached: Family(409, "not-reached", "The log has not come that far"),
    LostPosition: Family(410, "lost-position", "The position is of a log that was lost"),
    OtherTimeline: Family(410, "other-timeline", "The position is of another history; begin without it"),
    VersionMismatch: Family(412, "version-mismatch", "The aggregate is at another version"),
    SagaMoved: Family(412, "version-mismatch", "The saga is at another version"),
    SignalTooLarge: Family(413, "too-large", "The signal is too large"),
    TooManySignals: Family(429, "too-many-signals", "The saga got too many signals; try again", 1),
    TooManyRequests: Family(429, "too-many-requests", "You send too many requests; try again", 1),
    TooLarge: Family(413, "too-large", "The body is too large"),
    UnsupportedMediaType: Family(415, "unsupported-media-type", "The body must be application/json"),
    InvalidRequest: Family(422, "invalid", "The request is not valid"),
    RequestValidationError: Family(422, "invalid", "The request is not valid"),
    InvalidSagaId: Family(422, "invalid-saga-id", "This is no saga id"),
    InvalidBatch: Family(422, "invalid-batch", "These sagas cannot be started together"),
    InvalidAppend: Family(422, "invalid", "The request cannot be stored"),
    AppendRefused: Family(409, "run-exists", "A run of this saga exists already"),
    FollowerUnknown: Family(404, "unknown-projection", "No projection or subscription has this name"),
    FollowerConflict: Family(409, "projection-conflict", "The state of the projection does not allow it"),
    FollowerBehind: Family(409, "projection-behind", "It has not caught up with the log"),
    OwnerNeeded: Family(409, "owner-needed", "The server may not make or move tables"),
    TablesBusy: Family(503, "tables-busy", "Somebody holds the tables; nothing was changed, try again", 1),
    Contention: Family(503, "contention", "Too many writers at once; try again", 1),
    ReadModelBehind: Family(503, "read-model-behind", "The read model has not come so far yet; try again", 1),
    KeyLocked: Family(503, "key-locked", "The server lacks the master key of personal data"),
    KeysUnavailable: Family(503, "keys-unavailable", "The OIDC issuer does not answer; try again", 5),
    Crowded: Family(503, "crowded", "The server has too much to do; try again", 1),
    NotReady: Family(503, "not-ready", "The server is not ready", 1),
    StoreUnavailable: _AWAY,
    UnsafeReader: _AWAY,
    TimeoutError: _AWAY,
    # Also psycopg_pool.PoolTimeout: all connections are busy, or none can be made.
    psycopg.OperationalError: _AWAY,
    psycopg.InterfaceError: _AWAY,
}


def problem_response(error: Exception, correlation_id: str | None = None) -> JsonResponse:
    """The answer for an error of the table; anything else is answered 500.

    What the database says is left out, like the text of an unexpected error: it names hosts and statements.
    """
    if isinstance(error, HTTPException):
        return _response(_http_family(error), str(error.detail), correlation_id, {}, error.headers)
    family = family_of(error)
    detail = "" if family in (INTERNAL, _AWAY) else str(error)
    return _response(family, detail, correlation_id, _members(error), None)


def problem_document(family: Family, detail: str, correlation_id: str | None) -> dict[str, Any]:
    """What every problem says; its family may add to it."""
    return {
        "type": f"urn:saga-orchestrator:problem:{family.code}",
        "title": family.title,
        "status": family.status,
        "code": family.code,
        "detail": _bounded(detail) or family.title,
        "correlation_id": correlation_id,
    }


def family_of(error: Exception) -> Family:
    """The family of an error of ours, the nearest one in the table."""
    return next((FAMILIES[kind] for kind in type(error).__mro__ if kind in FAMILIES), INTERNAL)


def install_problems(app: FastAPI) -> None:
    """Answer the errors of the table and those of the framework with problem documents."""

    async def answer(request: Request, error: Exception) -> JsonResponse:
        if isinstance(error, HTTPException) and error.status_code == 405:
            error = HTTPException(405, error.detail, {"Allow": ", ".join(_allowed(app, request))})
        return problem_response(error, request.state.correlation_id)

    for kind in (*FAMILIES, HTTPException):
        app.add_exception_handler(kind, answer)


def _allowed(app: FastAPI, request: Request) -> list[str]:
    """What the path may be asked with. Each route knows of its own methods only, and some share a path."""
    path = request.scope["path"]
    routes = (route for route in iter_route_contexts(app.routes) if route.path_regex.fullmatch(path))
    methods = set[str]().union(*(route.methods or () for route in routes))
    return sorted(methods | ({"HEAD"} if "GET" in methods else set()))


def _members(error: Exception) -> dict[str, Any]:  # noqa: PLR0911 - one a family
    """What a family adds to its problem documents."""
    match error:
        case Rejected():
            return {"reason": error.reason, "rejection": error.code, "data": error.data}
        case WrongExpectedVersion():
            return {"current_version": error.actual}
        case VersionMismatch():
            return {"current_version": error.current_version}
        case SagaMoved():
            return {"current_version": error.version}
        case FollowerBehind():
            return {"behind": error.behind}
        case NotReached() | NotThereYet():
            return error.known
        case LostPosition():
            return {"last_position": error.last_position}
        case NotReady():
            return {"checks": error.checks}
        case ReadModelBehind():
            return {"read_model": error.name, "position": error.position}
        case InvalidRequest():
            return {"errors": [each.model_dump() for each in error.errors]}
        case RequestValidationError():
            problems = ((problem["loc"][1:], problem["msg"]) for problem in error.errors())
            return {"errors": [each.model_dump() for each in _field_errors(problems)]}
        case _:
            return {}


def _field_errors(problems: Iterable[tuple[tuple[int | str, ...], str]]) -> list[FieldError]:
    """Bounded, because a hostile body has as many errors as it likes."""
    errors = [
        FieldError(field=_bounded(".".join(map(str, place))) or "body", message=_bounded(message))
        for place, message in problems
    ]
    return errors[:FIELD_ERRORS_MAX]


def _bounded(text: str) -> str:
    """Short enough to print, without what pydantic says before a message of ours."""
    return text.removeprefix("Value error, ")[:TEXT_CHARACTERS_MAX]


def _http_family(error: HTTPException) -> Family:
    phrase = HTTPStatus(error.status_code).phrase
    return Family(error.status_code, phrase.lower().replace(" ", "-"), phrase)


def _response(
    family: Family,
    detail: str,
    correlation_id: str | None,
    members: Mapping[str, Any],
    headers: Mapping[str, str] | None,
) -> JsonResponse:
    document = {**problem_document(family, _detail(detail, members), correlation_id), **members}
    if family.status == 401:
        headers = {**(headers or {}), "WWW-Authenticate": _challenge(family)}
    retry = {} if family.retry_after_seconds is None else {"Retry-After": str(family.retry_after_seconds)}
    return JsonResponse(document, family.status, {**(headers or {}), **retry}, media_type=MEDIA_TYPE)


def _challenge(family: Family) -> str:
    """As RFC 6750 has it: who showed nothing is told no error."""
    challenge = 'Bearer realm="saga"'
    return challenge if family.code == "unauthenticated" else f'{challenge}, error="invalid_token"'


def _detail(detail: str, members: Mapping[str, Any]) -> str:
    """Field errors say it better than pydantic's summary, which also quotes the input."""
    errors = members.get("errors")
    return "; ".join(f"{each['field']}: {each['message']}" for each in errors) if errors else detail
