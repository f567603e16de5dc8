"""A dump of an embedded database is restored into another data directory."""

import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from app import embedded
from tests.acceptance.server import account_with, balance, serving_as
from tests.acceptance.test_cli import document, error_line, run
from tests.conftest import STOP_SECONDS_MAX

pytestmark = [pytest.mark.postgres, pytest.mark.slow]


@pytest.fixture
def folders() -> Iterator[list[Path]]:
    """Two data directories, in a place that Postgres's user may enter."""
    made = [Path(tempfile.mkdtemp(prefix="saga-tests-")) for _ in range(2)]
    yield made
    for folder in made:
        deadline = time.monotonic() + STOP_SECONDS_MAX
        while not embedded.stop_if_unused(folder) and time.monotonic() < deadline:
            time.sleep(0.02)
        shutil.rmtree(folder)


def test_an_embedded_database_moves_to_another_directory(folders: list[Path], tmp_path: Path) -> None:
    old, new = map(str, folders)
    dump = str(tmp_path / "saga.dump")
    with serving_as(SAGA_DATA_DIR=old) as server, httpx.Client(base_url=server.url, timeout=30) as http:
        account = account_with(http, 1_000)
        document(run("dump", dump, "--json", SAGA_DATA_DIR=old))

    document(run("restore", dump, "--json", SAGA_DATA_DIR=new))

    assert "not empty" in error_line(run("restore", dump, SAGA_DATA_DIR=new))
    with serving_as(SAGA_DATA_DIR=new) as server, httpx.Client(base_url=server.url, timeout=30) as http:
        assert balance(http, account) == 1_000
    assert document(run("verify", "--json", SAGA_DATA_DIR=new))["ok"]
