"""The name of what is new, in all the forms that the code has of it."""

import keyword
import re
from dataclasses import dataclass
from typing import Final, Self

NAME_CHARS_MAX: Final = 30
_NAME: Final = re.compile(r"[a-z][a-z0-9]*(-[a-z][a-z0-9]*)*")
_RESERVED: Final = frozenset({"saga", "projection"})
"""Categories of streams that are the kernel's and the event store's own."""


class BadName(Exception):
    """Nothing can be called so. The message says why, and what can."""


@dataclass(frozen=True)
class NewName:
    """`hotel-room`: the file hotel_room.py, the class HotelRoom, "hotel room" in a sentence."""

    kebab: str

    @classmethod
    def of(cls, text: str) -> Self:
        """Raises BadName."""
        if not _NAME.fullmatch(text) or len(text) > NAME_CHARS_MAX:
            raise BadName(
                f"{text[:NAME_CHARS_MAX]!r} is no name: small letters and digits in words that begin with a"
                f" letter, hyphens between them, {NAME_CHARS_MAX} characters at most, such as hotel-room"
            )
        if keyword.iskeyword(text) or keyword.issoftkeyword(text) or text in _RESERVED:
            raise BadName(f"{text!r} has another meaning: choose another name")
        return cls(text)

    @property
    def snake(self) -> str:
        return self.kebab.replace("-", "_")

    @property
    def words(self) -> str:
        return self.kebab.replace("-", " ")

    @property
    def forms(self) -> dict[str, str]:
        """By the names that the templates have for them."""
        return {
            "kebab": self.kebab,
            "snake": self.snake,
            "CAPITALS": self.snake.upper(),
            "words": self.words,
            "Words": self.words.capitalize(),
            "Class": "".join(word.capitalize() for word in self.kebab.split("-")),
        }
