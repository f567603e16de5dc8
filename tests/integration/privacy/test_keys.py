"""Keys of persons in a real table: made once, destroyed once, whoever else is at it."""

import asyncio
from collections.abc import AsyncIterator
from typing import cast

import psycopg
import pytest
from psycopg import sql
from pydantic import BaseModel

from app.privacy import KeyLocked, Keys, MasterKeys, MasterKeyWrong, Privacy, forget
from app.privacy.cipher import Key
from domain.personal import PersonalText
from domain.shipment import DispatchShipment
from domain.values import Address
from eventstore.connections import Pool, store_pool
from eventstore.decisions import Author
from tests.conftest import Database
from tests.docs.pages import page
from tests.integration.eventstore.dying import Death, dying_pool
from workflows.carrier import BookCarrier

pytestmark = pytest.mark.postgres

OLD, NEW = MasterKeys([b"o" * 32]), MasterKeys([b"n" * 32])
BOTH = MasterKeys([b"n" * 32, b"o" * 32])
WHY = Author("ana", "asked for it")
EXCHANGES_MAX = 30
DECISIONS = "select data->>'reason' from eventstore.events where stream = 'subject-VINET' order by version"


@pytest.fixture
async def pool(database: Database) -> AsyncIterator[Pool]:
    async with store_pool(database.url, 8) as pool:
        yield pool


@pytest.fixture
def privacy(pool: Pool) -> Privacy:
    return Privacy(Keys(pool, MasterKeys()))


def parcel(name: str, order_id: str = "VINET") -> DispatchShipment:
    return DispatchShipment(order_id=order_id, tracking="T1", ship_to=Address(name=name, country="France"))


def name_of(model: BaseModel) -> str:
    address = getattr(model, "ship_to")  # noqa: B009 - whichever model it is
    assert isinstance(address.name, PersonalText)
    return str(address.name)


async def shown(privacy: Privacy, text: str) -> str:
    return (await privacy.reveal(text.encode(), str.encode)).decode()


async def decisions(pool: Pool) -> list[str]:
    async with pool.connection() as connection:
        return [reason for (reason,) in await (await connection.execute(DECISIONS)).fetchall()]


async def keys_left(pool: Pool) -> list[str]:
    async with pool.connection() as connection:
        rows = await (await connection.execute("select subject from privacy.keys order by 1")).fetchall()
    return [subject for (subject,) in rows]


async def test_what_is_protected_is_revealed(privacy: Privacy) -> None:
    [sealed] = await privacy.protect([parcel("Hanna Moos")])

    assert "Hanna" not in name_of(sealed)
    assert sealed.ship_to.country == "France"
    assert (
        await shown(privacy, f"to {name_of(sealed)} and {name_of(sealed)}!")
        == "to Hanna Moos and Hanna Moos!"
    )
    again = await privacy.protect([sealed, parcel("Hanna Moos")])
    assert again == [sealed, sealed]
    assert again[0] is sealed


async def test_persons_who_come_together_have_keys_of_their_own(privacy: Privacy, pool: Pool) -> None:
    sealed = await privacy.protect([parcel("Ana", "a"), parcel("Ana", "b"), parcel("Eva", "b")])

    names = [name_of(each) for each in sealed]
    assert len(set(names)) == 3
    assert await keys_left(pool) == ["a", "b"]
    assert await shown(privacy, " ".join(names)) == "Ana Ana Eva"


async def test_those_who_make_a_key_at_once_use_the_same(pool: Pool) -> None:
    keys = [Keys(pool, MasterKeys()) for _ in range(8)]
    persons = [f"p{number}" for number in range(20)]

    made = await asyncio.gather(*(each.of(persons[:: 1 if n % 2 else -1]) for n, each in enumerate(keys)))

    assert len(await keys_left(pool)) == 20
    assert all(each == made[0] for each in made)


async def test_a_forgotten_person_reads_so_and_begins_anew(privacy: Privacy, pool: Pool) -> None:
    [before] = await privacy.protect([parcel("Hanna Moos")])

    done = await forget(pool, "VINET", WHY)

    assert [key.key_id for key in done.destroyed] == [name_of(before).split(":")[2]]
    assert await shown(privacy, name_of(before)) == "forgotten"
    [after] = await privacy.protect([parcel("Hanna Moos")])
    assert after != before
    assert await shown(privacy, f"{name_of(before)} {name_of(after)}") == "forgotten Hanna Moos"
    assert await decisions(pool) == ["asked for it"]


async def test_what_was_tampered_with_is_unreadable(privacy: Privacy) -> None:
    sealed = await privacy.protect([parcel("Hanna Moos", "a"), parcel("Hanna Moos", "b")])
    [first, second] = [name_of(each).rstrip(";").split(":") for each in sealed]

    swapped = ":".join([*first[:3], second[3]]) + ";"
    cut = ":".join(first)[:-9] + ";"

    assert await shown(privacy, f"{swapped} {cut}") == "unreadable unreadable"


