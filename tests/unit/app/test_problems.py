"""Errors as problem documents, without a server."""

import psycopg
import psycopg_pool
import pytest
from starlette.exceptions import HTTPException

from app.problems import VersionMismatch, problem_response
from domain import Rejected
from eventstore import CommandIdReused, StoreUnavailable, WrongExpectedVersion
from workflows.saga.commands import Contention
from workflows.saga.errors import (
    CannotCompensate,
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

SECRET = "host=db.internal password=hunter2"  # what the text of an error may hold


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (Rejected("no"), 409, "rejected"),
        (WrongExpectedVersion("account-a", 1, 2), 409, "wrong-version"),
        (CommandIdReused("a"), 409, "idempotency-key-reused"),
        (SagaConflict("taken"), 409, "saga-conflict"),
        (CannotCompensate("past its pivot"), 409, "cannot-compensate"),
        (SagaNotFound("a"), 404, "saga-not-found"),
        (UnknownSaga("a"), 404, "unknown-saga"),
        (InvalidSagaId("a"), 422, "invalid-saga-id"),
        (NotPossible("completed"), 409, "not-possible"),
        (SignalConflict("another"), 409, "signal-conflict"),
        (UnknownSignal("none"), 404, "unknown-signal"),
        (SagaMoved("s1", 7), 412, "version-mismatch"),
        (SignalTooLarge("too much"), 413, "too-large"),
        (VersionMismatch("account-a", 2), 412, "version-mismatch"),
        (HTTPException(405, headers={"Allow": "GET"}), 405, "method-not-allowed"),
    ],
)
def test_each_family_has_a_status_and_a_code(error: Exception, status: int, code: str) -> None:
    answer = problem_response(error, "trace-1")

    assert answer.status_code == status
    assert answer.media_type == "application/problem+json"
    assert f'"code":"{code}"'.encode() in answer.body
    assert b'"correlation_id":"trace-1"' in answer.body
    assert "Retry-After" not in answer.headers


@pytest.mark.parametrize(
    "error",
    [
        StoreUnavailable(SECRET),
        psycopg.OperationalError(SECRET),
        psycopg.errors.QueryCanceled(SECRET),
        psycopg.errors.AdminShutdown(SECRET),
        psycopg_pool.PoolTimeout(SECRET),
        TimeoutError(SECRET),
        Contention("account-a moved"),
    ],
)
def test_what_passes_by_itself_says_when_to_try_again(error: Exception) -> None:
    answer = problem_response(error)

    assert answer.status_code == 503
    assert int(answer.headers["Retry-After"]) > 0
    assert b"hunter2" not in answer.body


def test_a_bug_says_nothing_of_itself() -> None:
    answer = problem_response(ValueError(SECRET))

    assert answer.status_code == 500
    assert b"hunter2" not in answer.body


def test_members_tell_programs_what_they_need() -> None:
    rejected = problem_response(Rejected("too little", code="insufficient-funds", data={"balance": 5}))
    raced = problem_response(WrongExpectedVersion("account-a", 1, 7))

    assert b'"reason":"too little","rejection":"insufficient-funds","data":{"balance":5}' in rejected.body
    assert b'"current_version":7' in raced.body
    assert b'"current_version":7' in problem_response(SagaMoved("s1", 7)).body


def test_too_many_signals_are_told_to_come_again() -> None:
    answer = problem_response(TooManySignals("20 in a second"))

    assert answer.status_code == 429
    assert int(answer.headers["Retry-After"]) > 0
