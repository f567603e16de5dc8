"""Names of commands on the wire."""

import pytest

from app.api.command_names import find_command, kebab_case, named_commands
from domain import UnknownName
from domain.aggregates import CATALOG


@pytest.mark.parametrize(
    ("class_name", "name"),
    [("Deposit", "deposit"), ("ReceiveStock", "receive-stock"), ("HoldX2Y", "hold-x2-y")],
)
def test_a_class_name_in_kebab_case(class_name: str, name: str) -> None:
    assert kebab_case(class_name) == name


def test_the_key_field_of_every_command_is_the_one_that_its_decider_reads() -> None:
    keys = {"order": "order_id", "stock": "sku", "account": "account_id", "shipment": "order_id"}

    commands = named_commands(CATALOG).values()

    found = {(each.category, each.key_field) for each in commands if each.category in keys}

    assert found == set(keys.items())


def test_an_unknown_name_is_answered_with_those_that_exist() -> None:
    with pytest.raises(UnknownName, match="dispatch-shipment"):
        find_command(CATALOG, "shipment", "explode")
    with pytest.raises(UnknownName, match="shipment"):
        find_command(CATALOG, "nonsense", "explode")
