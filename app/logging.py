"""Logs: structlog, with the standard library's records (uvicorn, DBOS, ours) through the same pipe."""

import logging
import re
import sys
from typing import Any, Final, Literal, TextIO

import structlog
from opentelemetry.trace import format_span_id, format_trace_id, get_current_span
from structlog.tracebacks import ExceptionDictTransformer
from structlog.typing import EventDict, Processor

# DBOS names the run on its records under these names (its workflow id is ours of the run).
_SECRETS: Final = re.compile(
    r"saga_[a-z2-7]{20,}"  # our tokens
    r"|eyJ[\w-]{5,}\.[\w-]{5,}\.[\w-]*"  # JWTs
    r"|(?i:(?<=bearer )[\w.~+/=-]+)"
    r"|(?<=://)(?P<user>[^\s:/@\"']*):[^\s/@\"']+(?=@)"  # the password of an address
)
DBOS_FIELDS: Final = ("operationUUID", "executorID", "applicationVersion")
# These have handlers of their own, or would get them; everything goes through the root instead.
FOREIGN_LOGGERS: Final = ("uvicorn", "uvicorn.error", "uvicorn.access", "dbos")
# A line per request (httpx, uvicorn.access) or per migration (dbos, alembic) is noise: warnings only, unless
# everything is asked for.
QUIET_LOGGERS: Final = ("httpx", "httpcore", "alembic", "asyncio", "dbos", "uvicorn.access")

LogFormat = Literal["console", "json"]


def configure_logging(log_format: LogFormat | None, level: str, stream: TextIO | None = None) -> None:
    """Send all logs to `stream` (standard error): lines for people on a terminal, else JSON, unless told.

    Call it before DBOS is constructed: a logger that has a handler gets none from DBOS. Calling it again
    replaces what the last call set up.
    """
    stream = stream or sys.stderr
    log_format = log_format or ("console" if stream.isatty() else "json")
    shared = _shared_processors()
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.ExtraAdder(allow=DBOS_FIELDS)],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *_renderers(log_format, stream),
                _without_secrets,
            ],
        )
    )
    logging.basicConfig(handlers=[handler], level=level, force=True)
    logging.captureWarnings(capture=True)
    for name in FOREIGN_LOGGERS:
        _through_root(logging.getLogger(name))
    for name in QUIET_LOGGERS:
        logging.getLogger(name).setLevel(logging.NOTSET if level in {"DEBUG", "ERROR"} else logging.WARNING)


def _shared_processors() -> list[Processor]:
    return [
        structlog.contextvars.merge_contextvars,
        _with_trace,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
        structlog.processors.UnicodeDecoder(),
    ]


def _with_trace(_logger: Any, _method: str, event: EventDict) -> EventDict:
    """What is logged in a span says so, as far as traces are collected."""
    span = get_current_span().get_span_context()
    if span.is_valid:
        event["trace_id"] = format_trace_id(span.trace_id)
        event["span_id"] = format_span_id(span.span_id)
    return event


def _renderers(log_format: LogFormat, stream: TextIO) -> list[Processor]:
    """Tracebacks never show local variables: those hold addresses with passwords, and clients' headers."""
    if log_format == "json":
        frames = ExceptionDictTransformer(show_locals=False)
        return [
            structlog.processors.ExceptionRenderer(frames),
            structlog.processors.JSONRenderer(default=str),
        ]
    return [
        structlog.dev.ConsoleRenderer(
            colors=stream.isatty(), exception_formatter=structlog.dev.plain_traceback
        )
    ]


def _without_secrets(_logger: Any, _method: str, line: Any) -> Any:
    """The rendered line. Nobody logs a secret on purpose: this is for texts of errors and of libraries."""
    return _SECRETS.sub(lambda found: f"{found['user']}:***" if found["user"] is not None else "***", line)


def _through_root(logger: logging.Logger) -> None:
    """Take the logger's own handlers away; a null handler tells DBOS and uvicorn that it is set up."""
    logger.handlers = [logging.NullHandler()]
    logger.propagate = True
    logger.filters = [
        record_filter for record_filter in logger.filters if record_filter is not _no_advertising
    ]
    logger.addFilter(_no_advertising)


def _no_advertising(record: logging.LogRecord) -> bool:
    """DBOS recommends its paid Conductor at every start."""
    return "DBOS Conductor" not in record.getMessage()
