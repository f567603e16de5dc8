"""What the pages lead to from everywhere."""

from dataclasses import dataclass
from typing import Final

from app.security.roles import Principal, Role
from app.security.rules import CONSOLE, Reach, rule_of


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


def navigation_of(principal: Principal | None) -> list[Entry]:
    """The pages that who asks may look at; a role for some sagas is no role for what is about all of them."""
    if principal is None or principal.may(Role.READER):
        return list(NAVIGATION)
    return [each for each in NAVIGATION if _reach(each.path) is not Reach.EVERYTHING]


def home_of(principal: Principal | None) -> str:
    """Where the console begins for who asks."""
    return next((each.path for each in navigation_of(principal)), CONSOLE)


def _reach(path: str) -> Reach:
    rule = rule_of("GET", path, path)
    return Reach.EVERYTHING if rule is None else rule.reach
