"""Which sagas: what a list is asked for, and what an operator acts on."""

from typing import Annotated

from fastapi import Depends, Query, Request

from app.api.requests import Time
from app.ids import ID_PATTERN
from app.problems import FieldError, InvalidRequest
from app.readmodels.sagas import SagaFilter
from app.security.authorizing import check_saga, principal_of
from app.security.roles import Role
from workflows.saga.definition import ATTRIBUTES_MAX, checked_attributes
from workflows.saga.summary import SagaStatus

Id = Annotated[str | None, Query(pattern=ID_PATTERN, max_length=120)]
Attributes = Annotated[
    list[str],
    Query(
        max_length=ATTRIBUTES_MAX,
        description="`name:value`, as often as you like: all must be so.",
        examples=[["order:10248"]],
    ),
]
Moment = Annotated[Time | None, Query(examples=["2026-01-31T12:00:00Z"])]


async def filter_of(
    request: Request,
    status: SagaStatus | None = None,
    name: Annotated[str | None, Query(pattern=ID_PATTERN, max_length=120, examples=["fulfil-order"])] = None,
    correlation_id: Id = None,
    parent: Annotated[Id, Query(description="The saga that started them.")] = None,
    attribute: Attributes = [],  # noqa: B006 - FastAPI copies it
    requested_after: Annotated[Moment, Query(description="At this time or later.")] = None,
    requested_before: Annotated[Moment, Query(description="Before this time.")] = None,
) -> SagaFilter:
    """What the query says. Raises InvalidRequest, WrongSaga."""
    check_saga(principal_of(request), Role.READER, name)
    return SagaFilter(
        status=status,
        name=name,
        correlation_id=correlation_id,
        parent=parent,
        attributes=_attributes(attribute),
        requested_after=requested_after,
        requested_before=requested_before,
    )


FilterOf = Annotated[SagaFilter, Depends(filter_of)]


def _attributes(asked: list[str]) -> dict[str, str]:
    attributes: dict[str, str] = {}
    for each in asked:
        name, separator, value = each.partition(":")
        if not separator:
            raise _wrong("must be name:value")
        if attributes.setdefault(name, value) != value:
            raise _wrong(f"{name} cannot have two values")
    try:
        return checked_attributes(attributes)
    except ValueError as error:
        raise _wrong(str(error)) from None


def _wrong(message: str) -> InvalidRequest:
    return InvalidRequest([FieldError(field="attribute", message=message)])
