"""Calls of other systems: they are sent what they need to know, and what they answer is encrypted again."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any, Final

from pydantic import BaseModel

from app.privacy.cipher import Key
from app.privacy.privacy import Privacy
from domain import Rejected
from eventstore import StoreUnavailable
from workflows.saga import CallDefinition, Transient

COMPLAINT_BYTES_MAX: Final = 1_000
"""As much of an error is kept: encrypted it must be short enough for the journal, or it would be cut."""

Send = Callable[[Any, str], Awaitable[Any]]


class CallFault(Exception):
    """What went wrong in a call that was about a person."""


def private(definition: CallDefinition[Any, Any], privacy: Privacy) -> CallDefinition[Any, Any]:
    """The same call. Its functions get readable values; the journal has tokens.

    What the other side says when it was told something personal is encrypted as a whole: it may quote that,
    in part or in another form. It is forgotten with the person.
    """
    resolver = definition.resolver
    return replace(
        definition,
        function=_private(definition.function, privacy),
        resolver=None if resolver is None else _private(resolver, privacy),
    )


def _private(send: Send, privacy: Privacy) -> Send:
    async def sending(argument: BaseModel, idempotency_key: str) -> Any:
        try:
            plain, key = await privacy.revealed(argument)
        except StoreUnavailable as away:
            raise Transient("the keys of personal data are out of reach") from away
        try:
            result = await send(plain, idempotency_key)
        except Exception as error:
            if key is None:
                raise
            raise _encrypted(error, key) from None
        if result is None:
            return None
        [protected] = await privacy.protect([result])
        return protected

    return sending


def _encrypted(error: Exception, key: Key) -> Exception:
    match error:
        case Rejected():
            return Rejected(_sealed(error.reason, key), code=error.code, data=_sealed(error.data, key))
        case Transient():
            return Transient(_sealed(str(error), key))
        case TimeoutError():
            return TimeoutError(_sealed(str(error), key))
        case _:
            told = f"{type(error).__name__}: {_sealed(str(error), key)}"
            return CallFault(told).with_traceback(error.__traceback__)


def _sealed(value: Any, key: Key) -> Any:
    match value:
        case str():
            kept = value.encode("utf-8", "backslashreplace")[:COMPLAINT_BYTES_MAX].decode(errors="ignore")
            return key.seal(kept) if kept else ""
        case dict():
            return {name: _sealed(each, key) for name, each in value.items()}
        case list() | tuple():
            return [_sealed(each, key) for each in value]
        case _:
            return value
