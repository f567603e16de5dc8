"""The document of the append function, and what becomes of its answers."""

import orjson

from eventstore import Batch, CommandId, EventStoreError, NewEvent
from eventstore.documents import document, item, outcome


def test_ordinals_run_over_the_document_and_numbers_over_its_items() -> None:
    first = item(
        [Batch("a-1", 4, [NewEvent("T", {"x": 1}), NewEvent("T", {})]), Batch("c-1", 2)],
        CommandId("command", "print"),
        {"runs": [{"id": "r"}]},
    )
    second = item([Batch("b-1", 0, [NewEvent("U", {}, {"actor": "me"}, 2)])])

    lists = orjson.loads(orjson.dumps(document([first, second])))

    assert [(b["n"], b["b"], b["s"], b["v"], b["c"]) for b in lists["batches"]] == [
        (0, 1, "a-1", 4, 2),
        (0, 2, "c-1", 2, 0),
        (1, 3, "b-1", 0, 1),
    ]
    assert [(e["n"], e["k"], e["l"], e["s"], e["v"], e["t"], e["sv"]) for e in lists["events"]] == [
        (0, 1, 2, "a-1", 5, "T", 1),
        (0, 2, 2, "a-1", 6, "T", 1),
        (1, 3, 3, "b-1", 1, "U", 2),
    ]
    assert (lists["events"][0]["d"], lists["events"][2]["m"]) == ({"x": 1}, {"actor": "me"})
    assert lists["commands"] == [{"n": 0, "c": "command", "h": "print", "s": "a-1", "f": 5, "e": 6, "k": 2}]
    assert lists["runs"] == [{"n": 0, "id": "r"}]


def test_an_answer_that_nobody_knows_is_an_error() -> None:
    result = outcome(item([Batch("a-1", 0, [NewEvent("T", {})])]), {"n": 0, "status": "postponed"})

    assert isinstance(result, EventStoreError)
    assert "postponed" in str(result)
