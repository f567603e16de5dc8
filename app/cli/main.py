"""The command `saga`."""

import sys
from typing import Any

import typer
from rich.console import Console
from typer.core import TyperGroup

from app.cli import (
    archive,
    audit,
    backup,
    bench,
    bulk,
    check,
    demo,
    doctor,
    events,
    executors,
    forget,
    keys,
    new,
    operations,
    read_models,
    sagas,
    serve,
    tokens,
    verify,
    why,
)
from app.cli.errors import CliError
from app.cli.projections import projections
from app.client import ClientError


class SagaCommands(TyperGroup):
    """Prints what a command could not do as one line and exits with 1; a wrong call exits with 2."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except (CliError, ClientError) as error:
            line = " ".join(str(error).split())
            Console(stderr=True, highlight=False).print(f"saga: {line}", markup=False, soft_wrap=True)
            raise typer.Exit(1) from None
        except KeyboardInterrupt:
            raise typer.Exit(130) from None


app = typer.Typer(
    cls=SagaCommands,
    help="Durable sagas on an event store, in one Postgres.\n\n"
    "Commands that ask a server find it at SAGA_URL (default: http://127.0.0.1:8000) and show it SAGA_TOKEN.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)

SERVER = "Run a server"
ASK = "Ask a server"
OPERATE = "Operate"
DEVELOP = "Write your own"

app.command(rich_help_panel=SERVER)(demo.demo)
app.command(rich_help_panel=SERVER)(serve.serve)
app.command(rich_help_panel=SERVER)(serve.worker)
app.command(rich_help_panel=SERVER)(serve.migrate)
app.command(rich_help_panel=SERVER)(doctor.doctor)
app.command(rich_help_panel=SERVER)(check.check)
app.command(rich_help_panel=SERVER)(verify.verify)
app.command(rich_help_panel=SERVER)(bench.bench)
app.command(rich_help_panel=SERVER)(backup.dump)
app.command(rich_help_panel=SERVER)(backup.restore)
app.add_typer(archive.app, name="archive", rich_help_panel=SERVER)
app.add_typer(keys.app, name="keys", rich_help_panel=SERVER)
app.add_typer(tokens.app, name="tokens", rich_help_panel=SERVER)
app.command(rich_help_panel=ASK)(sagas.start)
app.command("list", rich_help_panel=ASK)(sagas.list_)
app.command(rich_help_panel=ASK)(sagas.show)
app.command(rich_help_panel=ASK)(sagas.watch)
app.command(rich_help_panel=ASK)(events.events)
app.command(rich_help_panel=ASK)(events.aggregate)
app.command(rich_help_panel=ASK)(read_models.orders)
app.command(rich_help_panel=ASK)(read_models.stock)
app.command(rich_help_panel=ASK)(read_models.accounts)
app.command(rich_help_panel=ASK)(read_models.statement)
app.command(rich_help_panel=ASK)(executors.executors)
app.command(rich_help_panel=ASK)(why.why)
app.add_typer(audit.app, name="audit", rich_help_panel=ASK)
app.command(rich_help_panel=OPERATE)(operations.signal)
app.command(rich_help_panel=OPERATE)(operations.compensate)
app.command(rich_help_panel=OPERATE)(operations.retry)
app.command(rich_help_panel=OPERATE)(operations.resume)
app.command(rich_help_panel=OPERATE)(operations.skip)
app.command(rich_help_panel=OPERATE)(operations.abandon)
app.command(rich_help_panel=OPERATE)(bulk.bulk)
app.command(rich_help_panel=OPERATE)(forget.forget)
app.add_typer(projections, name="projections", rich_help_panel=OPERATE)
app.add_typer(new.app, name="new", rich_help_panel=DEVELOP)


if __name__ == "__main__":
    sys.exit(app())
