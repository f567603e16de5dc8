"""saga tokens: made, listed, revoked; and what a server does as soon as there is one."""

import json
import subprocess
from functools import partial
from pathlib import Path

import httpx
import psycopg
import pytest

from app.embedded import EmbeddedPostgres
from app.security.tokens import digest, well_formed
from tests.acceptance.secured import fresh
from tests.acceptance.server import ROOT, command, environment, serving, until

pytestmark = [pytest.mark.postgres, pytest.mark.slow]


def saga(*arguments: str, **settings: str) -> "subprocess.CompletedProcess[str]":
    env = environment(**settings)
    return subprocess.run(
        command(*arguments), check=False, cwd=ROOT, env=env, capture_output=True, text=True, timeout=120
    )


def tokens(url: str, owner_url: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return saga("tokens", *arguments, SAGA_DATABASE_URL=url, SAGA_OWNER_DATABASE_URL=owner_url)


def test_a_token_from_first_to_last(
    postgres_server: EmbeddedPostgres, template_database: str, tmp_path: Path
) -> None:
    with fresh(postgres_server, template_database, "tokens") as (url, owner), serving(url, owner) as server:
        assert httpx.get(f"{server.url}/sagas").status_code == 200  # nobody but this machine reaches it

        limits = ("--saga", "transfer-funds", "--expires", "30d")
        made = tokens(url, owner, "create", "ci", "--role", "operator", *limits)
        token = made.stdout.strip()
        assert (made.returncode, well_formed(token)) == (0, True), made.stderr
        until(lambda: httpx.get(f"{server.url}/sagas").status_code == 401)

        as_ci = {"SAGA_URL": server.url, "SAGA_TOKEN": token}
        assert saga("list", "--name", "transfer-funds", "--json", **as_ci).returncode == 0
        refusal = saga("list", SAGA_URL=server.url)
        assert (refusal.returncode, "(unauthenticated)" in refusal.stderr) == (1, True)
        assert saga("events", **as_ci).stderr.strip().endswith("(wrong-saga)")

        listed = tokens(url, owner, "list", "--json")
        [row] = json.loads(listed.stdout)["tokens"]
        assert (row["name"], row["role"], row["sagas"]) == ("ci", "operator", ["transfer-funds"])
        assert [row[time] is None for time in ("last_used_at", "expires_at", "revoked_at")] == [
            *(False, False, True)
        ]
        assert "transfer-funds" in tokens(url, owner, "list").stdout
        assert token not in listed.stdout

        again = tokens(url, owner, "create", "ci", "--role", "reader")
        assert (again.returncode, len(again.stderr.splitlines())) == (1, 1)
        assert tokens(url, owner, "revoke", "nobody").returncode == 1
        assert tokens(url, owner, "revoke", "ci").returncode == 0
        until(lambda: httpx.get(f"{server.url}/sagas", headers=bearer(token)).status_code == 401)
        assert httpx.get(f"{server.url}/sagas", headers=bearer(token)).json()["code"] == "token-revoked"
        assert tokens(url, owner, "revoke", "ci").returncode == 0
        assert httpx.get(f"{server.url}/sagas").status_code == 401  # it does not open again


def test_every_server_hears_of_the_first_token_and_of_a_revoked_one(
    postgres_server: EmbeddedPostgres, template_database: str
) -> None:
    database = fresh(postgres_server, template_database, "tokens_of_two")
    with database as (url, owner), serving(url, owner) as one, serving(url, owner) as other:
        token = tokens(url, owner, "create", "one", "--role", "reader").stdout.strip()

        for server in (one, other):
            until(partial(status_is, 401, f"{server.url}/sagas"))
            assert httpx.get(f"{server.url}/sagas", headers=bearer(token)).status_code == 200
        assert tokens(url, owner, "revoke", "one").returncode == 0
        for server in (one, other):
            until(partial(status_is, 401, f"{server.url}/sagas", **bearer(token)))


def status_is(status: int, url: str, **headers: str) -> bool:
    return httpx.get(url, headers=headers).status_code == status


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def test_only_the_owner_of_the_tables_makes_and_sees_tokens(
    postgres_server: EmbeddedPostgres, template_database: str
) -> None:
    with fresh(postgres_server, template_database, "tokens_of") as (url, owner):
        token = tokens(url, owner, "create", "one", "--role", "reader").stdout.strip()
        with psycopg.connect(owner) as connection:
            stored = connection.execute("select digest, t::text from security.tokens t").fetchone()
        with psycopg.connect(url, autocommit=True) as application:
            for statement in (
                "select digest from security.tokens",
                "insert into security.tokens (name, role, selector, digest) values ('x', 'admin', '1', '')",
                "update security.tokens set role = 'admin'",
                "delete from security.tokens",
            ):
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    application.execute(statement.encode())
            assert application.execute("select security.tokens_exist()").fetchone() == (True,)

    assert stored is not None
    assert stored[0] == digest(token)
    assert token not in stored[1]


@pytest.mark.parametrize(
    "arguments",
    [
        ("create", "x", "--role", "root"),
        ("create", "a b", "--role", "reader"),
        ("create", "x" * 115, "--role", "reader"),
        ("create", "x", "--role", "reader", "--expires", "yesterday"),
        ("create", "x", "--role", "reader", "--expires", "2020-01-01"),
        ("create", "x", "--role", "reader", "--saga", "a b"),
    ],
)
def test_wrong_arguments_are_one_line(postgres_server: EmbeddedPostgres, arguments: tuple[str, ...]) -> None:
    url = postgres_server.url(database="template_of_nothing")

    refused = tokens(url, url, *arguments)

    assert (refused.returncode, len(refused.stderr.splitlines())) == (1, 1), refused.stderr


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_a_server_that_others_reach_does_not_start_without_a_token(
    postgres_server: EmbeddedPostgres, template_database: str, host: str
) -> None:
    name = f"tokens_open_{'six' if ':' in host else 'four'}"
    with fresh(postgres_server, template_database, name) as (url, owner):
        settings = {"SAGA_DATABASE_URL": url, "SAGA_OWNER_DATABASE_URL": owner, "SAGA_LOG_LEVEL": "ERROR"}

        refused = saga("serve", "--host", host, "--port", "0", **settings)
        assert refused.returncode == 1
        assert refused.stderr.splitlines()[-1].startswith(f"saga: refusing to listen at {host}")

        assert tokens(url, owner, "create", "one", "--role", "reader").returncode == 0
        with serving(url, owner, SAGA_HOST=host) as server:
            assert httpx.get(f"{server.url.replace('127.0.0.1', 'localhost')}/sagas").status_code == 401


def test_a_token_is_not_sent_in_the_clear_to_another_machine() -> None:
    refused = saga("list", SAGA_URL="http://saga.example", SAGA_TOKEN="saga_x")

    assert (refused.returncode, "https://" in refused.stderr) == (1, True)
