"""What each route takes: the least role, and whether one that is limited to some sagas is enough.

A route that is not here is refused to everybody once there is a token; `tests/unit/app/test_rules.py` finds
it before that.
"""

from dataclasses import dataclass
from enum import Enum
from typing import Final

from app.security.roles import Role


class Reach(Enum):
    """What the role must be for."""

    EVERYTHING = "everything"
    SAGA_NAME = "the saga of the path, by its name"
    SAGA_ID = "the saga of the path, by its id"
    CHOSEN = "the sagas that the request chooses; its handler asks"
    NOTHING = "nothing of anybody's"


@dataclass(frozen=True, slots=True)
class Rule:
    """Who may call a route. `role` None: anybody, without a token. `limited`: what it takes of one whose role
    is for some sagas only, where that is more."""

    role: Role | None
    reach: Reach = Reach.EVERYTHING
    limited: Role | None = None


PUBLIC: Final = Rule(None)
_READ: Final = Rule(Role.READER)
_READ_SAGA: Final = Rule(Role.READER, Reach.SAGA_ID)
_OPERATE: Final = Rule(Role.OPERATOR)
_OPERATE_SAGA: Final = Rule(Role.OPERATOR, Reach.SAGA_ID)
_ADMIN: Final = Rule(Role.ADMIN)
_DOCUMENTS: Final = Rule(Role.READER, Reach.NOTHING)

METRICS: Final = "/metrics"
PUBLIC_PATHS: Final = frozenset({"/health/live", "/health/ready"})
"""Compared with the very path that routes are found by, so no other spelling gets in."""

