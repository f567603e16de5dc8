"""How a request reads a read model: as of which position, and how long it waits for that."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

from fastapi import Depends, Request
from fastapi.dependencies.models import Dependant
from pydantic import BaseModel

from app.api.positions import After
from app.api.requests import PatienceSeconds, RuntimeOf, Stopping, in_time
from app.json_response import JsonResponse
from app.positions import POSITION_HEADER
from app.problems import FieldError, InvalidRequest
from app.readmodels.paging import InvalidCursor
from app.readmodels.reading import ReadModel, View
from app.runtime import Runtime

M = TypeVar("M", bound=BaseModel)


@dataclass(frozen=True)
class Reader:
    """Reads a read model for one request."""

    runtime: Runtime
    stopping: Stopping
    patience_seconds: float

    @asynccontextmanager
    async def view(self, name: str, after: After) -> AsyncIterator[View]:
        """The read model `name` as of a position that is not before `after`.

        Raises ReadModelBehind, OtherTimeline, InvalidRequest.
        """
        model = ReadModel(self.runtime.pool, name)
        try:
            async with (
                in_time(self.runtime, more_seconds=self.patience_seconds),
                model.view(after.position, self.patience_seconds, self.stopping) as view,
            ):
                yield view
        except InvalidCursor as error:
            raise InvalidRequest([FieldError(field="after", message=str(error))]) from None

    def page_size(self, asked: int) -> int:
        return min(asked, self.runtime.settings.page_size_max)


async def _reader(runtime: RuntimeOf, stopping: Stopping, patience_seconds: PatienceSeconds) -> Reader:
    return Reader(runtime, stopping, patience_seconds)


ReaderOf = Annotated[Reader, Depends(_reader)]


def view_response(view: View, document: dict[str, Any]) -> JsonResponse:
    """What was read, and as of which position."""
    return JsonResponse(document, headers={POSITION_HEADER: str(view.position)})


async def only_known_parameters(request: Request) -> None:
    """Refuse what the route would ignore: a misspelt filter would answer more than was asked for.

    Raises InvalidRequest.
    """
    known = _parameters(request.scope["route"].dependant)
    unknown = [name for name in request.query_params if name not in known]
    if unknown:
        raise InvalidRequest(
            [FieldError(field=name[:100], message="there is no such parameter") for name in unknown]
        )


def _parameters(dependant: Dependant) -> set[str]:
    own = {parameter.alias for parameter in dependant.query_params}
    return own.union(*(_parameters(within) for within in dependant.dependencies))
