"""The embedded Postgres is killed under two servers that share it: they start it again, and sagas go on."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from app import embedded
from tests.acceptance.server import serving_as, until
from tests.conftest import postmasters
from tests.recovery.shop import behave, open_shop, order, place, saga

pytestmark = [pytest.mark.postgres, pytest.mark.slow]


@pytest.fixture
def data_dir() -> Iterator[Path]:
    """Not below pytest's, which the database server's user cannot enter."""
    data_dir = Path(tempfile.mkdtemp(prefix="saga-tests-"))
    yield data_dir
    until(lambda: embedded.stop_if_unused(data_dir))
    shutil.rmtree(data_dir)


def test_a_saga_in_flight_ends_though_its_postgres_was_killed(data_dir: Path) -> None:
    with (
        serving_as(SAGA_DATA_DIR=str(data_dir)) as server,
        serving_as(SAGA_DATA_DIR=str(data_dir)) as other,
        httpx.Client(base_url=server.url, timeout=30) as http,
    ):
        open_shop(http)
        behave(http, mode="slow", delay_ms=1000)
        saga_id = place(http, order("order-1"))
        until(lambda: any(step["name"] == "book-carrier" for step in saga(http, saga_id)["steps"]))

        [killed] = postmasters(data_dir)
        killed.kill()

        until(lambda: ready(server.url) and ready(other.url) and killed not in postmasters(data_dir))
        until(lambda: status(http, saga_id) == "completed")
        assert len(postmasters(data_dir)) == 1


def ready(url: str) -> bool:
    return httpx.get(f"{url}/health/ready").status_code == 200


def status(http: httpx.Client, saga_id: str) -> object:
    """Nothing while the server answers 503."""
    return http.get(f"/sagas/{saga_id}").json().get("status")
