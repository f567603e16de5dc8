"""A proof says that an event is in the log an anchor fixes; nothing else passes for one."""

from copy import deepcopy
from typing import Any

import orjson
import pytest

from eventstore.audit.proofs import InvalidProof, NoProof, check_proof, prove
from tests.conftest import Database
from tests.integration.audit.logs import anchor_of, fill, seal_all, tampering
from tests.integration.eventstore.stores import connect

pytestmark = pytest.mark.postgres


async def proof_of(database: Database, position: int, to_block: int | None = None) -> Any:
    async with await connect(database.url) as connection:
        return orjson.loads(orjson.dumps(await prove(connection, position, to_block)))


@pytest.mark.parametrize("position", range(1, 13))
async def test_every_sealed_event_is_proved_up_to_an_anchor(database: Database, position: int) -> None:
    await fill(database)
    await seal_all(database)
    anchor = await anchor_of(database)

    proof = await proof_of(database, position, anchor.block)
    event = check_proof(proof, anchor)

    assert (event["position"], event["stream"]) == (position, "a-1" if position % 2 else "b-1")
    assert orjson.loads(event["data"])["n"] == (position + 1) // 2


async def test_a_proof_that_was_changed_proves_nothing(database: Database, subtests: pytest.Subtests) -> None:
    await fill(database)
    await seal_all(database)
    anchor = await anchor_of(database)
    proof = await proof_of(database, 6, anchor.block)
    other = await proof_of(database, 7, anchor.block)

    changes: dict[str, Any] = {
        "another event": {"fields": other["fields"]},
        "another path": {"path": other["path"]},
        "no path": {"path": []},
        "no blocks": {"blocks": []},
        "a block is missing": {"blocks": [proof["blocks"][0]]},
        "another block": {"blocks": proof["blocks"][1:]},
        "another format": {"format": "saga-proof-2"},
        "fewer fields": {"fields": proof["fields"][:9]},
        "a field of another size": {"fields": ["AAAA", *proof["fields"][1:]]},
        "no base64": {"fields": ["*", *proof["fields"][1:]]},
        "no hash": {"path": [{"side": "left", "hash": 7}]},
    }
    for name, change in changes.items():
        with subtests.test(name), pytest.raises(InvalidProof):
            check_proof(proof | change, anchor)
    for nothing in (None, 7, [], {}, "proof"):
        with subtests.test(repr(nothing)), pytest.raises(InvalidProof):
            check_proof(nothing, anchor)
    later = deepcopy(proof)
    later["blocks"][-1]["sealed_at"] = "2031-01-01T00:00:00+00:00"
    with subtests.test("another time"), pytest.raises(InvalidProof, match="not the one of the anchor"):
        check_proof(later, anchor)
    # What is there for people is not what is proved.
    assert check_proof(proof | {"event": {"position": 99}}, anchor)["position"] == 6


async def test_what_cannot_be_proved_is_said(database: Database) -> None:
    await fill(database)
    await seal_all(database)
    await fill(database, 1, first=7)
    with pytest.raises(NoProof, match="no event at position 99"):
        await proof_of(database, 99)
    with pytest.raises(NoProof, match="not sealed yet"):
        await proof_of(database, 13)
    with pytest.raises(NoProof, match="is in block 2"):
        await proof_of(database, 6, 1)
    with pytest.raises(NoProof, match="no block 8"):
        await proof_of(database, 6, 8)
    async with tampering(database) as admin:
        await admin.execute("update eventstore.events set type = 'Never' where position = 6")
    with pytest.raises(NoProof, match="run saga verify"):
        await proof_of(database, 6)
