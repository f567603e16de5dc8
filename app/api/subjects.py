"""Persons whose data is encrypted: forgetting one."""

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from app.api.requests import Actor, CorrelationOf, JsonObject, Key, Reason, RuntimeOf, in_time, validated
from app.api.wire import problems
from app.privacy import Forgotten, forget
from eventstore.decisions import Author

router = APIRouter(tags=["subjects"])


class ForgetRequest(BaseModel):
    """Why; kept in the stream `subject-<id>`, with the actor."""

    model_config = ConfigDict(extra="forbid")

    reason: Reason = Field(examples=["asked for it, ticket 4711"])


@router.post(
    "/subjects/{subject}/forget",
    summary="Forget a person",
    response_model=Forgotten,
    responses=problems(413, 415),
)
async def forget_subject(
    subject: Key,
    body: JsonObject,
    runtime: RuntimeOf,
    correlation: CorrelationOf,
    actor: Actor,
) -> Forgotten:
    """Destroy the key of a person: all personal data of that person reads `forgotten` from now on.

    It cannot be undone. A second time does nothing; so does a person that nothing is known of.
    """
    request = validated(ForgetRequest, body)
    async with in_time(runtime):
        done = await forget(runtime.pool, subject, Author(actor, request.reason, correlation.own))
    runtime.commits.tell(0)  # it is told by an event
    return done
