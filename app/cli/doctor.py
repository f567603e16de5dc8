"""saga doctor: what is wrong, and what to do about it."""

import asyncio
from dataclasses import asdict
from typing import Annotated, Final

import typer
from rich.text import Text

from app.cli.errors import CliError
from app.cli.output import console, print_json

STYLES: Final = {"ok": "green", "warning": "yellow", "error": "red"}
EXIT_WARNINGS: Final = 3


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
) -> None:
    """Look at database, executors and sagas, and say what to do. Writes nothing.

    Exits with 0 when all is well, 1 when something is wrong, 3 when there are only warnings. Reads the
    database of SAGA_DATABASE_URL, or the embedded one.
    """
    from app.cluster import EmbeddedPostgresError  # noqa: PLC0415 - the application takes a second to load
    from app.doctor import examine  # noqa: PLC0415
    from app.settings import Settings, SettingsError  # noqa: PLC0415

    try:
        findings = asyncio.run(examine(Settings.load()))
    except (SettingsError, EmbeddedPostgresError) as error:
        raise CliError(str(error)) from None
    levels = {finding.level for finding in findings}
    if as_json:
        print_json({"ok": levels <= {"ok"}, "findings": [asdict(finding) for finding in findings]})
    else:
        for finding in findings:
            level = (f"{finding.level:8}", STYLES[finding.level])
            console.print(Text.assemble(level, (f"{finding.check}: ", "bold"), finding.says))
            if finding.do:
                console.print(Text(f"         → {finding.do}"))
    if "error" in levels:
        raise typer.Exit(1)
    if "warning" in levels:
        raise typer.Exit(EXIT_WARNINGS)
