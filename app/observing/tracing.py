"""Whether spans are made, and where they go."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from opentelemetry.trace import NoOpTracer, Tracer

from app.observing.figures import Figures
from app.settings import SettingsError


@dataclass(frozen=True)
class Tracing:
    """What makes spans; `on` tells whether they come to anything."""

    tracer: Tracer
    on: bool


OFF: Final = Tracing(NoOpTracer(), on=False)


@asynccontextmanager
async def tracing_to(url: str | None, figures: Figures) -> AsyncIterator[Tracing]:
    """Spans go to the collector at `url`, if there is one. The end waits for it within a bound.

    Raises SettingsError for a bad value among OpenTelemetry's own variables.
    """
    if url is None:
        yield OFF
        return
    from app.observing.export import Export  # noqa: PLC0415 - a third of a second, for those who asked for it

    try:
        export = Export(url, figures)
    except ValueError as error:
        raise SettingsError(str(error)) from None
    try:
        yield Tracing(export.tracer, on=True)
    finally:
        await export.close()
