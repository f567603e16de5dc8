"""Upcasters that do not lead from all that may be stored to today are refused before anything is read."""

import pytest

from domain.upcaster import Upcaster, changed, dropped, renamed, split
from eventstore import BrokenChain, Upcasters


def same(data: dict[str, object]) -> dict[str, object]:
    return data


@pytest.mark.parametrize(
    ("current", "upcasters", "said"),
    [
        ({"A": 2}, [], "A version 1 has no upcaster: it could not be read"),
        (
            {"A": 4},
            [changed("A", 1, same), changed("A", 3, same)],
            "A version 2 has no upcaster: it could not be read",
        ),
        ({"A": 1}, [renamed("Old", 2, to="A")], "Old version 1 has no upcaster: it could not be read"),
        ({"A": 2}, [changed("A", 1, same), changed("A", 1, same)], "A version 1 has two upcasters"),
        ({"A": 2}, [changed("A", 1, same), dropped("A", 1)], "A version 1 has two upcasters"),
        (
            {"A": 2},
            [changed("A", 1, same), changed("A", 2, same)],
            "the upcaster of A version 2 leads nowhere: the current version of A is 2",
        ),
        (
            {"A": 2},
            [changed("A", 1, same), changed("A", 7, same)],
            "the upcaster of A version 7 leads nowhere: the current version of A is 2",
        ),
        (
            {"A": 1},
            [renamed("Old", 1, to="B")],
            "the upcaster of Old version 1 leads to B, which is not known",
        ),
        (
            {"A": 1},
            [split("Old", 1, {"A": 1, "B": 1}, lambda _: [])],
            "the upcaster of Old version 1 leads to B, which is not known",
        ),
        (
            {"A": 1},
            [renamed("Old", 1, to="A", at=2)],
            "the upcaster of Old version 1 leads to A version 2, and the last known version is 1",
        ),
        ({"A": 1}, [changed("A", 0, same)], "the upcaster of A version 0: schema versions begin with 1"),
        ({"A": 0}, [], "A version 0: schema versions begin with 1"),
        (
            {"C": 1},
            [renamed("A", 1, to="B"), renamed("B", 1, to="A")],
            "the upcasters of A version 1 lead back to it",
        ),
    ],
)
def test_a_broken_chain_is_refused_in_one_line(
    current: dict[str, int], upcasters: list[Upcaster], said: str
) -> None:
    with pytest.raises(BrokenChain) as refused:
        Upcasters(current, upcasters)

    assert str(refused.value) == said


def test_a_name_may_be_given_back_later() -> None:
    """A became B, and B became A again: no circle, since versions go on."""
    there_and_back = [renamed("A", 1, to="B"), renamed("B", 1, to="A", at=2)]

    assert Upcasters({"A": 2}, there_and_back).upcast("A", 1, {}) == [("A", {})]
