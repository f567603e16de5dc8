"""The fixture that the other tests stand on."""

from typing import Any

import psycopg
import pytest

pytestmark = pytest.mark.postgres


def test_a_database_is_fresh_and_has_three_roles(database: Any) -> None:
    urls = {"saga_app": database.url, "saga_owner": database.owner_url, "postgres": database.admin_url}

    for role, url in urls.items():
        with psycopg.connect(url) as connection:
            assert connection.execute("SELECT current_user, current_database()").fetchone() == (
                role,
                database.name,
            )


def test_the_application_role_owns_nothing(database: Any) -> None:
    with psycopg.connect(database.admin_url) as connection:
        owned = connection.execute(
            "SELECT count(*) FROM pg_class WHERE relowner = 'saga_app'::regrole"
            " UNION ALL SELECT count(*) FROM pg_proc WHERE proowner = 'saga_app'::regrole"
            " UNION ALL SELECT count(*) FROM pg_namespace WHERE nspowner = 'saga_app'::regrole"
        ).fetchall()

    assert owned == [(0,), (0,), (0,)]


def test_dbos_is_migrated_and_usable_by_the_application(database: Any) -> None:
    with psycopg.connect(database.url) as connection:
        assert connection.execute("SELECT count(*) FROM dbos.workflow_status").fetchone() == (0,)


def test_a_private_server_keeps_its_data_through_stop_and_start(private_server: Any) -> None:
    with psycopg.connect(private_server.urls.owner) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")

    private_server.stop()
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(private_server.urls.app)
    private_server.start()

    with psycopg.connect(private_server.urls.owner) as connection:
        assert connection.execute("SELECT answer FROM kept").fetchone() == (42,)
