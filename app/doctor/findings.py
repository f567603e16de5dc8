"""What a check of the doctor says."""

from dataclasses import dataclass
from typing import Literal

Level = Literal["ok", "warning", "error"]


@dataclass(frozen=True, slots=True)
class Finding:
    """`check` names what was looked at. error: something does not work, or may lose what was promised;
    warning: it will, or a person should look. `do` says what, and is empty when all is well."""

    check: str
    level: Level
    says: str
    do: str = ""