async def test_whoever_forgets_at_once_or_again_destroys_once(privacy: Privacy, pool: Pool) -> None:
    await privacy.protect([parcel("Hanna Moos")])

    done = await asyncio.gather(*(forget(pool, "VINET", WHY) for _ in range(6)))

    assert sorted(len(each.destroyed) for each in done) == [0, 0, 0, 0, 0, 1]
    assert await decisions(pool) == ["asked for it"]
    again = await forget(pool, "VINET", WHY)
    assert (again.destroyed, again.event_id) == ([], None)
    assert (await forget(pool, "nobody", WHY)).destroyed == []


@pytest.mark.slow
@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_death_between_any_two_statements_leaves_all_or_nothing(
    privacy: Privacy, pool: Pool, database: Database, when: str
) -> None:
    """The key is gone if, and only if, an event tells of it; asking again makes it so."""
    for number in range(1, EXCHANGES_MAX):
        await privacy.protect([parcel("Hanna Moos")])
        told = len(await decisions(pool))
        death = Death(number, "before" if when == "before" else "after")
        async with dying_pool(database.url, death) as dying:
            death.armed = True
            try:
                await forget(dying, "VINET", WHY)
            except psycopg.Error:
                assert death.happened
        assert (await keys_left(pool) == []) == (len(await decisions(pool)) == told + 1)
        await forget(pool, "VINET", WHY)
        assert await keys_left(pool) == []
        assert len(await decisions(pool)) == told + 1
        if not death.happened:
            break
    assert not death.happened
    assert number > 4


async def test_a_call_is_sent_what_is_known_of_a_person(privacy: Privacy, pool: Pool) -> None:
    [sealed] = await privacy.protect([parcel("Hanna Moos")])
    booking = BookCarrier(order_id="VINET", ship_to=sealed.ship_to)

    plain, key = await privacy.revealed(booking)
    assert plain.ship_to.name == "Hanna Moos"
    assert key is not None

    await forget(pool, "VINET", WHY)
    plain, key = await privacy.revealed(booking)
    assert plain.ship_to.name == "forgotten"
    assert key is None


async def test_a_master_key_wraps_new_keys_and_the_next_one_takes_over(pool: Pool) -> None:
    plain, old, both = Keys(pool, MasterKeys()), Keys(pool, OLD), Keys(pool, BOTH)
    first = await plain.of(["a"])
    second = await old.of(["a", "b"])
    third = await both.of(["a", "b", "c"])

    assert second["a"] == third["a"] == first["a"]
    assert second["b"] == third["b"]
    async with pool.connection() as connection:
        kept = dict(await (await connection.execute("select subject, key from privacy.keys")).fetchall())
    assert [each == key.secret for each, key in ((kept[name], third[name]) for name in "abc")] == [
        True,
        False,
        False,
    ]
    await both.check()
    for keys, told in (
        (plain, "set SAGA_MASTER_KEY"),
        (old, "not the one of all"),
        (Keys(pool, NEW), "some need"),
    ):
        with pytest.raises(MasterKeyWrong, match=told):
            await keys.check()
    with pytest.raises(KeyLocked):
        await plain.of(["c"])


async def test_keys_are_wrapped_anew(pool: Pool) -> None:
    before = await Keys(pool, MasterKeys()).of(["a"]) | await Keys(pool, OLD).of(["b"])
    both = Keys(pool, BOTH)
    await both.of(["c"])

    assert await both.rewrap() == 2
    assert await both.rewrap() == 0

    new = Keys(pool, NEW)
    await new.check()
    after = await new.of(["a", "b"])
    assert after == before
    assert isinstance(after["a"], Key)


async def test_keys_from_a_backup_do_not_bring_back_who_was_forgotten(
    privacy: Privacy, pool: Pool, database: Database
) -> None:
    """By the statement that docs/personal-data.md has for it."""
    [statement] = [block.text for block in page("docs/personal-data.md").blocks if block.language == "sql"]
    names = [name_of(each) for each in await privacy.protect([parcel("Hanna Moos"), parcel("Eva", "other")])]
    with psycopg.connect(database.owner_url, autocommit=True) as owner:
        owner.execute("create table backup as select * from privacy.keys")
        await forget(pool, "VINET", WHY)
        owner.execute("insert into privacy.keys select * from backup on conflict do nothing")
        assert await shown(privacy, " ".join(names)) == "Hanna Moos Eva"

        owner.execute(cast("sql.SQL", statement.encode()))

    assert await shown(privacy, " ".join(names)) == "forgotten Eva"
