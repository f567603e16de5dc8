"""The same seed is the same plan."""

from tests.chaos.plan import KINDS, plan_of


def test_a_plan_is_a_function_of_its_seed() -> None:
    assert plan_of(7, 600, 3) == plan_of(7, 600, 3) != plan_of(8, 600, 3)


def test_a_long_plan_has_every_kind_of_fault() -> None:
    assert {fault.kind for fault in plan_of(7, 600, 3)} == set(KINDS)
