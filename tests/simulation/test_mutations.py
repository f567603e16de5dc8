"""The simulation can fail: it notices each rule of the kernel that is broken on purpose."""

import pytest

from tests.simulation.mutations import MUTATIONS, Mutation, broken
from tests.simulation.schedule import run

SEEDS = 1_000


@pytest.mark.slow
@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.__name__)
def test_a_broken_rule_is_noticed(mutation: Mutation) -> None:
    with broken(mutation):
        assert any(run(seed).violations for seed in range(SEEDS))
