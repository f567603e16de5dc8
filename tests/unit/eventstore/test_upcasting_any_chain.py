"""What holds for every chain: at once is the same as step by step, again is the same, nothing is changed."""

from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from domain.upcaster import Json, Upcaster, changed, dropped, renamed, split
from eventstore import BrokenChain, Upcasters

NAMES = ["A", "B", "C"]
VERSIONS_MAX = 4
jsons = st.recursive(
    st.none() | st.integers() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=2), inner, max_size=2),
    max_leaves=5,
)
documents = st.dictionaries(st.sampled_from(["x", "y", "z"]), jsons, max_size=3)


@dataclass(frozen=True)
class Table:
    """Current versions, and an upcaster for each version before."""

    current: dict[str, int]
    links: dict[tuple[str, int], Upcaster]

    def one_step(self, name: str, version: int, data: Json) -> list[tuple[str, int, Json]]:
        link = self.links[name, version]
        return [(to, link.into[to], part) for to, part in link.upcast(deepcopy(data))]


@st.composite
def tables(draw: st.DrawFn) -> Table:
    """Each link leads to later names, or later versions of its own: so there is no circle."""
    current = {name: draw(st.integers(1, VERSIONS_MAX)) for name in NAMES}
    links: dict[tuple[str, int], Upcaster] = {}
    for place, name in enumerate(NAMES):
        later = {each: draw(st.integers(1, current[each])) for each in NAMES[place + 1 :]}
        for version in range(1, current[name]):
            links[name, version] = draw(st.sampled_from(_links(name, version, later)))
    return Table(current, links)


def _links(name: str, version: int, later: dict[str, int]) -> list[Upcaster]:
    def mark(data: Json) -> Json:
        data.setdefault("way", [])
        data["way"] = [*data["way"], f"{name}{version}"] if isinstance(data["way"], list) else []
        data.pop("x", None)
        return data

    into = {name: version + 1} | later
    return [
        changed(name, version, mark),
        dropped(name, version),
        split(name, version, into, lambda data: [(to, mark(dict(data))) for to in into]),
        *(renamed(name, version, to=to, at=at, change=mark) for to, at in later.items()),
    ]


def step_by_step(table: Table, name: str, version: int, data: Json) -> list[tuple[str, Json]]:
    """The first that is not of today makes one step, until all are."""
    parts: list[tuple[str, int, Json]] = [(name, version, data)]
    while old := [part for part in parts if part[1] != table.current[part[0]]]:
        place = parts.index(old[0])
        parts[place : place + 1] = table.one_step(*old[0])
    return [(now, part) for now, _, part in parts]


@given(tables(), st.sampled_from(NAMES), documents, st.data())
def test_a_chain_is_its_steps(table: Table, name: str, data: Json, choice: st.DataObject) -> None:
    upcasters = Upcasters(table.current, table.links.values())
    version = choice.draw(st.integers(1, table.current[name]))
    before: Any = deepcopy(data)

    now = upcasters.upcast(name, version, data)

    assert now == step_by_step(table, name, version, data)
    assert now == upcasters.upcast(name, version, data)
    assert {each for each, _ in now} <= upcasters.ends(name, version)
    assert data == before


@given(tables(), st.data())
def test_a_table_with_a_hole_is_never_taken(table: Table, choice: st.DataObject) -> None:
    assume(table.links)
    hole = choice.draw(st.sampled_from(sorted(table.links)))
    left = [link for place, link in table.links.items() if place != hole]

    with pytest.raises(BrokenChain) as refused:
        Upcasters(table.current, left)

    assert str(refused.value) == f"{hole[0]} version {hole[1]} has no upcaster: it could not be read"
