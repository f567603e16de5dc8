"""A short round with one seed: faults of every kind on three executors, and the books balance."""

import pytest

from tests.chaos.plan import KINDS, plan_of
from tests.chaos.rounds import Setting, play
from tests.conftest import PrivateServer
from tests.recovery.conftest import carrier  # noqa: F401 - a fixture
from tests.recovery.shop import Carrier

pytestmark = [pytest.mark.postgres, pytest.mark.slow, pytest.mark.timeout(900)]

SEED, SECONDS, SERVERS = 489, 12, 3


def test_nothing_is_lost_and_nothing_happens_twice(
    private_server: PrivateServer,
    carrier: Carrier,  # noqa: F811
) -> None:
    assert {fault.kind for fault in plan_of(SEED, SECONDS, SERVERS)} == set(KINDS)
    played = play(private_server, carrier, Setting(SEED, SECONDS, SERVERS))

    assert not played.faults, "\n".join([f"seed {SEED}", *played.timeline, *played.faults])
    assert played.figures["entries: SagaRequested"] > 0
