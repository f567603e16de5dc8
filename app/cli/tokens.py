"""saga tokens create, list, revoke: who may use the servers, on the database itself, as its owner."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Annotated, TypeVar

import typer
from rich.table import Table

from app.cli.errors import CliError
from app.cli.inputs import checked_id, expiry
from app.cli.output import console, print_json
from app.ids import ID_LENGTH_MAX

NAME_CHARACTERS_MAX = ID_LENGTH_MAX - len("token:")

T = TypeVar("T")

app = typer.Typer(
    help="Tokens, which let clients in. They need the database as its owner: SAGA_OWNER_DATABASE_URL.",
    no_args_is_help=True,
    rich_markup_mode="rich",
)

Name = Annotated[str, typer.Argument(help="Whose it is; the journal says `token:NAME`.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the outcome as JSON.")]


@app.callback()
def tokens() -> None:
    """Tokens, which let clients in."""


@app.command()
def create(
    name: Name,
    role: Annotated[str, typer.Option(help="reader, operator or admin.")],
    saga: Annotated[
        list[str] | None,
        typer.Option(help="Only for sagas of this name; may be said again.", show_default=False),
    ] = None,
    expires: Annotated[
        str | None, typer.Option(help="After so long: 30d, 12h; or at a time, as in RFC 3339.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make a token and print it, this once: only its digest is kept.

    From the first one on every server asks everybody for a token, those on this machine included.
    """
    from app.security.roles import Role  # noqa: PLC0415 - the application takes a second to load
    from app.security.token_table import TokenExists, create_token  # noqa: PLC0415

    for each in [name, *(saga or [])]:
        checked_id(each)
    if len(name) > NAME_CHARACTERS_MAX:
        raise CliError(f"a name has at most {NAME_CHARACTERS_MAX} characters")
    try:
        of_role, at = Role.of(role), expiry(expires)
        token = _on_the_database(lambda owner: create_token(owner, name, of_role, saga or None, at))
    except (TokenExists, ValueError) as error:
        raise CliError(str(error)) from None
    if as_json:
        print_json({"name": name, "token": token})
    else:
        typer.echo(token)


@app.command("list")
def list_(as_json: AsJson = False) -> None:
    """All tokens, those that were revoked included; never the token itself."""
    from app.security.token_table import list_tokens  # noqa: PLC0415 - see above

    found = _on_the_database(list_tokens)
    if as_json:
        print_json({"tokens": [token.model_dump(mode="json") for token in found]})
        return
    table = Table("name", "role", "sagas", "made", "expires", "last used", "revoked", box=None)
    for token in found:
        times = (token.created_at, token.expires_at, token.last_used_at, token.revoked_at)
        table.add_row(token.name, token.role, ", ".join(token.sagas or ["all"]), *map(_shown, times))
    console.print(table)


@app.command()
def revoke(name: Name, as_json: AsJson = False) -> None:
    """Refuse a token from now on: every server does so within a second or two."""
    from app.security.token_table import TokenUnknown, revoke_token  # noqa: PLC0415 - see above

    try:
        _on_the_database(lambda owner: revoke_token(owner, name))
    except TokenUnknown as error:
        raise CliError(str(error)) from None
    if as_json:
        print_json({"revoked": name})
    else:
        console.print(f"{name} is revoked")


def _on_the_database(action: Callable[[str], Awaitable[T]]) -> T:
    import psycopg  # noqa: PLC0415 - see above

    from app.cluster import EmbeddedPostgresError  # noqa: PLC0415
    from app.database import DatabaseUnusable, migrate, open_database  # noqa: PLC0415
    from app.settings import Settings, SettingsError  # noqa: PLC0415

    async def run() -> T:
        async with open_database(Settings.load()) as urls:
            await migrate(urls)
            return await action(urls.owner)

    try:
        return asyncio.run(run())
    except psycopg.errors.InsufficientPrivilege:
        raise CliError("this role may not see tokens, set SAGA_OWNER_DATABASE_URL") from None
    except (SettingsError, DatabaseUnusable, EmbeddedPostgresError, psycopg.OperationalError) as error:
        raise CliError(str(error)) from None


def _shown(moment: datetime | None) -> str:
    return "" if moment is None else moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M")
