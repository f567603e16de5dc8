"""The table of keys. Nothing here remembers a key: one that was destroyed is gone for everybody at once."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final

from psycopg.rows import args_row, tuple_row
from pydantic import BaseModel

from app.privacy.cipher import Key, MasterKeys, MasterKeyWrong
from eventstore.connections import Pool
from eventstore.reader import Reader

_BY_ID: Final = "select key_id, subject, key, master from privacy.keys where key_id = any(%(key_ids)s)"
_BY_SUBJECT: Final = "select key_id, subject, key, master from privacy.keys where subject = any(%(subjects)s)"
# Of two that make the key of a person at once one wins, and both use its key.
_MAKE: Final = """
    insert into privacy.keys (key_id, subject, key, master)
    select * from unnest(%(key_ids)s::text[], %(subjects)s::text[], %(keys)s::bytea[], %(masters)s::text[])
        on conflict (subject) do nothing
    returning key_id"""
_DESTROY: Final = "delete from privacy.keys where subject = %s returning key_id, created_at"
_TO_REWRAP: Final = """
    select key_id, key, master from privacy.keys where master is distinct from %(first)s limit 500"""
# A key that was destroyed meanwhile stays so.
_REWRAP: Final = """
    update privacy.keys set key = %(wrapped)s, master = %(first)s
     where key_id = %(key_id)s and key = %(kept)s
    returning key_id"""
_WRAPPED_OTHERWISE: Final = """
    select coalesce(min(master), '') from privacy.keys
     where master is not null and not master = any(%(known)s)"""


class DestroyedKey(BaseModel):
    """A key that is no more: its id, which tokens name, and when it was made."""

    key_id: str
    created_at: datetime


class Keys:
    """Finds, makes and destroys keys. Raises StoreUnavailable when the database stays away, and KeyLocked."""

    def __init__(self, pool: Pool, masters: MasterKeys) -> None:
        self._reader = Reader(pool)
        self._masters = masters

    async def check(self) -> None:
        """Raises MasterKeyWrong when there is a key that cannot be unwrapped."""
        other = await self._reader.scalar(_WRAPPED_OTHERWISE, {"known": self._masters.fingerprints})
        if other and not self._masters.secrets:
            raise MasterKeyWrong("the keys of personal data are wrapped by a master key: set SAGA_MASTER_KEY")
        if other:
            raise MasterKeyWrong(
                f"SAGA_MASTER_KEY is not the one of all keys of personal data: some need {other}, "
                f"this is {', '.join(self._masters.fingerprints)}"
            )

    async def find(self, key_ids: Iterable[str]) -> dict[str, Key]:
        """Those of these keys that are still there, by their id."""
        rows = await self._rows(_BY_ID, {"key_ids": list(key_ids)})
        return {key.key_id: key for key in rows.values()}

    async def of(self, subjects: Iterable[str]) -> dict[str, Key]:
        """The keys of these persons, by person; made for those who have none."""
        wanted = sorted(set(subjects))  # in one order, or two who make several wait for each other
        found = await self._rows(_BY_SUBJECT, {"subjects": wanted})
        while missing := [subject for subject in wanted if subject not in found]:
            await self._make(missing)
            found |= await self._rows(_BY_SUBJECT, {"subjects": missing})
        return found

    async def rewrap(self) -> int:
        """Wrap with the first master key what is not; how many keys. Nobody need stop for it."""
        count = 0
        while rows := await self._reader.rows(_TO_REWRAP, {"first": self._masters.first}, tuple_row):
            for key_id, kept, master in rows:
                wrapped, first = self._masters.wrap(self._masters.unwrap(key_id, kept, master))
                parameters = {"key_id": key_id, "kept": kept, "wrapped": wrapped, "first": first}
                count += len(await self._reader.rows(_REWRAP, parameters, tuple_row))
        return count

    async def _make(self, subjects: list[str]) -> None:
        new = [Key.new() for _ in subjects]
        wrapped = [self._masters.wrap(key) for key in new]
        parameters = {
            "key_ids": [key.key_id for key in new],
            "subjects": subjects,
            "keys": [kept for kept, _ in wrapped],
            "masters": [master for _, master in wrapped],
        }
        await self._reader.rows(_MAKE, parameters, tuple_row)

    async def _rows(self, query: str, parameters: dict[str, Any]) -> dict[str, Key]:
        def row(key_id: str, subject: str, kept: bytes, master: str | None) -> tuple[str, Key]:
            return subject, self._masters.unwrap(key_id, kept, master)

        return dict(await self._reader.rows(query, parameters, args_row(row)))


async def destroy(connection: Any, subject: str) -> list[DestroyedKey]:
    """Destroy the key of a person with the transaction of `connection`: none if there was none."""
    cursor = connection.cursor(row_factory=args_row(_destroyed))
    await cursor.execute(_DESTROY, [subject])
    destroyed: list[DestroyedKey] = await cursor.fetchall()
    return destroyed


def _destroyed(key_id: str, created_at: datetime) -> DestroyedKey:
    return DestroyedKey(key_id=key_id, created_at=created_at)
