"""saga migrate --roles: the roles are enough for the whole product, and for nothing more."""

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import psycopg
import pytest

from app.embedded import EmbeddedPostgres
from tests.acceptance.server import account_with, order_of, serving, serving_as, start, stock_of, unique
from tests.acceptance.test_tokens import saga, tokens

pytestmark = [pytest.mark.postgres, pytest.mark.slow]


@dataclass(frozen=True)
class Split:
    """Addresses of one database that is not there yet, or of one role."""

    postgres: EmbeddedPostgres
    name: str

    @property
    def app(self) -> str:
        return self.url(f"{self.name}_app", "secret of the app")

    @property
    def owner(self) -> str:
        return self.url(f"{self.name}_owner", "secret of the owner")

    def url(self, role: str, password: str = "") -> str:
        bare = self.postgres.url(role=role, database=self.name)
        return bare.replace(f"{role}@", f"{role}:{password.replace(' ', '%20')}@") if password else bare

    def admin(self, database: str | None = None) -> "psycopg.Connection[tuple[object, ...]]":
        url = self.postgres.url(database=database) if database else self.postgres.url()
        return psycopg.connect(url, autocommit=True)

    def migrate(self, **settings: str) -> "subprocess.CompletedProcess[str]":
        addresses = {
            "SAGA_DATABASE_URL": self.app,
            "SAGA_OWNER_DATABASE_URL": self.owner,
            "SAGA_ADMIN_DATABASE_URL": self.postgres.url(),
        }
        return saga("migrate", "--roles", **(addresses | settings))


@pytest.fixture
def split(postgres_server: EmbeddedPostgres) -> Iterator[Split]:
    found = Split(postgres_server, unique("roles").replace("-", "_"))
    yield found
    with found.admin() as admin:
        admin.execute(f"drop database if exists {found.name} with (force)".encode())
        for role in ("app", "owner", "readers", "eva"):
            admin.execute(f"drop role if exists {found.name}_{role}".encode())


FORBIDDEN = [
    "update eventstore.events set type = 'x'",
    "delete from eventstore.events",
    "truncate eventstore.events",
    "update eventstore.commands set stream = 'x'",
    "delete from eventstore.seals",
    "alter table eventstore.events disable trigger all",
    "drop table eventstore.events",
    "create trigger x before insert on eventstore.events execute function eventstore.refuse_change()",
    "create schema mine",
    "create table public.mine ()",
    "create temporary table mine ()",
    "create or replace function eventstore.refuse_change() returns trigger language sql as ''",
    "select * from security.tokens",
    "insert into security.tokens (name, role, selector, digest) values ('x', 'admin', '1', '1')",
    "set session_replication_role = 'replica'",
    "copy eventstore.events to program 'true'",
]


def test_the_product_runs_with_them_and_they_can_do_no_more(split: Split) -> None:
    first, second = split.migrate(), split.migrate()
    assert (first.returncode, second.returncode) == (0, 0), first.stderr + second.stderr
    assert f"role {split.name}_app: made" in first.stdout
    assert f"role {split.name}_app: was there" in second.stdout
    assert "secret" not in first.stdout + first.stderr + second.stdout

    made = tokens(split.app, split.owner, "create", "one", "--role", "admin").stdout.strip()
    with serving(split.app, split.owner, SAGA_LOG_LEVEL="DEBUG") as server:
        shown = {"Authorization": f"Bearer {made}"}
        with httpx.Client(base_url=server.url, headers=shown, timeout=60) as client:
            client.post("/aggregates/account/shop/open-account", json={"currency": "USD"}).raise_for_status()
            order = order_of(account_with(client, 100_000), stock_of(client, 5))
            assert start(client, "fulfil-order", order).json()["status"] == "completed"
            assert client.get("/orders").status_code == 200
            rebuild = client.post("/projections/orders/rebuild", json={"reason": "trying"})
            assert rebuild.status_code == 202
        log = server.log.read_text()
    assert "httpcore" in log  # at DEBUG the calls of the carrier are logged, too
    assert [line for line in log.splitlines() if "secret" in line or made in line] == []

    with psycopg.connect(split.app, autocommit=True) as application:
        for statement in FORBIDDEN:
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                application.execute(statement.encode())
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            application.execute(f"set role {split.name}_owner".encode())