RULES: Final[dict[tuple[str, str], Rule]] = {
    ("GET", "/health/live"): PUBLIC,
    ("GET", "/health/ready"): PUBLIC,
    ("GET", METRICS): _READ,
    ("GET", "/openapi.json"): _DOCUMENTS,
    ("GET", "/docs"): _DOCUMENTS,
    ("GET", "/docs/{file}"): _DOCUMENTS,
    ("POST", "/sagas/bulk"): Rule(Role.OPERATOR, Reach.CHOSEN),
    ("POST", "/sagas/{name}"): Rule(Role.OPERATOR, Reach.SAGA_NAME),
    ("POST", "/sagas/{name}/batch"): Rule(Role.OPERATOR, Reach.SAGA_NAME),
    ("GET", "/sagas"): Rule(Role.READER, Reach.CHOSEN),
    ("GET", "/sagas/{saga_id}"): _READ_SAGA,
    ("GET", "/sagas/{saga_id}/journal"): _READ_SAGA,
    ("GET", "/sagas/{saga_id}/watch"): _READ_SAGA,
    ("GET", "/sagas/{saga_id}/at"): _READ,  # with the aggregates that it had touched
    ("POST", "/sagas/{saga_id}/signals/{signal}"): _OPERATE_SAGA,
    ("POST", "/sagas/{saga_id}/compensate"): _OPERATE_SAGA,
    ("POST", "/sagas/{saga_id}/retry"): _OPERATE_SAGA,
    ("POST", "/sagas/{saga_id}/resume"): _OPERATE_SAGA,
    ("POST", "/sagas/{saga_id}/skip"): _OPERATE_SAGA,
    ("POST", "/sagas/{saga_id}/abandon"): _OPERATE_SAGA,
    ("POST", "/subjects/{subject}/forget"): _ADMIN,
    ("GET", "/aggregates/{category}/{key}"): _READ,
    ("GET", "/aggregates/{category}/{key}/history"): _READ,
    ("POST", "/aggregates/{category}/{key}/{command}"): _OPERATE,
    ("GET", "/streams/{stream}"): _READ,
    ("GET", "/streams/{stream}/why"): _READ,
    ("GET", "/events"): _READ,
    ("GET", "/events/follow"): _READ,
    ("GET", "/events/{event}/why"): _READ,
    ("GET", "/orders"): _READ,
    ("GET", "/orders/{order_id}"): _READ,
    ("GET", "/stock"): _READ,
    ("GET", "/stock/{sku}"): _READ,
    ("GET", "/accounts"): _READ,
    ("GET", "/accounts/{account_id}"): _READ,
    ("GET", "/accounts/{account_id}/statement"): _READ,
    ("GET", "/projections"): _READ,
    ("GET", "/projections/{name}"): _READ,
    ("GET", "/projections/{name}/diff"): _READ,
    ("POST", "/projections/{name}/retry"): _ADMIN,
    ("POST", "/projections/{name}/skip"): _ADMIN,
    ("POST", "/projections/{name}/rebuild"): _ADMIN,
    ("POST", "/projections/{name}/pause"): _ADMIN,
    ("POST", "/projections/{name}/resume"): _ADMIN,
    ("POST", "/projections/{name}/promote"): _ADMIN,
    ("POST", "/projections/{name}/return"): _ADMIN,
    ("POST", "/projections/{name}/discard"): _ADMIN,
    ("GET", "/audit/anchors"): _READ,
    ("GET", "/audit/proofs/{event}"): _READ,
    ("GET", "/executors"): _READ,
    # What of the console one may who is limited to some sagas; its other pages are below.
    # It says that something was written, not what.
    ("GET", "/console/live"): Rule(Role.READER, Reach.NOTHING),
    ("GET", "/console/sagas"): Rule(Role.READER, Reach.CHOSEN),
    ("GET", "/console/start"): Rule(Role.READER, Reach.CHOSEN),
    ("GET", "/console/start/{name}"): Rule(Role.READER, Reach.SAGA_NAME),
    ("POST", "/console/start/{name}"): Rule(Role.OPERATOR, Reach.SAGA_NAME),
    ("POST", "/console/sagas/bulk"): Rule(Role.OPERATOR, Reach.CHOSEN),
    ("POST", "/console/sagas/bulk/act"): Rule(Role.OPERATOR, Reach.CHOSEN),
    ("GET", "/console/sagas/{saga_id}"): _READ_SAGA,
    # It tells of aggregates, which readers of all sagas see anyway.
    ("GET", "/console/sagas/{saga_id}/undo"): Rule(Role.READER, Reach.SAGA_ID, limited=Role.OPERATOR),
    ("POST", "/console/sagas/{saga_id}/undo"): _OPERATE_SAGA,
    ("POST", "/console/sagas/{saga_id}/retry"): _OPERATE_SAGA,
    ("POST", "/console/sagas/{saga_id}/resume"): _OPERATE_SAGA,
    ("POST", "/console/sagas/{saga_id}/skip"): _OPERATE_SAGA,
    ("POST", "/console/sagas/{saga_id}/abandon"): _OPERATE_SAGA,
    ("POST", "/console/sagas/{saga_id}/signals/{signal}"): _OPERATE_SAGA,
}

DOCS: Final = "/docs"
CONSOLE: Final = "/console"
LOGIN: Final = "/console/login"
LOGOUT: Final = "/console/logout"
CONSOLE_STATIC: Final = "/console/static/"
CONSOLE_PROJECTIONS: Final = "/console/projections/"
SANDBOX: Final = "/sandbox/"


def below_console(path: str) -> bool:
    """Whether it is a page of the console, and not a route of the API."""
    return path == CONSOLE or path.startswith(f"{CONSOLE}/")


def below_docs(path: str) -> bool:
    """Whether it is the page that shows the OpenAPI document, or a part of it."""
    return path == DOCS or path.startswith(f"{DOCS}/")


def free(path: str) -> bool:
    """Whether nobody is asked who they are."""
    return path in PUBLIC_PATHS or path == LOGIN or path.startswith(CONSOLE_STATIC)


def rule_of(method: str, template: str, path: str) -> Rule | None:
    """The rule of a route: by the template that it was found by; of what else is below /console, and of
    /sandbox, by its path."""
    if method == "HEAD":
        method = "GET"
    if path.startswith(SANDBOX):
        return _OPERATE
    if path == LOGIN or path.startswith(CONSOLE_STATIC):
        return PUBLIC
    if path == LOGOUT:
        return _DOCUMENTS
    if below_console(path) and (method, template) not in RULES:
        return _READ if method == "GET" else _ADMIN if path.startswith(CONSOLE_PROJECTIONS) else _OPERATE
    return RULES.get((method, template))
