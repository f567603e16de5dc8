"""The console's door: a page that takes a token, and the end of a session. It needs no script."""

import re
from typing import Annotated, Final

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import RedirectResponse

from app.api.requests import RuntimeOf, in_time
from app.console.navigation import home_of
from app.console.rendering import page
from app.security.errors import NotAuthenticated
from app.security.forms import check_origin, form_of
from app.security.rules import CONSOLE, LOGIN, LOGOUT
from app.security.sessions import COOKIE, SECURE_COOKIE

router = APIRouter(include_in_schema=False)

_WITHIN: Final = re.compile(r"/console(?:/[A-Za-z0-9._:/-]*)?(?:\?[A-Za-z0-9._:=&%,+-]*)?")

Next = Annotated[str, Query(alias="next", max_length=2000)]


@router.get(LOGIN)
async def show_login(request: Request, onward: Next = CONSOLE) -> Response:
    """The page, to everybody."""
    return _page(request, onward)


@router.post(LOGIN)
async def login(request: Request, runtime: RuntimeOf) -> Response:
    """A session for whoever shows a token; a form of another origin would sign somebody in as somebody else.

    Raises ForgedForm.
    """
    check_origin(request)
    form = await form_of(request)
    onward = form.get("next", CONSOLE)
    try:
        async with in_time(runtime):
            principal = await runtime.access.principal(form.get("token", "").strip())
            cookie = await runtime.access.sessions.begin(principal)
    except NotAuthenticated as refused:
        return _page(request, onward, str(refused), 401)
    inside = _inside(onward)
    answer = RedirectResponse(home_of(principal) if inside == CONSOLE else inside, 303)
    _set_cookie(request, answer, cookie, int(runtime.access.sessions.seconds))
    return answer


@router.post(LOGOUT)
async def logout(request: Request, runtime: RuntimeOf) -> Response:
    """The session ends, in all servers."""
    cookie: str | None = getattr(request.state, "session", None)
    if cookie is not None:
        async with in_time(runtime):
            await runtime.access.sessions.end(cookie)
        runtime.access.forget(cookie)
    answer = RedirectResponse(LOGIN, 303)
    _set_cookie(request, answer, "", 0)
    return answer


def _set_cookie(request: Request, answer: Response, value: str, seconds: int) -> None:
    secure = request.url.scheme == "https"
    answer.set_cookie(
        SECURE_COOKIE if secure else COOKIE,
        value,
        max_age=seconds,
        path="/",
        secure=secure,
        httponly=True,
        samesite="strict",
    )


def _page(request: Request, onward: str, error: str | None = None, status: int = 200) -> Response:
    return page(request, "login.html", status, onward=_inside(onward), error=error)


def _inside(path: str) -> str:
    """`path` if it is one of the console: nobody is sent elsewhere from here."""
    return path if _WITHIN.fullmatch(path) and "//" not in path else CONSOLE
