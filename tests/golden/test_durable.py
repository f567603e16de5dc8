"""What is stored is frozen: a change of it is made with a new schema version, or it is not made."""

from copy import deepcopy

import pytest

from domain import Catalog, Decider, Event
from domain.upcaster import Upcaster, changed, dropped, renamed
from tests.golden.durable import Durable, Frozen, differences, durable, freeze, frozen, of_this_code
from tests.unit.workflows.toys import Done, Tally, Undo, Undone, evolve


def test_what_is_stored_is_what_was_frozen() -> None:
    assert differences(frozen(), of_this_code()) == []


def test_the_file_is_what_freezing_it_again_gives() -> None:
    assert freeze(frozen(), of_this_code()) == frozen()


def test_old_versions_stay_in_the_file() -> None:
    assert frozen()["events"]["StockRanLow"].keys() == {"1", "2"}


def toys(*events: type[Event], upcasters: tuple[Upcaster, ...] = ()) -> Durable:
    union = events[0] | events[1] if len(events) > 1 else events[0]
    decider: Decider[Undo, Event, Tally] = Decider(
        "tally", lambda undo: undo.tally, Tally(), lambda _state, _command: [], evolve, Undo, union, upcasters
    )
    return durable(Catalog([decider]), [], [])


FROZEN: Frozen = freeze({}, toys(Done, Undone))


class Reached(Event):
    tally: str


def renewed(version: int) -> type[Event]:
    """The event Done with another field."""
    return type(
        "Done",
        (Event,),
        {"schema_version": version, "__annotations__": {"count": int}, "__module__": __name__},
    )


def test_code_that_has_not_changed_differs_in_nothing() -> None:
    assert differences(FROZEN, toys(Done, Undone)) == []


def test_a_shape_that_changed_under_its_version_is_told_with_what_to_do() -> None:
    [told] = differences(FROZEN, toys(renewed(1), Undone))

    assert told.startswith("events: Done version 1 has another shape than the one that is stored")
    assert "properties.count is new, properties.tally is gone" in told
    assert "schema version and an upcaster" in told
    assert told.endswith("make golden")


def test_a_name_that_is_gone_is_told() -> None:
    [told] = differences(FROZEN, toys(Done))

    assert told.startswith("events: Undone version 1 cannot be read any more")


@pytest.mark.parametrize("upcaster", [renamed("Undone", 1, to="Done"), dropped("Undone", 1)])
def test_a_name_that_is_upcast_is_not_gone(upcaster: Upcaster) -> None:
    now = toys(Done, upcasters=(upcaster,))

    assert differences(FROZEN, now) == []
    assert freeze(FROZEN, now)["events"] == FROZEN["events"]


def test_a_new_version_is_told_until_it_is_frozen_and_the_old_one_is_kept() -> None:
    now = toys(renewed(2), Undone, upcasters=(changed("Done", 1, lambda _: {"count": 1}),))

    [told] = differences(FROZEN, now)

    assert told == "events: Done version 2 is new. Look at it once more, then: make golden"
    again = freeze(deepcopy(FROZEN), now)
    assert again["events"]["Done"].keys() == {"1", "2"}
    assert differences(again, now) == []


def test_a_new_name_is_told_until_it_is_frozen() -> None:
    before = freeze({}, toys(Done))

    [told] = differences(before, toys(Done, Reached))

    assert told.startswith("events: Reached version 1 is new")


def test_what_nobody_can_read_is_not_frozen_again() -> None:
    assert freeze(FROZEN, toys(Done))["events"].keys() == {"Done"}
