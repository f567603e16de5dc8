"""Makes pages: templates with what all of them show, and answers to forms."""

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlencode

from fastapi import Request
from fastapi.responses import HTMLResponse, RedirectResponse
from jinja2 import Environment, PackageLoader, StrictUndefined

from app.console.filters import duration, money, pretty, typed, when
from app.console.navigation import home_of, navigation_of
from app.console.static_files import asset
from app.security.authorizing import principal_of
from app.security.forms import csrf_of
from app.security.roles import Principal, Role
from app.security.rules import LOGIN, LOGOUT

FLASHES: Final[Mapping[str, str]] = {
    "abandoned": "The saga is abandoned.",
    "compensating": "The saga is asked to compensate.",
    "discarded": "The tables are discarded.",
    "done": "Done.",
    "paused": "Paused.",
    "promoted": "The new tables are served now.",
    "rebuilding": "The rebuild has begun.",
    "resumed": "The saga goes on.",
    "retried": "It is tried again.",
    "returned": "The previous tables are served again.",
    "signalled": "The signal is sent.",
    "skipped": "The step is left out.",
    "started": "The saga is started.",
    "unchanged": "It was so already.",
}
"""What a page says after a form, by the code in `done` of its address: never a text of a client's."""
DONE: Final = "done"

_environment: Final = Environment(
    loader=PackageLoader("app.console"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_environment.filters |= {
    "when": when,
    "typed": typed,
    "duration": duration,
    "money": money,
    "pretty": pretty,
}
_environment.globals |= {"asset": asset, "login": LOGIN, "logout": LOGOUT}


def page(request: Request, template: str, status: int = 200, **context: Any) -> HTMLResponse:
    """A page. Its template also knows `principal`, `csrf`, `navigation`, `home`, `path`, `flash` and
    `can(role, saga)`: whether who asks has the role for all sagas, or for those of the name `saga`."""
    principal = principal_of(request)
    known = {
        "principal": principal,
        "secured": request.app.state.runtime.access.required,
        "csrf": csrf_of(request),
        "navigation": navigation_of(principal),
        "home": home_of(principal),
        "path": request.scope["path"],
        "flash": FLASHES.get(request.query_params.get(DONE, "")),
        "can": lambda role, saga=None: allowed(principal, role, saga),
    }
    return HTMLResponse(_environment.get_template(template).render(known | context), status)


def allowed(principal: Principal | None, role: str, saga: str | None = None) -> bool:
    """Whether who asks has the role, by its word; everybody has where nobody has to say who it is."""
    if principal is None or principal.may(Role.of(role)):
        return True
    return saga is not None and principal.may_saga(Role.of(role), saga)


def see_other(path: str, flash: str | None = None, **query: str) -> RedirectResponse:
    """The answer to a form: look at `path`, which says what was done. A reload repeats nothing."""
    assert flash is None or flash in FLASHES, flash
    parameters = urlencode({**query, **({DONE: flash} if flash else {})})
    return RedirectResponse(f"{path}?{parameters}" if parameters else path, 303)
