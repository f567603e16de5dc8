"""saga new: writes a starting point into the clone that it is called in."""

from pathlib import Path
from typing import Annotated

import typer

from app.cli.errors import CliError
from app.cli.output import console
from app.starting_points import BadName, CannotWrite, Kind, NewName, write

app = typer.Typer(help="Write a tested starting point into your clone.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="In small letters, such as hotel-room.", show_default=False)]


@app.command()
def aggregate(name: Name) -> None:
    """Write an aggregate, domain/NAME.py, with its test, and add it to domain/aggregates.py."""
    _write("aggregate", name)


@app.command()
def saga(name: Name) -> None:
    """Write a saga, workflows/NAME.py, with its test, and add it to workflows/sagas.py."""
    _write("saga", name)


def _write(kind: Kind, name: str) -> None:
    try:
        written = write(kind, NewName.of(name), Path.cwd())
    except (BadName, CannotWrite) as error:
        raise CliError(str(error)) from None
    lines = [f"wrote    {path}" for path in written.files]
    if written.to_add:
        lines += [f"add this to {written.table_file}, which is not written as it was:", *written.to_add]
    else:
        lines += [f"changed  {written.table_file}"]
    lines += [
        "next     make it what you need; then `make golden` freezes its names, which are stored for ever,",
        "         and `make references` adds its routes to the API reference",
        f"         .venv/bin/python -m pytest {written.files[-1]}",
        "         make check",
    ]
    console.print("\n".join(lines), markup=False, soft_wrap=True)
