"""Whether the one who is known may call the route: asked by every route, before anything else of it."""

import re
from typing import Annotated

from fastapi import Depends, Request

from app.ids import ID_PATTERN
from app.security.access import Access
from app.security.errors import RoleTooLow, TokenMissing, WrongSaga
from app.security.forms import SAFE, check_form
from app.security.roles import Principal, Role
from app.security.rules import METRICS, PUBLIC, Reach, below_console, rule_of
from workflows.saga.state import read_state


def principal_of(request: Request) -> Principal | None:
    """Who asks, as it has proved; None when nobody has to."""
    principal: Principal | None = getattr(request.state, "principal", None)
    return principal


PrincipalOf = Annotated[Principal | None, Depends(principal_of)]


async def authorize(request: Request) -> None:
    """Raises RoleTooLow, WrongSaga, ForgedForm. A route without a rule is nobody's."""
    principal = principal_of(request)
    rule = rule_of(request.method, request.scope["route"].path_format, request.scope["path"])
    if below_console(request.scope["path"]) and rule != PUBLIC and request.method not in SAFE:
        await check_form(request)
    if principal is None:
        access: Access = request.app.state.runtime.access
        free = rule == PUBLIC or (access.metrics_open and request.scope["path"] == METRICS)
        if access.required and not free:
            raise TokenMissing
        return
    if rule is None:
        raise RoleTooLow("nobody may do this")
    if rule.role is None or principal.may(rule.role):
        return
    role = rule.limited or rule.role
    if not principal.may_somewhere(role):
        raise RoleTooLow(f"the role {role.word} is needed")
    if rule.reach is Reach.SAGA_NAME:
        check_saga(principal, role, request.path_params["name"])
    elif rule.reach is Reach.SAGA_ID:
        await _check_saga_id(request, principal, role, request.path_params["saga_id"])
    elif rule.reach is Reach.EVERYTHING:
        raise WrongSaga("the role is limited to some sagas, and this is about all of them")


def check_saga(principal: Principal | None, role: Role, name: str | None) -> None:
    """That it may do something with all sagas of this name, or with all of them. Raises WrongSaga."""
    if principal is None or principal.may(role):
        return
    if name is None:
        raise WrongSaga("the role is limited to some sagas: say the name of one")
    if not principal.may_saga(role, name):
        raise WrongSaga(f"the role is not for sagas called {name[:120]!r}")


async def _check_saga_id(request: Request, principal: Principal, role: Role, saga_id: str) -> None:
    if not re.fullmatch(ID_PATTERN, saga_id):
        return  # which is answered 422
    runtime = request.app.state.runtime
    state = await read_state(runtime.store, runtime.codec, saga_id)
    if state is not None:  # else it is answered 404
        check_saga(principal, role, state.name)
