"""What protects the forms of the console: they come from its own pages, or they are refused."""

import hmac
from typing import Final
from urllib.parse import parse_qs, urlsplit

from fastapi import Request

from app.security.access import Access
from app.security.errors import ForgedForm
from app.security.sessions import csrf_token

FIELD: Final = "csrf"
HEADER: Final = "X-CSRF-Token"
FORM: Final = "application/x-www-form-urlencoded"
FIELDS_MAX: Final = 1000
SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})


def csrf_of(request: Request) -> str:
    """What every form of a page must carry as `csrf`, and every script of it as `X-CSRF-Token`."""
    cookie: str | None = getattr(request.state, "session", None)
    access: Access = request.app.state.runtime.access
    return access.open_csrf if cookie is None else csrf_token(cookie)


async def check_form(request: Request) -> None:
    """That the request was made by a page of ours. Raises ForgedForm."""
    check_origin(request)
    shown = request.headers.get(HEADER) or (await form_of(request)).get(FIELD, "")
    if not hmac.compare_digest(shown.encode(), csrf_of(request).encode()):
        raise ForgedForm("the form is too old, or of another page: load the page again")


def check_origin(request: Request) -> None:
    """Browsers say where a form comes from; what says nothing is no browser. Raises ForgedForm."""
    site = request.headers.get("sec-fetch-site", "same-origin")
    origin = request.headers.get("origin")
    own = request.headers.get("host", "")
    if site not in ("same-origin", "none") or (origin is not None and _host_of(origin) != own):
        raise ForgedForm("the form is of another origin")


def _host_of(origin: str) -> str | None:
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return None


async def form_of(request: Request) -> dict[str, str]:
    """The fields of a form, the last value of each. Raises ForgedForm when it is none."""
    return {name: values[-1] for name, values in (await fields_of(request)).items()}


async def fields_of(request: Request) -> dict[str, list[str]]:
    """The fields of a form, all values of each in their order. Raises ForgedForm when it is none."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != FORM:
        return {}
    if getattr(request, "_form", None) is not None:  # FastAPI has read it for the route's own fields
        form = await request.form()
        return {name: [str(value) for value in form.getlist(name)] for name in form}
    try:
        text = (await request.body()).decode()
        return parse_qs(text, keep_blank_values=True, max_num_fields=FIELDS_MAX)
    except ValueError:
        raise ForgedForm("this is no form") from None
