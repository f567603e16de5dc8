"""The list of sagas: its filters are its address, so that it can be kept and sent to somebody."""

from typing import Annotated, Any, Final, get_args
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import BaseModel, ConfigDict, Field

from app.api.filters import filter_of
from app.api.positions import after_of
from app.api.reading import ReaderOf
from app.api.requests import RuntimeOf, in_time, validated
from app.api.sagas import SagaSort
from app.bulk import SAGAS_MAX
from app.console.bulk import deeds_on
from app.console.fields import Moment
from app.console.rendering import page
from app.console.saga.reading import address_of
from app.readmodels.sagas import NAME, SAGAS, SORT
from app.security.authorizing import principal_of
from app.security.roles import Role
from domain.values import Id
from workflows.saga.errors import InvalidSagaId, SagaNotFound
from workflows.saga.summary import SagaStatus

router = APIRouter(include_in_schema=False)

PATH: Final = "/console/sagas"
PAGE_SAGAS: Final = 50
STATUSES: Final = get_args(SagaStatus)
SORTS: Final[dict[SagaSort, str]] = {
    "-requested": "Newest first",
    "requested": "Oldest first",
    "-updated": "Changed last first",
    "updated": "Unchanged for longest first",
}


class Wanted(BaseModel):
    """The fields of the form. `q` is the id of a saga, or `name:value` of an attribute."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    q: Annotated[str, Field(max_length=300)] | None = None
    name: Id | None = None
    status: SagaStatus | None = None
    correlation_id: Id | None = None
    parent: Id | None = None
    attribute: Annotated[str, Field(max_length=300)] | None = None
    requested_after: Moment | None = None
    requested_before: Moment | None = None
    sort: SagaSort = SORT
    after: Annotated[str, Field(max_length=2000)] | None = None

    @property
    def filtered(self) -> bool:
        """Whether it leaves something out."""
        return bool(self.model_dump(exclude_defaults=True, exclude={"sort", "after"}))

    def address(self, **other: str | None) -> str:
        """The list with these filters, and others."""
        fields = self.model_dump(mode="json", exclude_defaults=True) | other
        query = urlencode({name: value for name, value in fields.items() if value is not None})
        return f"{PATH}?{query}" if query else PATH


async def _wanted(request: Request) -> Wanted:
    """What a form leaves empty is not asked for. Raises InvalidRequest."""
    return validated(Wanted, {name: value for name, value in request.query_params.items() if value})


@router.get(PATH)
async def sagas(
    request: Request, runtime: RuntimeOf, reader: ReaderOf, wanted: Annotated[Wanted, Depends(_wanted)]
) -> Response:
    """Newest first, unless it is sorted otherwise. A search for an id that there is leads to that saga. Who
    has a role for some sagas only chooses one of them. Raises InvalidRequest, WrongSaga.
    """
    if wanted.q is not None and await _exists(runtime, wanted.q):
        return RedirectResponse(address_of(wanted.q), 303)
    principal = principal_of(request)
    own = None if principal is None else principal.sagas(Role.READER)
    if own is not None and wanted.name is None and len(own) == 1:
        return RedirectResponse(wanted.address(name=min(own)), 303)
    attributes = [text for text in (wanted.attribute, wanted.q) if text and ":" in text]
    context: dict[str, Any] = {"rows": [], "following": None, "narrowed": False}
    choose = own is not None and wanted.name is None
    if not choose and (wanted.q is None or ":" in wanted.q):
        rules = await filter_of(
            request,
            wanted.status,
            wanted.name,
            wanted.correlation_id,
            wanted.parent,
            attributes,
            wanted.requested_after,
            wanted.requested_before,
        )
        place = after_of(wanted.after)
        async with reader.view(NAME, place) as view:
            rows, cursor = await SAGAS.page(view, rules.given(), wanted.sort, PAGE_SAGAS, place.cursor)
        following = cursor and wanted.address(after=cursor)
        context = {"rows": rows, "following": following, "narrowed": bool(rules.given())}
    return page(
        request,
        "sagas.html",
        wanted=wanted,
        filtered=wanted.filtered,
        first=wanted.address(after=None) if wanted.after else None,
        names=sorted(own if own is not None else (definition.name for definition in runtime.registry)),
        limited=own is not None,
        choose=choose,
        statuses=STATUSES,
        sorts=SORTS,
        attributes=attributes,
        deeds=deeds_on(runtime, wanted.name),
        most=SAGAS_MAX,
        **context,
    )


async def _exists(runtime: RuntimeOf, text: str) -> bool:
    try:
        async with in_time(runtime):
            await runtime.engine.view(text)
    except (SagaNotFound, InvalidSagaId):
        return False
    return True
