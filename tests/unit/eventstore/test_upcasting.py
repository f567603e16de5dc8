"""Chains of upcasters: fields change, names change, one becomes several or none; what is stored stays."""

from typing import Any

import pytest

from domain.upcaster import Json, Upcaster, changed, dropped, renamed, split
from eventstore import UnknownSchema, Upcasters, UpcastFailed


def in_cents(data: Json) -> Json:
    data["cents"] = data.pop("euros") * 100
    return data


def with_currency(data: Json) -> Json:
    return data | {"currency": "EUR"}


def line_and_price(data: Json) -> list[tuple[str, Json]]:
    return [("LineAdded", {"sku": data["sku"]}), ("PriceSet", {"sku": data["sku"], "euros": data["euros"]})]


PRICES: tuple[Upcaster, ...] = (
    renamed("Priced", 1, to="PriceSet"),
    changed("PriceSet", 1, in_cents),
    changed("PriceSet", 2, with_currency),
    split("LineAdded", 1, {"LineAdded": 2, "PriceSet": 1}, line_and_price),
    dropped("LineLookedAt", 1),
)
SHOP = Upcasters({"PriceSet": 3, "LineAdded": 2}, PRICES)
PRICE_NOW = ("PriceSet", {"sku": "11", "cents": 300, "currency": "EUR"})


@pytest.mark.parametrize(
    ("name", "version", "data", "now"),
    [
        ("PriceSet", 3, PRICE_NOW[1], [PRICE_NOW]),
        ("PriceSet", 2, {"sku": "11", "cents": 300}, [PRICE_NOW]),
        ("PriceSet", 1, {"sku": "11", "euros": 3}, [PRICE_NOW]),
        ("Priced", 1, {"sku": "11", "euros": 3}, [PRICE_NOW]),
        ("LineAdded", 1, {"sku": "11", "euros": 3}, [("LineAdded", {"sku": "11"}), PRICE_NOW]),
        ("LineLookedAt", 1, {"sku": "11"}, []),
    ],
)
def test_each_version_becomes_what_it_is_today(
    name: str, version: int, data: Json, now: list[tuple[str, Json]]
) -> None:
    before = dict(data)

    assert SHOP.upcast(name, version, data) == now
    assert data == before


def test_what_is_of_today_is_not_copied() -> None:
    data = {"sku": "11"}

    [(_, same)] = SHOP.upcast("LineAdded", 2, data)

    assert same is data


def test_parts_of_a_split_share_nothing_that_the_next_upcaster_changes() -> None:
    def twice(data: Json) -> list[tuple[str, Json]]:
        return [("Kept", data), ("Counted", data)]

    def count(data: Json) -> Json:
        data["lines"].append("counted")
        return data

    upcasters = Upcasters(
        {"Kept": 1, "Counted": 2},
        [split("Old", 1, {"Kept": 1, "Counted": 1}, twice), changed("Counted", 1, count)],
    )

    assert upcasters.upcast("Old", 1, {"lines": []}) == [
        ("Kept", {"lines": []}),
        ("Counted", {"lines": ["counted"]}),
    ]


@pytest.mark.parametrize(
    ("name", "version", "said"),
    [
        ("PriceSet", 4, "PriceSet version 4 is newer than version 3, the last one that this code knows"),
        ("Priced", 2, "Priced version 2 is newer than version 1, the last one that this code knows"),
        ("Eaten", 1, "Eaten version 1 is nothing that this code knows"),
        ("PriceSet", 0, "PriceSet version 0 is nothing that this code knows"),
    ],
)
def test_what_is_not_known_is_refused_never_misread(name: str, version: int, said: str) -> None:
    with pytest.raises(UnknownSchema) as refused:
        SHOP.upcast(name, version, {})

    assert str(refused.value) == said


def test_an_upcaster_that_fails_says_for_what() -> None:
    with pytest.raises(UpcastFailed, match="PriceSet version 1 cannot be upcast: KeyError: 'euros'"):
        SHOP.upcast("PriceSet", 1, {"sku": "11"})


def test_an_upcaster_that_gives_what_it_did_not_declare_is_refused() -> None:
    upcasters = Upcasters({"A": 1}, [split("Old", 1, {"A": 1}, lambda data: [("B", data)])])

    with pytest.raises(UpcastFailed, match="Old version 1 cannot be upcast: KeyError: 'B'"):
        upcasters.upcast("Old", 1, {})


def test_what_must_stay_one_is_refused_when_it_does_not() -> None:
    upcasters = Upcasters({"A": 1}, [split("Old", 1, {"A": 1}, lambda data: [("A", data)] * data["times"])])

    assert upcasters.upcast_one("Old", 1, {"times": 1}) == ("A", {"times": 1})
    for times in (0, 2):
        with pytest.raises(UpcastFailed, match=f"Old version 1 became {times}, and must stay one"):
            upcasters.upcast_one("Old", 1, {"times": times})


@pytest.mark.parametrize(
    ("name", "version", "ends"),
    [
        ("PriceSet", 3, {"PriceSet"}),
        ("Priced", 1, {"PriceSet"}),
        ("LineAdded", 1, {"LineAdded", "PriceSet"}),
        ("LineLookedAt", 1, set[str]()),
        ("PriceSet", 9, {"PriceSet"}),
        ("Eaten", 1, set[str]()),
    ],
)
def test_what_it_may_become_is_known_without_reading_it(name: str, version: int, ends: set[str]) -> None:
    assert SHOP.ends(name, version) == ends


def test_versions_of_retired_names_are_known_as_well() -> None:
    known: dict[str, Any] = {name: list(SHOP.versions(name)) for name in sorted(SHOP.names())}

    assert known == {"LineAdded": [1, 2], "LineLookedAt": [1], "PriceSet": [1, 2, 3], "Priced": [1]}
