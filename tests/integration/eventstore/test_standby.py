"""A standby cannot compute a safe position: no locks there, and a sequence that is logged 32 values ahead."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from psycopg.errors import ObjectNotInPrerequisiteState

from app.cluster import PORT, PROGRAMS, SUPERUSER, Cluster
from app.embedded import EmbeddedPostgres
from tests.conftest import TEST_SETTINGS, Database
from tests.integration.eventstore.stores import append_by_hand, connect, until, value

pytestmark = [pytest.mark.postgres, pytest.mark.slow]


@pytest.fixture
def standby(postgres_server: EmbeddedPostgres, database: Database) -> Iterator[str]:
    """The address of `database` on a hot standby of the test server."""
    root = Path(tempfile.mkdtemp(prefix="saga-standby-"))
    cluster = Cluster(root)
    subprocess.run(
        [
            PROGRAMS / "pg_basebackup",
            *("-d", postgres_server.url(), "-D", cluster.data),
            *("--write-recovery-conf", "--wal-method=stream", "--checkpoint=fast"),
        ],
        check=True,
    )
    owner = (postgres_server.data_dir / "postgres").stat()
    for path in [cluster.data, *cluster.data.rglob("*")]:
        os.chown(path, owner.st_uid, owner.st_gid)
    cluster.start(TEST_SETTINGS)
    yield f"postgresql://{SUPERUSER}@/{database.name}?host={cluster.socket_dir}&port={PORT}"
    cluster.stop()
    shutil.rmtree(root)


async def test_a_standby_would_lose_an_open_append_and_is_refused(database: Database, standby: str) -> None:
    async with (
        await connect(database.url) as holder,
        await connect(database.url) as writer,
        await connect(database.admin_url) as primary,
        await connect(standby) as reader,
    ):
        await append_by_hand(writer, "x-1", 0)
        await holder.execute("begin")
        open_position = await append_by_hand(holder, "held-1", 0)
        newest = await append_by_hand(writer, "x-1", 1)
        written = await value(primary, "select pg_current_wal_flush_lsn()::text")

        async def replayed() -> bool:
            return bool(await value(reader, "select pg_last_wal_replay_lsn() >= %s::pg_lsn", written))

        await until(replayed)

        positions = "select array_agg(position order by position) from eventstore.events"
        assert await value(reader, "select last_value from eventstore.position_seq") > newest
        assert await value(reader, "select count(*) from pg_locks where locktype = 'advisory'") == 0
        visible = await value(reader, positions)
        assert newest in visible
        assert open_position not in visible, "a reader that believed the sequence would skip it for ever"
        with pytest.raises(ObjectNotInPrerequisiteState, match="standby"):
            await reader.execute("select eventstore.safe_position()")

        assert await value(primary, "select eventstore.safe_position()") < open_position
