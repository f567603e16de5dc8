"""What the pages lead to from everywhere."""

from dataclasses import dataclass
from typing import Final

from app.security.rules import CONSOLE


@dataclass(frozen=True, slots=True)
class Entry:
    """A page of the navigation; those below its path belong to it."""

    title: str
    path: str

    def holds(self, path: str) -> bool:
        return path == self.path or (self.path != CONSOLE and path.startswith(f"{self.path}/"))


NAVIGATION: Final = (
    Entry("Overview", CONSOLE),
    Entry("Sagas", f"{CONSOLE}/sagas"),
    Entry("Streams", f"{CONSOLE}/streams"),
    Entry("Events", f"{CONSOLE}/events"),
    Entry("Projections", f"{CONSOLE}/projections"),
    Entry("Executors", f"{CONSOLE}/executors"),
    Entry("Audit", f"{CONSOLE}/audit"),
)
