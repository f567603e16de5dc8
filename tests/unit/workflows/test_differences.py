"""Differences name what changed, and put together they make the new state of the old one."""

from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workflows.differences import FieldChange, differences

values = st.recursive(
    st.none() | st.booleans() | st.integers(0, 3) | st.sampled_from(["", "a", "b"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["a", "b/c", "~d", ""]), inner, max_size=3)
    ),
    max_leaves=8,
)


@pytest.mark.parametrize(
    ("old", "new", "wanted"),
    [
        ({"a": 1}, {"a": 1}, []),
        ({"a": 1}, {"a": 2}, [("replace", "/a", 1, 2)]),
        ({"a": 1}, {"a": True}, [("replace", "/a", 1, True)]),
        ({}, {"a": None}, [("add", "/a", None, None)]),
        ({"a": {"b": 1, "c": 2}}, {"a": {"c": 3}}, [("remove", "/a/b", 1, None), ("replace", "/a/c", 2, 3)]),
        ({"a": [1, 2]}, {"a": [1, 3, 4]}, [("replace", "/a/1", 2, 3), ("add", "/a/2", None, 4)]),
        ({"a": []}, {"a": {}}, [("replace", "/a", [], {})]),
        ({"a/b": {"~": 1}}, {"a/b": {"~": 2}}, [("replace", "/a~1b/~0", 1, 2)]),
        (1, 2, [("replace", "", 1, 2)]),
    ],
)
def test_each_change_has_its_place(old: Any, new: Any, wanted: list[Any]) -> None:
    found = [(each.op, each.path, each.old, each.new) for each in differences(old, new)]

    assert found == wanted


def test_what_was_added_has_no_old_value_and_what_was_removed_no_new_one() -> None:
    [added] = differences({}, {"a": None})
    [removed] = differences({"a": None}, {})

    assert added.model_dump(exclude_unset=True) == {"op": "add", "path": "/a", "new": None}
    assert removed.model_dump(exclude_unset=True) == {"op": "remove", "path": "/a", "old": None}


@given(values, values)
def test_the_old_value_with_the_differences_is_the_new_one(old: Any, new: Any) -> None:
    found = list(differences(old, new))

    assert repr(_sorted(patched(old, found))) == repr(_sorted(new))


def patched(old: Any, found: list[FieldChange]) -> Any:
    root = {"": deepcopy(old)}
    for each in sorted(found, key=lambda each: each.op == "remove", reverse=False):
        *above, last = ["", *each.path.split("/")[1:]]
        place: Any = root
        for name in above:
            place = place[_key(place, name)]
        if each.op == "remove":
            place[_key(place, last)] = REMOVED
        elif isinstance(place, list) and each.op == "add":
            place.append(each.new)
        else:
            place[_key(place, last)] = each.new
    return _without_removed(root[""])


REMOVED = object()


def _without_removed(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_removed(each) for name, each in value.items() if each is not REMOVED}
    if isinstance(value, list):
        return [_without_removed(each) for each in value if each is not REMOVED]
    return value


def _key(place: Any, name: str) -> Any:
    return int(name) if isinstance(place, list) else name.replace("~1", "/").replace("~0", "~")


def _sorted(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _sorted(value[name]) for name in sorted(value)}
    return [_sorted(each) for each in value] if isinstance(value, list) else value
