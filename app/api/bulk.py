"""One action on many sagas, over HTTP."""

from typing import Annotated, Any, Final

from fastapi import APIRouter
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StrictBool

from app.api.positions import position_of
from app.api.requests import Actor, JsonObject, Reason, RuntimeOf, Time, validated
from app.api.wire import problems
from app.bulk import SAGAS_MAX, Action, BulkAction, BulkAnswer, SeenSaga, act_on_all, deciding
from app.json_response import JsonResponse
from app.problems import FieldError, InvalidRequest
from app.readmodels.sagas import SagaFilter
from app.runtime import Runtime
from app.security.authorizing import PrincipalOf, check_saga
from app.security.roles import Principal, Role
from domain.values import Id
from workflows.saga.definition import checked_attributes
from workflows.saga.summary import SagaStatus

PATH: Final = "/sagas/bulk"

router = APIRouter(tags=["operations"])


class BulkFilter(BaseModel):
    """Which sagas: all that is said must be so, and something must be said."""

    model_config = ConfigDict(extra="forbid")

    name: Id | None = None
    status: SagaStatus | None = None
    attributes: Annotated[dict[str, str], AfterValidator(checked_attributes)] = Field(default_factory=dict)
    correlation_id: Id | None = None
    parent: Id | None = None
    requested_after: Time | None = Field(default=None, description="At this time or later.")
    requested_before: Time | None = Field(default=None, description="Before this time.")
    ids: list[Id] = Field(default_factory=list, max_length=SAGAS_MAX)


class BulkRequest(BaseModel):
    """What to do, to which sagas, and why. Nothing is done unless `dry_run` is false."""

    model_config = ConfigDict(extra="forbid")

    action: Action
    filter: BulkFilter
    reason: Reason | None = Field(
        default=None, description="Kept in the journals; a signal has none, a dry run needs none."
    )
    force: StrictBool = Field(default=False, description="Of compensate: also what something blocks.")
    signal: Id | None = Field(default=None, description="Of signal: its name.")
    id: Id | None = Field(
        default=None, description="Of signal, which needs it: under this id it counts once in each saga."
    )
    data: dict[str, Any] = Field(default_factory=dict, description="Of signal: its data.")
    seen: list[SeenSaga] = Field(
        default_factory=list,
        max_length=SAGAS_MAX,
        description="Sagas as a dry run has shown them: those that are not so any more are refused.",
    )
    dry_run: StrictBool = True
    limit: Annotated[int, Field(ge=1, le=SAGAS_MAX)] = SAGAS_MAX
    after: str | None = Field(default=None, max_length=500, description="`next` of the answer before.")

    def more(self) -> dict[str, Any]:
        """What only the action takes that is asked for. Raises InvalidRequest."""
        given = self.model_fields_set & {"force", "signal", "id", "data"}
        takes = {"compensate": {"force"}, "signal": {"signal", "id", "data"}}.get(self.action, set())
        needs: tuple[str, ...] = ("signal", "id") if self.action == "signal" else ("reason",)
        if self.dry_run and self.action != "signal":
            needs = ()
        if missing := [name for name in needs if getattr(self, name) is None]:
            message = f"{self.action} needs it"
            raise InvalidRequest([FieldError(field=name, message=message) for name in missing])
        if given - takes:
            wrong = sorted(given - takes)
            raise InvalidRequest([FieldError(field=w, message=f"{self.action} takes none") for w in wrong])
        if self.action == "signal":
            return {"signal": self.signal, "signal_id": self.id, "data": self.data}
        return {"force": self.force} if self.action == "compensate" else {}


@router.post(PATH, summary="Act on many sagas", response_model=BulkAnswer, responses=problems(410, 413, 415))
async def bulk(body: JsonObject, runtime: RuntimeOf, actor: Actor, asking: PrincipalOf) -> JsonResponse:
    """A dry run, which is the default, lists what would be done to each saga, or why not. For real it is done
    to one after the other; one that refuses is listed and does not stop the others. What a dry run has shown
    may be sent back as `seen`: then nothing else is acted on than what was looked at.

    At most 500 sagas at a time, and fewer when they take long; go on with `after`. A request that got no
    answer may be sent again: a signal counts once under its id, and what is so already is left as it is.
    """
    answer = await performed(validated(BulkRequest, body), runtime, actor, asking)
    return JsonResponse(answer.model_dump(mode="json"))


async def performed(
    request: BulkRequest, runtime: Runtime, actor: str, asking: Principal | None
) -> BulkAnswer:
    """What is asked for, done or weighed in the name of `actor`. Raises InvalidRequest, WrongSaga."""
    wanted = SagaFilter(**request.filter.model_dump())
    if not wanted.given():
        raise InvalidRequest([FieldError(field="filter", message="must say which sagas")])
    check_saga(asking, Role.OPERATOR, wanted.name)
    more = request.more()
    decide = await deciding(runtime.engine, request.action, actor, request.reason or "", more)
    asked = BulkAction(
        request.action,
        decide,
        wanted,
        actor,
        request.dry_run,
        {each.saga_id: each for each in request.seen},
        request.id if request.action == "signal" else request.reason,
    )
    timeline = runtime.timeline
    return await act_on_all(
        runtime.sagas,
        runtime.engine,
        asked,
        seconds_max=runtime.settings.request_seconds_max,
        limit=request.limit,
        before=None if request.after is None else position_of(request.after).on(timeline),
        timeline=timeline,
    )
