"""Calls of other systems: they are sent what they need to know, and what they answer is encrypted again."""

import re
import traceback
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from pydantic import BaseModel

from app.privacy.privacy import Privacy
from domain import Rejected
from eventstore import StoreUnavailable
from workflows.saga import CallDefinition, Transient

Send = Callable[[Any, str], Awaitable[Any]]


class CallFault(Exception):
    """What went wrong in a call, told without the personal data that it was about."""


def private(definition: CallDefinition[Any, Any], privacy: Privacy) -> CallDefinition[Any, Any]:
    """The same call. Its functions get readable values; the journal has tokens, also in what they say."""
    resolver = definition.resolver
    return replace(
        definition,
        function=_private(definition.function, privacy),
        resolver=None if resolver is None else _private(resolver, privacy),
    )


def _private(send: Send, privacy: Privacy) -> Send:
    async def sending(argument: BaseModel, key: str) -> Any:
        try:
            plain, tokens = await privacy.revealed(argument)
        except StoreUnavailable as away:
            raise Transient("the keys of personal data are out of reach") from away
        try:
            result = await send(plain, key)
        except Exception as error:
            if (told := _without(error, tokens)) is error:
                raise
            raise told from None
        if result is None:
            return None
        [protected] = await privacy.protect([result])
        return protected

    return sending


def _without(error: Exception, tokens: Mapping[str, str]) -> Exception:
    """The same error with tokens for the texts that it quotes; itself if it quotes none."""
    if not tokens:
        return error
    match error:
        case Rejected():
            reason, data = _hidden(error.reason, tokens), _hidden(error.data, tokens)
            same = (reason, data) == (error.reason, error.data)
            return error if same else Rejected(reason, code=error.code, data=data)
        case Transient():
            text = _hidden(str(error), tokens)
            return error if text == str(error) else Transient(text)
        case TimeoutError():
            return error
    trace = "".join(traceback.format_exception(error))
    if _hidden(trace, tokens) == trace:
        return error
    return CallFault(_hidden(f"{type(error).__name__}: {error}", tokens)).with_traceback(error.__traceback__)


def _hidden(value: Any, tokens: Mapping[str, str]) -> Any:
    """In one pass, so that nothing is found inside a token, and the longest text first."""
    match value:
        case str():
            return _any_of(tokens).sub(lambda text: tokens[text[0]], value)
        case dict():
            return {_hidden(name, tokens): _hidden(each, tokens) for name, each in value.items()}
        case list() | tuple():
            return [_hidden(each, tokens) for each in value]
        case _:
            return value


def _any_of(texts: Iterable[str]) -> re.Pattern[str]:
    return re.compile("|".join(map(re.escape, sorted(texts, key=len, reverse=True))))
