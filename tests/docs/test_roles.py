"""The roles that docs/operate.md creates are enough, and the application's can change no event."""

from typing import cast

import psycopg
import pytest
from psycopg import sql

from app.database import DatabaseUrls, migrate
from app.embedded import EmbeddedPostgres
from tests.docs.pages import page

pytestmark = [pytest.mark.postgres, pytest.mark.slow]


async def test_the_roles_of_the_page_can_migrate_and_append(postgres_server: EmbeddedPostgres) -> None:
    [block] = [block for block in page("docs/operate.md").blocks if block.language == "sql"]
    # The server of the tests has roles of these names already.
    statements = block.text.replace("saga", "page").strip().split(";\n")
    with psycopg.connect(postgres_server.url(), autocommit=True) as admin:
        for statement in statements:
            admin.execute(cast("sql.SQL", statement.encode()))
    urls = DatabaseUrls(
        app=postgres_server.url(role="page_app", database="page"),
        owner=postgres_server.url(role="page_owner", database="page"),
        direct=postgres_server.url(role="page_app", database="page"),
    )

    await migrate(urls)

    with psycopg.connect(urls.app, autocommit=True) as application:
        empty = application.execute('select saga.append_items(\'{"batches": [], "events": []}\')').fetchone()
        assert empty == ([],)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            application.execute("delete from eventstore.events")
