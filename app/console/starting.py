"""Starting a saga by a form, which is made from the schema of its input."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel
from uuid_utils.compat import uuid7

from app.api.requests import Key, RuntimeOf, admitted, time_of, validated
from app.console.fields import PREFIX, Fields, FormField, fields_of, utc
from app.console.forms import actor_of, filled_in
from app.console.rendering import allowed, page, see_other
from app.console.saga.reading import address_of
from app.problems import FieldError, InvalidRequest
from app.runtime import Runtime
from app.security.authorizing import principal_of
from app.security.rules import CONSOLE
from domain.values import Id
from workflows.saga import SagaDefinition
from workflows.saga.errors import SagaConflict

router = APIRouter(include_in_schema=False)

PATH: Final = f"{CONSOLE}/start"
_AT: Final = "/at"
"""The time to start at, among what is wrong: no path of the data, which may have a field `at` of its own."""


@dataclass(frozen=True, slots=True)
class Sheet:
    """The form of a saga, as somebody has filled it in. `id` is that of the saga which it starts, however
    often it is sent; None when the saga makes its id from its input."""

    definition: SagaDefinition
    fields: Fields
    values: Mapping[str, str]
    id: str | None

    @property
    def address(self) -> str:
        return f"{PATH}/{self.definition.name}"

    @property
    def says(self) -> str:
        return about(self.definition)

    def shown(self, request: Request, status: int = 200, wrong: list[FieldError] | None = None) -> Response:
        """The page. What is wrong is said at its field; what is of no field above all of them."""
        at_fields: dict[str, list[str]] = {}
        listed: list[tuple[FormField | None, FieldError]] = []
        for error in wrong or []:
            field = self.fields.at(error.field)
            listed.append((field, error))
            name = field.form_name if field else error.field
            at_fields.setdefault(name, []).append(error.message)
        return page(request, "start.html", status, sheet=self, listed=listed, wrong=at_fields)


def about(definition: SagaDefinition) -> str:
    """What its input says about it."""
    return str(definition.input.model_json_schema().get("description", "")).replace("`", "")


@router.get(PATH)
async def sagas(request: Request, runtime: RuntimeOf) -> Response:
    """The sagas that who asks may start."""
    principal = principal_of(request)
    may = [each for each in runtime.registry if allowed(principal, "operator", each.name)]
    rows = [(each, about(each)) for each in sorted(may, key=lambda each: each.name)]
    return page(request, "start_list.html", rows=rows)


async def _definition(name: Key, runtime: RuntimeOf) -> SagaDefinition:
    """Raises UnknownSaga."""
    return runtime.registry.saga(name)


DefinitionOf = Annotated[SagaDefinition, Depends(_definition)]


@router.get(f"{PATH}/{{name}}")
async def form(request: Request, definition: DefinitionOf) -> Response:
    """An empty form, with an id of its own. Raises UnknownSaga."""
    made = None if definition.id else str(uuid7())
    return Sheet(definition, fields_of(definition.input), {}, made).shown(request)


class _Given(BaseModel):
    id: Id


@router.post(f"{PATH}/{{name}}")
async def start(request: Request, definition: DefinitionOf, runtime: RuntimeOf) -> Response:
    """Start it and go to its page; or show the form again, with what is wrong or with one more row.

    Raises UnknownSaga, Crowded, InvalidSagaId.
    """
    values = await filled_in(request)
    saga_id = None if definition.id else validated(_Given, {"id": values.get("id", "")}).id
    more = values.get("more", "").removeprefix(PREFIX)
    sheet = Sheet(definition, fields_of(definition.input, values, more=more), values, saga_id)
    if more:
        return sheet.shown(request)
    try:
        started = await _started(runtime, sheet, actor_of(request))
    except InvalidRequest as invalid:
        return sheet.shown(request, 422, invalid.errors)
    except SagaConflict as conflict:
        return sheet.shown(request, 409, [FieldError(field="", message=str(conflict))])
    return see_other(address_of(started), "started")


async def _started(runtime: Runtime, sheet: Sheet, actor: str) -> str:
    """The id of the saga. Raises InvalidRequest, SagaConflict, Crowded, InvalidSagaId."""
    asked = validated(sheet.definition.input, sheet.fields.data(sheet.values))
    at = sheet.values.get("at")
    async with admitted(runtime):
        started = await runtime.engine.start(
            sheet.definition.name,
            asked,
            saga_id=sheet.id,
            at=time_of(_AT, utc(at)) if at else None,
            actor=actor,
            direct=True,
        )
    return started.saga.saga_id