def test_a_server_that_knows_the_application_alone_runs_on_what_is_up_to_date(split: Split) -> None:
    assert split.migrate().returncode == 0
    made = tokens(split.app, split.owner, "create", "one", "--role", "admin").stdout.strip()

    shown = {"Authorization": f"Bearer {made}"}
    with (
        serving_as(SAGA_DATABASE_URL=split.app) as server,
        httpx.Client(base_url=server.url, headers=shown, timeout=60) as client,
    ):
        account_with(client, 5)
        refused = client.post("/projections/orders/rebuild", json={"reason": "trying"})
        assert refused.status_code >= 400
        assert "SAGA_OWNER_DATABASE_URL" in refused.json()["detail"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("delete from saga_alembic_version where version_num like 'saga%'", "not applied: run saga migrate"),
        (
            "insert into saga_alembic_version values ('saga_9999')",
            "by a newer version of this program: saga_9999",
        ),
        (
            "delete from eventstore.checkpoints where subscription = 'orders'",
            "orders not applied: run saga migrate",
        ),
        ("revoke select on saga_alembic_version from {}_app", "or set SAGA_OWNER_DATABASE_URL"),
        ("create schema saga_restoring", "the restore into this database has not come to its end"),
    ],
)
def test_it_does_not_run_on_what_is_not(split: Split, change: str, said: str) -> None:
    assert split.migrate().returncode == 0
    assert saga("migrate", SAGA_DATABASE_URL=split.app).returncode == 0

    with split.admin(split.name) as admin:
        admin.execute(change.format(split.name).encode())
    refused = saga("migrate", SAGA_DATABASE_URL=split.app)

    assert refused.returncode == 1
    [line] = refused.stderr.splitlines()
    assert said in line


def test_what_was_granted_by_hand_is_taken_back(split: Split) -> None:
    assert split.migrate().returncode == 0
    with split.admin(split.name) as admin:
        admin.execute(f"grant update, delete on eventstore.events to {split.name}_app".encode())
        admin.execute(f"grant {split.name}_owner to {split.name}_app".encode())
        admin.execute(f"alter role {split.name}_app createdb createrole".encode())

    assert split.migrate().returncode == 0

    with psycopg.connect(split.app, autocommit=True) as application:
        for statement in (*FORBIDDEN[:3], f"set role {split.name}_owner", "create role mine"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                application.execute(statement.encode())


def test_a_database_of_one_role_is_split(split: Split) -> None:
    with split.admin() as admin:
        admin.execute(f"create role {split.name}_app login".encode())
        admin.execute(f"create database {split.name} owner {split.name}_app".encode())
    alone = {"SAGA_DATABASE_URL": split.app}
    assert saga("migrate", **alone).returncode == 0

    outcome = split.migrate()

    assert outcome.returncode == 0, outcome.stderr
    assert f"what {split.name}_app owned is {split.name}_owner's" in outcome.stdout
    with psycopg.connect(split.app, autocommit=True) as application:
        for statement in FORBIDDEN:
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                application.execute(statement.encode())
    with serving(split.app, split.owner) as server:
        assert httpx.get(f"{server.url}/sagas").status_code == 200


def test_readers_read_the_log_and_the_lists(split: Split) -> None:
    assert split.migrate().returncode == 0
    with split.admin(split.name) as admin:
        admin.execute(f"create role {split.name}_eva login in role {split.name}_readers".encode())

    with psycopg.connect(split.url(f"{split.name}_eva"), autocommit=True) as eva:
        for table in ("eventstore.events", "readmodels.orders", "eventstore.seals"):
            eva.execute(f"select count(*) from {table}".encode())
        for table in ("privacy.keys", "security.tokens", "dbos.workflow_status", "sandbox.bookings"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                eva.execute(f"select count(*) from {table}".encode())
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            eva.execute("select security.tokens_exist()")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            eva.execute("delete from readmodels.orders")


def test_what_is_missing_or_wrong_is_said_in_one_line(split: Split) -> None:
    for settings, said in (
        ({"SAGA_ADMIN_DATABASE_URL": ""}, "SAGA_ADMIN_DATABASE_URL"),
        ({"SAGA_OWNER_DATABASE_URL": ""}, "SAGA_OWNER_DATABASE_URL"),
        ({"SAGA_OWNER_DATABASE_URL": split.app}, "two roles"),
        ({"SAGA_DATABASE_URL": split.postgres.url(database=split.name)}, "superuser"),
    ):
        refused = split.migrate(**settings)

        assert (refused.returncode, len(refused.stderr.splitlines())) == (1, 1), refused.stderr
        assert said in refused.stderr
