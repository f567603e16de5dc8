"""Personal values of models and texts: encrypted, or readable again, with whatever keys that takes.

protect     a model as it came in   ->  the same with tokens
reveal      bytes with tokens       ->  the same with what they stand for, `forgotten` or `unreadable`
revealed    a model with tokens     ->  the same with what they stand for
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from pydantic import BaseModel

from app.privacy.cipher import Key, Unreadable
from app.privacy.keys import Keys
from domain import Catalog
from domain.personal import TOKEN, TOKEN_PREFIX, PersonalText, with_texts, without_subject
from workflows.saga import Registry

FORGOTTEN: Final = "forgotten"
UNREADABLE: Final = "unreadable"

M = TypeVar("M", bound=BaseModel)


class NoSubject(Exception):
    """A personal field of which no model says whose it is, so that there is no key for it."""


@dataclass(frozen=True)
class Privacy:
    """Encrypts and reveals. Raises StoreUnavailable when the database stays away, and KeyLocked."""

    keys: Keys

    async def protect(self, models: Sequence[M]) -> list[M]:
        """The same models; their personal values are tokens. What is a token already stays as it is."""
        subjects: set[str] = set()

        def note(text: str, subject: str | None) -> str:
            if _is_plain(text):
                subjects.add(_known(subject))
            return text

        for model in models:
            with_texts(model, note)
        if not subjects:
            return list(models)
        keys = await self.keys.of(subjects)

        def seal(text: str, subject: str | None) -> str:
            return PersonalText(keys[_known(subject)].seal(text)) if _is_plain(text) else text

        return [with_texts(model, seal) for model in models]

    async def reveal(self, content: bytes, quoted: Callable[[str], bytes]) -> bytes:
        """Bytes that were rendered, with each token replaced by what `quoted` makes of its text.

        Never fails because of a token: one that cannot be read says so in its place.
        """
        if TOKEN_PREFIX.encode() not in content:
            return content
        text = content.decode()
        keys = await self._keys_in([text])
        return TOKEN.sub(lambda token: quoted(_shown(token, keys)).decode(), text).encode()

    async def revealed(self, model: M) -> tuple[M, Key | None]:
        """The model with what its tokens stand for, and a key of them: None if nothing personal is in it.

        Raises Unreadable.
        """
        texts: list[str] = []

        def note(text: str, _subject: str | None) -> str:
            texts.append(text)
            return text

        with_texts(model, note)
        keys = await self._keys_in(texts)

        def shown(token: Any) -> str:
            key = keys.get(token[1])
            return FORGOTTEN if key is None else key.open(token[2])

        plain = with_texts(model, lambda text, _: TOKEN.sub(shown, text))
        return plain, min(keys.values(), key=lambda key: key.key_id, default=None)

    async def _keys_in(self, texts: Iterable[str]) -> Mapping[str, Key]:
        key_ids = {token[1] for text in texts for token in TOKEN.finditer(text)}
        return await self.keys.find(key_ids) if key_ids else {}


def check_subjects(catalog: Catalog, registry: Registry) -> None:
    """Whether it is known of all personal data that may come in whose it is. Raises NoSubject."""
    models: list[type[BaseModel]] = []
    for decider in catalog.deciders.values():
        models += decider.command_types()
    for saga in registry:
        models += (saga.input, *saga.signals.values())
    models += (each.call.result for each in registry.calls)
    if paths := [path for model in models for path in without_subject(model)]:
        raise NoSubject(f"personal data of nobody: {', '.join(paths)}; name its data_subject")


def _is_plain(text: str) -> bool:
    return isinstance(text, PersonalText) and text != "" and not text.is_token


def _known(subject: str | None) -> str:
    if subject is None:
        raise NoSubject("a personal value came in of which it is not known whose it is")
    return subject


def _shown(token: Any, keys: Mapping[str, Key]) -> str:
    key = keys.get(token[1])
    if key is None:
        return FORGOTTEN
    try:
        return key.open(token[2])
    except Unreadable:
        return UNREADABLE
