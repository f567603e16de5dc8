"""Personal values: text about a person, which is stored encrypted with a key of that person.

    plain    Vins et alcools Chevalier               as it comes in and goes out
    token    personal:1:<key id>:<ciphertext>;       as everything between sees it

A token stands for its value wherever values go: commands, events, states, journals, read models. The same
text of the same person gives the same token, so tokens can be compared; nothing else can be done with them.
Encryption itself is not done here: deciders have no keys.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Final, TypeVar, get_args, get_origin

from pydantic import BaseModel, GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

TOKEN_PREFIX: Final = "personal:1:"
TOKEN: Final = re.compile(r"personal:1:([A-Za-z0-9_-]{22}):([A-Za-z0-9_-]+);")
"""`;` is in no id, so no id is a token."""

T = TypeVar("T")


class PersonalText(str):
    """A value of a field that is declared personal: a token, or the text that is to become one."""

    __slots__ = ()

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Also a value by itself is of a type that can be stored: what a saga returns, for one."""
        return core_schema.no_info_after_validator_function(cls, core_schema.str_schema())

    @property
    def is_token(self) -> bool:
        return TOKEN.fullmatch(self) is not None


@dataclass(frozen=True, slots=True)
class Personal:
    """Declares a text personal: `Annotated[Name, Personal()]`. A token is longer than the text may be.

    Whose it is says `data_subject` of the model around it, or of the nearest model around that: the name of
    the field with the id of the person.
    """

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_wrap_validator_function(_validated, handler(source))


def _validated(value: Any, rule: Callable[[Any], str]) -> PersonalText:
    if isinstance(value, str) and TOKEN.fullmatch(value):
        return PersonalText(value)
    return PersonalText(rule(value))


def with_texts(value: T, change: Callable[[str, str | None], str], subject: str | None = None) -> T:
    """The same value with every text in it changed; whatever has no changed text is kept as it is.

    `change` gets a text and the id of the person that it is about, as far as the models say so.
    """
    changed: Any = value
    match value:
        case str():
            changed = change(value, subject)
        case BaseModel():
            named = getattr(type(value), "data_subject", None)
            about = getattr(value, named) if named else subject
            new = {name: with_texts(old, change, about) for name, old in value}
            update = {name: each for name, each in new.items() if each is not getattr(value, name)}
            changed = value.model_copy(update=update) if update else value
        case dict():
            changed = {key: with_texts(each, change, subject) for key, each in value.items()}
        case list() | tuple() | set() | frozenset():
            changed = type(value)(with_texts(each, change, subject) for each in value)
    kept: T = value if changed == value and type(changed) is type(value) else changed
    return kept


def without_subject(model: type[BaseModel]) -> list[str]:
    """The personal fields in a model of which it does not say whose they are, as paths."""
    return list(_without_subject(model, model.__name__, subject=False, above=()))


def _without_subject(annotation: Any, path: str, *, subject: bool, above: tuple[Any, ...]) -> Iterator[str]:
    if annotation in above:
        return
    if not (isinstance(annotation, type) and issubclass(annotation, BaseModel)):
        if get_origin(annotation) is Annotated and _is_personal(get_args(annotation)[1:]) and not subject:
            yield path
        for inner in get_args(annotation):
            yield from _without_subject(inner, path, subject=subject, above=above)
        return
    named = getattr(annotation, "data_subject", None)
    if named is not None and named not in annotation.model_fields:
        yield f"{path}.{named}"
        return
    for name, field in annotation.model_fields.items():
        known = subject or named is not None
        if _is_personal(field.metadata) and not known:
            yield f"{path}.{name}"
        inside = (*above, annotation)
        yield from _without_subject(field.annotation, f"{path}.{name}", subject=known, above=inside)


def _is_personal(metadata: Any) -> bool:
    return any(isinstance(each, Personal) for each in metadata)
