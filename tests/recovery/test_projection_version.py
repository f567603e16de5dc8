"""A deploy with a new version of a projection: what is served stands still only without an old server."""

import httpx
import pytest

from app.readmodels.sagas import SagaProjection
from tests.acceptance.server import Json, until
from tests.conftest import Database
from tests.recovery.launcher import Server, serving
from tests.recovery.test_parked_projection import decide, sagas, transfer

pytestmark = [pytest.mark.postgres, pytest.mark.slow]


def version_two() -> None:
    SagaProjection.version = 2


def listed(server: Server) -> list[str]:
    page: Json = httpx.get(f"{server.url}/sagas").raise_for_status().json()
    return [saga["saga_id"] for saga in page["sagas"]]


def test_the_old_version_is_served_until_the_new_one_is_promoted(database: Database) -> None:
    with serving(database) as old, serving(database, version_two) as new:
        first = transfer(new)["saga_id"]
        until(lambda: listed(new) == [first])  # the old server follows the log
        view = sagas(new)
        assert (view["needs_rebuild"], view["code_version"], view["live"]["version"]) == (True, 2, 1)
        ready = httpx.get(f"{new.url}/health/ready").raise_for_status().json()
        assert "rebuild it" in ready["lagging"]["sagas"]
        assert sagas(old)["needs_rebuild"] is False

        assert decide(new, "rebuild").status_code == 202
        until(lambda: sagas(new)["staging"]["lag"]["events"] == 0)
        assert decide(new, "promote").status_code == 200

        view = sagas(new)
        assert (view["needs_rebuild"], view["live"]["version"], view["previous"]["version"]) == (False, 2, 1)
        second = transfer(old)["saga_id"]
        until(lambda: listed(old) == listed(new) == [second, first])
        until(lambda: sagas(old)["previous"]["lag"]["events"] == 0)  # the old server follows what it can
        refused = decide(new, "return", wait_seconds=0)
        assert (refused.status_code, refused.json()["code"]) == (409, "projection-conflict")
        assert "stale" in refused.json()["detail"]
        assert decide(old, "return").status_code == 200
        assert listed(old) == listed(new) == [second, first]


def test_without_a_server_of_the_old_version_lists_are_old_and_sagas_go_on(database: Database) -> None:
    with serving(database) as old:
        first = transfer(old)["saga_id"]
        until(lambda: listed(old) == [first])
        old.stop()

    with serving(database, version_two) as new:
        second = transfer(new)
        assert second["status"] == "compensated"
        assert listed(new) == [first]
        assert sagas(new)["live"]["lag"]["events"] > 0

        decide(new, "rebuild")
        until(lambda: sagas(new)["staging"]["lag"]["events"] == 0)
        found = httpx.get(f"{new.url}/projections/sagas/diff").raise_for_status().json()
        assert (found["position"], found["same"]) == (None, False)
        assert found["tables"][0]["only_other"] == [[second["saga_id"]]]
        decide(new, "promote")
        assert listed(new) == [second["saga_id"], first]
