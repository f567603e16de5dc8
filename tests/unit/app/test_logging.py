"""Every record, ours or a library's, leaves in one format."""

import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog
from opentelemetry.sdk.trace import TracerProvider

from app.logging import LogFormat, configure_logging
from app.security.tokens import new_token


@pytest.fixture(autouse=True)
def restored_logging() -> Iterator[None]:
    """Logging is global; the other tests want pytest's."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    logging.captureWarnings(capture=False)
    structlog.reset_defaults()
    root.handlers, root.level = handlers, level


def lines(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_own_and_foreign_records_are_json_with_the_bound_saga() -> None:
    stream = io.StringIO()
    configure_logging("json", "INFO", stream)

    with structlog.contextvars.bound_contextvars(saga_id="order-1"):
        structlog.get_logger("workflows").info("step done", step="2")
        logging.getLogger("uvicorn.error").warning("took %d ms", 7)

    own, foreign = lines(stream)
    assert (own["event"], own["step"], own["saga_id"], own["level"]) == ("step done", "2", "order-1", "info")
    assert (foreign["event"], foreign["logger"], foreign["saga_id"]) == (
        "took 7 ms",
        "uvicorn.error",
        "order-1",
    )


def test_what_is_logged_in_a_span_says_so() -> None:
    stream = io.StringIO()
    configure_logging("json", "INFO", stream)

    with TracerProvider().get_tracer("test").start_as_current_span("run") as span:
        structlog.get_logger("workflows").info("inside")
        logging.getLogger("uvicorn.error").warning("inside, too")
    structlog.get_logger("workflows").info("outside")

    *inside, outside = lines(stream)
    ids = f"{span.get_span_context().trace_id:032x}", f"{span.get_span_context().span_id:016x}"
    assert [(line["trace_id"], line["span_id"]) for line in inside] == [ids, ids]
    assert not {"trace_id", "span_id"} & outside.keys()


def test_dbos_records_keep_the_run_and_lose_the_advertisement() -> None:
    stream = io.StringIO()
    configure_logging("json", "INFO", stream)
    dbos = logging.getLogger("dbos")
    dbos.setLevel("INFO")  # as DBOS itself does when it is configured so

    dbos.info("To view and manage workflows, connect to DBOS Conductor")
    dbos.error("it broke", extra={"operationUUID": "order-1/2"})

    [kept] = lines(stream)
    assert kept["operationUUID"] == "order-1/2"
    assert dbos.handlers, "DBOS adds no handler of its own to a logger that has one"


def test_a_traceback_is_data_in_json() -> None:
    stream = io.StringIO()
    configure_logging("json", "INFO", stream)

    try:
        raise ZeroDivisionError("by zero")
    except ZeroDivisionError:
        logging.getLogger("app").exception("failed")

    [record] = lines(stream)
    assert "by zero" in json.dumps(record["exception"])


def test_the_level_holds_and_libraries_are_quiet_below_warning() -> None:
    stream = io.StringIO()
    configure_logging("json", "INFO", stream)

    logging.getLogger("app").debug("hidden")
    logging.getLogger("httpx").info("hidden")
    logging.getLogger("httpx").warning("seen")

    assert [record["event"] for record in lines(stream)] == ["seen"]


@pytest.mark.parametrize(("level", "seen"), [("DEBUG", ["info", "error"]), ("ERROR", ["error"])])
def test_the_libraries_follow_the_most_and_the_least_talkative_level(level: str, seen: list[str]) -> None:
    stream = io.StringIO()
    configure_logging("json", level, stream)

    logging.getLogger("httpx").info("info")
    logging.getLogger("httpx").error("error")

    assert [record["event"] for record in lines(stream)] == seen


def test_people_get_lines_not_json() -> None:
    stream = io.StringIO()
    configure_logging("console", "INFO", stream)

    structlog.get_logger("app").info("ready", port=8000)

    assert "ready" in stream.getvalue()
    with pytest.raises(json.JSONDecodeError):
        json.loads(stream.getvalue())


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_a_traceback_tells_no_local_variables(log_format: LogFormat) -> None:
    stream = io.StringIO()
    configure_logging(log_format, "INFO", stream)

    def fail(url: str) -> None:
        raise ValueError(f"{len(url)} characters")

    password = "".join(reversed("DROWSSAP"))  # source lines are shown
    try:
        fail(f"postgresql://saga:{password}@host/saga")
    except ValueError:
        structlog.get_logger("app").exception("request failed")

    assert "ValueError" in stream.getvalue()
    assert "PASSWORD" not in stream.getvalue()


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_a_secret_that_comes_into_a_log_is_left_out(log_format: LogFormat) -> None:
    token, stream = new_token(), io.StringIO()
    jwt = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJvbGdhIn0.c2lnbmF0dXJl"
    configure_logging(log_format, "INFO", stream)

    logging.getLogger("x").info("%s; Authorization: Bearer hunter2; %s", token, jwt)
    logging.getLogger("x").info("postgresql://saga:hunter2@db:5432/saga; http://db/a:b@c")

    text = stream.getvalue()
    assert [secret for secret in (token, jwt, "hunter2") if secret in text] == []
    assert "://saga:***@db:5432/saga" in text
    assert "http://db/a:b@c" in text
