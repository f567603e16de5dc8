"""What journals keep is frozen: the names and fields of their entries, the names of sagas and calls."""

import json
from pathlib import Path
from typing import Any

import httpx

from workflows.carrier import Carrier
from workflows.saga.journal import ENTRIES, Cause, StoredCompensation
from workflows.sagas import SAGAS
from workflows.supplier import Supplier

GOLDEN = Path(__file__).with_name("durable_names.json")


def test_stored_names_and_shapes_have_not_changed() -> None:
    """A change here breaks sagas that are under way: a new schema version and an upcaster, or a new name."""
    assert durable_names() == json.loads(GOLDEN.read_text())


def durable_names() -> dict[str, Any]:
    """Entries and what is inside them by their fields; sagas by version; calls by the fields they store."""
    client = httpx.AsyncClient()
    calls = [*Carrier(client).calls(), *Supplier(client).calls()]
    return {
        "entries": {
            f"{entry.__name__} {entry.schema_version}": sorted(entry.model_fields)
            for entry in (*ENTRIES, Cause, StoredCompensation)
        },
        "sagas": {
            f"{saga.name} {saga.version}": {
                "input": sorted(saga.input.model_fields),
                "signals": {name: sorted(data.model_fields) for name, data in saga.signals.items()},
            }
            for saga in SAGAS
        },
        "calls": {
            definition.call.name: {
                "argument": sorted(definition.call.argument.model_fields),
                "result": sorted(definition.call.result.model_fields),
            }
            for definition in calls
        },
    }
