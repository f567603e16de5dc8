"""Calls with personal values: readable to the other side, encrypted again in what comes back."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from typing import Annotated, Any, ClassVar

import pytest
from pydantic import BaseModel

from app.privacy import Keys, MasterKeys, Privacy, forget, private
from app.privacy.calls import COMPLAINT_BYTES_MAX, CallFault
from app.privacy.cipher import Unreadable
from domain import Rejected
from domain.personal import Personal
from domain.values import Name
from eventstore.connections import Pool, store_pool
from eventstore.decisions import Author
from tests.conftest import Database, PrivateServer
from tests.integration.eventstore.stores import until
from workflows.saga import Call, CallDefinition, Transient

pytestmark = pytest.mark.postgres

NAME = "Hanna Moos"


class Ask(BaseModel):
    data_subject: ClassVar[str] = "person_id"

    person_id: str = "p1"
    name: Annotated[Name, Personal()]
    note: str = ""


class Answer(Ask):
    pass


Function = Callable[[Ask, str], Awaitable[Answer | None]]


@pytest.fixture
async def pool(database: Database) -> AsyncIterator[Pool]:
    async with store_pool(database.url, 2) as pool:
        yield pool


@pytest.fixture
def privacy(pool: Pool) -> Privacy:
    return Privacy(Keys(pool, MasterKeys()))


def bound(privacy: Privacy, function: Function) -> CallDefinition[Any, Any]:
    return private(CallDefinition(Call("ask", Ask, Answer), function, function), privacy)  # type: ignore[arg-type]


async def sealed(privacy: Privacy) -> Ask:
    [ask] = await privacy.protect([Ask(name=NAME)])
    return ask.model_copy(update={"note": f"for {ask.name}"})


async def shown(privacy: Privacy, text: str) -> str:
    return (await privacy.reveal(text.encode(), str.encode)).decode()


async def test_it_is_sent_readable_and_comes_back_encrypted(privacy: Privacy) -> None:
    seen: list[Ask] = []

    async def answer(ask: Ask, key: str) -> Answer | None:
        seen.append(ask)
        return Answer(name=NAME) if key == "k1" else None

    call, ask = bound(privacy, answer), await sealed(privacy)
    assert call.resolver is not None

    results = [await call.function(ask, "k1"), await call.resolver(ask, "k1"), await call.resolver(ask, "k2")]

    assert {(each.name, each.note) for each in seen} == {(NAME, f"for {NAME}")}
    assert results == [Answer(name=ask.name), Answer(name=ask.name), None]


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (Rejected(f"no {NAME}", code="no", data={"who": [NAME], "status": 4}), Rejected),
        (Transient(f"later, {NAME}"), Transient),
        (TimeoutError(f"slow {NAME}"), TimeoutError),
        (ValueError(f"broken by {NAME!r}" + "x" * 9_000), CallFault),
    ],
)
async def test_a_complaint_is_encrypted_as_a_whole(
    privacy: Privacy, error: Exception, kind: type[Exception]
) -> None:
    async def complain(_ask: Ask, _key: str) -> Answer | None:
        raise error

    call, ask = bound(privacy, complain), await sealed(privacy)
    with pytest.raises(kind) as caught:
        await call.function(ask, "k1")

    told = caught.value
    assert NAME not in repr((told, vars(told), told.__cause__))
    assert told.__suppress_context__
    assert NAME in await shown(privacy, str(told))
    assert len(str(told)) < 2 * COMPLAINT_BYTES_MAX
    if isinstance(told, Rejected):
        assert told.code == "no"
        assert told.data["status"] == 4
        assert await shown(privacy, told.data["who"][0]) == NAME


async def test_a_complaint_about_nobody_stays_as_it_is(privacy: Privacy, pool: Pool) -> None:
    async def complain(_ask: Ask, _key: str) -> Answer | None:
        raise Rejected("closed on Sundays")

    call, ask = bound(privacy, complain), await sealed(privacy)
    await forget(pool, "p1", Author("ana", "asked for it"))

    with pytest.raises(Rejected, match="closed on Sundays"):
        await call.function(ask, "k1")


async def test_nothing_is_sent_of_a_value_that_was_tampered_with(privacy: Privacy) -> None:
    async def answer(_ask: Ask, _key: str) -> Answer | None:
        raise AssertionError("it was sent")

    ask = await sealed(privacy)
    changed = Ask.model_validate({"name": f"{ask.name[:-6]}AAAAA;"})
    with pytest.raises(Unreadable):
        await bound(privacy, answer).function(changed, "k1")


@pytest.mark.slow
async def test_keys_out_of_reach_are_no_reason_to_give_up(private_server: PrivateServer) -> None:
    async def answer(_ask: Ask, _key: str) -> Answer | None:
        return None

    async with store_pool(private_server.urls.app, 2, timeout_seconds=1) as pool:
        privacy = Privacy(Keys(pool, MasterKeys()))
        call, ask = bound(privacy, answer), await sealed(privacy)
        private_server.stop()
        with pytest.raises(Transient, match="out of reach"):
            await call.function(ask, "k1")
        private_server.start()

        async def sent() -> bool:
            with suppress(Transient):  # the pool may not have connected again
                return await call.function(ask, "k1") is None
            return False

        await until(sent)
