"""saga bench. It imports what it needs when it runs: see app/cli/demo.py."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer
from rich.console import Console
from rich.table import Table

from app.cli.errors import CliError
from app.cli.output import console, print_json

if TYPE_CHECKING:
    from app.bench.report import Report
    from app.settings import Settings

CLIENTS = (1, 8, 16, 32)
WRITERS = (1, 8)
SECONDS = 5.0
SECONDS_QUICK = 0.5
RECOVERED = 500
RECOVERED_QUICK = 64

T = TypeVar("T")


def bench(
    seconds: Annotated[
        float | None, typer.Option(min=0.2, max=600, help="How long each figure is taken. [default: 5]")
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="Half a second each, at 1 and 16 clients: does it work?")
    ] = False,
    in_place: Annotated[
        bool,
        typer.Option(
            "--in-place",
            help="On the configured database itself. What is written there stays: thousands of sagas.",
        ),
    ] = False,
    recovery: Annotated[bool, typer.Option(help="Also kill a server with sagas under way.")] = True,
    chart: Annotated[Path | None, typer.Option(help="Also draw an SVG into this file.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")] = False,
) -> None:
    """Measure this machine and database: sagas, steps and appends a second, latency, read models, recovery.

    One executor in this process, sagas of five commands, each client waits for its saga before it starts the
    next. On a database of its own, which is dropped at the end.
    """
    from app.bench.database import CannotMakeDatabase  # noqa: PLC0415 - see the module
    from app.bench.measure import MeasurementFailed  # noqa: PLC0415
    from app.bench.report import chart as drawn  # noqa: PLC0415
    from app.cluster import EmbeddedPostgresError  # noqa: PLC0415
    from app.database import DatabaseUnusable  # noqa: PLC0415
    from app.demo.server_process import ServerFailed  # noqa: PLC0415
    from app.logging import configure_logging  # noqa: PLC0415
    from app.settings import Settings, SettingsError  # noqa: PLC0415

    try:
        settings = Settings.load()
        configure_logging(settings.log_format, "WARNING")
        taken = seconds or (SECONDS_QUICK if quick else SECONDS)
        progress = Console(stderr=True, highlight=False)
        measurement = _Measurement(settings, taken, quick, in_place, recovery, progress)
        report = asyncio.run(measurement.take())
        if chart is not None:
            chart.write_text(drawn(report))
    except (SettingsError, CannotMakeDatabase, DatabaseUnusable, EmbeddedPostgresError) as error:
        raise CliError(str(error)) from None
    except (MeasurementFailed, ServerFailed) as error:
        raise CliError(f"the measurement failed: {error}") from None
    except OSError as error:
        raise CliError(f"cannot write {error.filename}: {error.strerror}") from None
    if as_json:
        print_json(report.document())
    else:
        _show(report)


class _Measurement:
    """One call of the command."""

    def __init__(
        self,
        settings: "Settings",
        seconds: float,
        quick: bool,
        in_place: bool,
        recovery: bool,
        progress: Console,
    ) -> None:
        self._settings = settings
        self._seconds = seconds
        self._quick = quick
        self._in_place = in_place
        self._recovery = recovery
        self._progress = progress

    async def take(self) -> "Report":
        from app.bench.database import bench_settings  # noqa: PLC0415 - see the module

        async with bench_settings(self._settings, in_place=self._in_place) as settings:
            return await self._measure(settings)

    async def _measure(self, settings: "Settings") -> "Report":
        from app.bench import measure  # noqa: PLC0415 - see the module
        from app.bench.recovery import recovery  # noqa: PLC0415
        from app.bench.report import Report  # noqa: PLC0415
        from app.bench.saga import BENCH  # noqa: PLC0415
        from app.runtime import running  # noqa: PLC0415
        from workflows.sagas import SAGAS  # noqa: PLC0415

        clients = (1, 16) if self._quick else CLIENTS
        async with running(settings, [*SAGAS, BENCH]) as runtime:
            async with runtime.pool.connection() as connection:
                postgres = connection.info.parameter_status("server_version") or ""
            sagas = [
                await self._say(f"sagas, {count} clients", measure.sagas, runtime, count, self._seconds)
                for count in clients
            ]
            appends = [
                await self._say(f"appends, {count} writers", measure.appends, runtime, count, self._seconds)
                for count in WRITERS
            ]
            projection = await self._say("a read model is built", measure.projection, runtime)
            found = None
            if self._recovery:  # while this process holds the embedded server up
                environment = _environment(settings)
                log = settings.data_dir / "bench-server.log"
                count = RECOVERED_QUICK if self._quick else RECOVERED
                await runtime.end_runs()  # else they would go on here
                end = runtime.store.safe_position
                found = await self._say(f"{count} sagas, kill -9", recovery, environment, log, end, count)
        return Report(self._seconds, postgres, sagas, appends, projection, found)

    async def _say(self, what: str, measured: Callable[..., Awaitable[T]], *arguments: Any) -> T:
        with self._progress.status(what):
            figure = await measured(*arguments)
        self._progress.print(f"  {what}: {_in_short(figure)}")
        return figure


def _environment(settings: "Settings") -> dict[str, str]:
    """The settings for another process. They may hold passwords: not for an argument."""
    names = ("database_url", "owner_database_url", "database_direct_url", "data_dir", "master_key")
    given = {name: getattr(settings, name) for name in names}
    return {f"SAGA_{name.upper()}": str(value) for name, value in given.items() if value is not None} | {
        "SAGA_LOG_LEVEL": "WARNING"
    }


def _in_short(figure: Any) -> str:
    match figure:
        case float():
            return f"{figure:,.0f} events/s"
        case _ if hasattr(figure, "per_second"):
            rate = f"{figure.per_second:,.1f}/s"
            return f"{rate}, p50 {figure.p50_ms:.1f} ms, p99 {figure.p99_ms:.1f} ms"
        case _:
            first, done = figure.first_step_seconds, figure.all_done_seconds
            return f"next step after {first:.1f} s, all done after {done:.1f} s"


def _show(report: "Report") -> None:
    from app.bench.saga import COMMANDS  # noqa: PLC0415 - see the module

    table = Table(title=f"Sagas of {COMMANDS} commands", title_justify="left")
    for name in ("clients", "sagas/s", "steps/s", "p50 ms", "p99 ms"):
        table.add_column(name, justify="right")
    for rate in report.sagas:
        figures = (rate.per_second, rate.per_second * COMMANDS, rate.p50_ms, rate.p99_ms)
        table.add_row(str(rate.clients), *(f"{figure:,.1f}" for figure in figures))
    console.print(table)
    for rate in report.appends:
        console.print(f"appends, {rate.clients} writers: {_in_short(rate)}")
    if report.projection_events_per_second:
        console.print(f"a read model takes in {report.projection_events_per_second:,.0f} events/s")
    if report.recovery:
        found = report.recovery
        console.print(
            f"killed with {found.sagas} sagas: ready {found.ready_seconds:.1f} s after the start, "
            f"first step {found.first_step_seconds:.1f} s, all done {found.all_done_seconds:.1f} s"
        )
