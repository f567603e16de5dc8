"""One action on many sagas: what it would do to each is looked at first, then done to just what was seen.

The list sends ids, or its filter. The page that answers holds each saga as it was seen, so that nothing else
is acted on than what somebody has looked at, and the same form sent twice is one deed.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from uuid_utils.compat import uuid7

from app.api.bulk import BulkRequest, performed
from app.api.filters import filter_of
from app.api.requests import RuntimeOf, refuse_tokens, validated
from app.bulk import SAGAS_MAX, Action, BulkAnswer
from app.console.fields import PREFIX, FormField, Moment
from app.console.forms import actor_of
from app.console.rendering import page
from app.console.saga.signals import signal_fields
from app.problems import FieldError, InvalidRequest
from app.runtime import Runtime
from app.security import forms
from app.security.authorizing import check_saga, principal_of
from app.security.roles import Role
from domain.values import Id
from workflows.saga.errors import UnknownSignal
from workflows.saga.summary import SagaStatus

router = APIRouter(include_in_schema=False)

PREVIEW: Final = "/console/sagas/bulk"
ACT: Final = f"{PREVIEW}/act"
SIGNAL: Final = "signal:"
SEEN_PARTS: Final = 3


@dataclass(frozen=True, slots=True)
class Deed:
    """What may be done to many: its title, and what the request to the API says of it."""

    title: str
    action: Action
    more: Mapping[str, Any]
    danger: bool = False


DEEDS: Final[Mapping[str, Deed]] = {
    "retry": Deed("Try again now", "retry", {}),
    "resume": Deed("Resume", "resume", {}),
    "skip": Deed("Leave out the compensation that failed", "skip", {}, danger=True),
    "compensate": Deed("Undo", "compensate", {}, danger=True),
    "force": Deed("Undo by force", "compensate", {"force": True}, danger=True),
    "abandon": Deed("Abandon", "abandon", {}, danger=True),
}


def deeds_on(runtime: Runtime, name: str | None) -> dict[str, str]:
    """The titles of what may be done, by their codes; signals only when all sagas have the one name."""
    known = name is not None and name in {definition.name for definition in runtime.registry}
    signals = sorted(runtime.registry.saga(name).signals) if name is not None and known else []
    titles = {code: deed.title for code, deed in DEEDS.items()}
    return titles | {f"{SIGNAL}{signal}": f"Send the signal {signal}" for signal in signals}


class _Form(BaseModel):
    """What both forms say: the deed, and the name that all of the sagas have if one was filtered by."""

    model_config = ConfigDict(extra="forbid")

    do: Annotated[str, Field(max_length=200)]
    name: Id | None = None


class Chosen(_Form):
    """The form of the list: `saga` are the ticked ones, `shown` all of the page; the rest is its filter."""

    which: Literal["ticked", "shown", "all"]
    saga: list[Id] = Field(default_factory=list, max_length=SAGAS_MAX)
    shown: list[Id] = Field(default_factory=list, max_length=SAGAS_MAX)
    status: SagaStatus | None = None
    correlation_id: Id | None = None
    parent: Id | None = None
    attribute: Annotated[list[str], Field(max_length=2)] = Field(default_factory=list)
    requested_after: Moment | None = None
    requested_before: Moment | None = None
    complete: bool = False
    """Whether the data of a signal has been asked for."""

    def ids(self) -> list[str]:
        """Raises InvalidRequest."""
        ids = self.saga if self.which == "ticked" else self.shown
        if not ids:
            raise InvalidRequest([FieldError(field="saga", message="tick at least one saga")])
        return ids


class Confirmed(_Form):
    """The form of the preview. `id` is the operation's: a signal counts once under it. `seen` are sagas as
    the preview has shown them, `ID@VERSION@STATUS`."""

    id: Id
    seen: list[str] = Field(min_length=1, max_length=SAGAS_MAX)
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """The deed with what it needs. `fields` are those of a signal's data, and `data` the ones filled in."""

    deed: Deed
    data: Mapping[str, str]
    fields: tuple[FormField, ...] = ()

    def request(self, **more: Any) -> dict[str, Any]:
        """As the API takes it."""
        return {"action": self.deed.action, **self.deed.more, **more}


async def _fields(request: Request) -> tuple[dict[str, Any], dict[str, str]]:
    """What was filled in, and the data of a signal in it. Raises ForgedForm, InvalidRequest."""
    found = {
        name: [value for value in values if value]
        for name, values in (await forms.fields_of(request)).items()
        if name != forms.FIELD
    }
    refuse_tokens(found)
    several = {"saga", "shown", "seen", "attribute"}
    fields: dict[str, Any] = {
        name: values if name in several else values[-1] for name, values in found.items() if values
    }
    data = {name: str(fields.pop(name)) for name in list(fields) if name.startswith(PREFIX)}
    return fields, data


def _asked(runtime: Runtime, form: _Form, signal_id: str, data: Mapping[str, str]) -> Asked:
    """Raises InvalidRequest, UnknownSignal, UnknownSaga."""
    if form.do in DEEDS:
        return Asked(DEEDS[form.do], data)
    signal = form.do.removeprefix(SIGNAL)
    if signal == form.do or form.name is None:
        message = "a signal is sent to sagas of one name" if signal != form.do else "choose what to do"
        raise InvalidRequest([FieldError(field="do", message=message)])
    model = runtime.registry.saga(form.name).signals.get(signal)
    if model is None:
        raise UnknownSignal(f"{form.name} receives no signal {signal!r}")
    fields = signal_fields(model)
    more = {"signal": signal, "id": signal_id, "data": fields.data(data)}
    return Asked(Deed(f"Send the signal {signal}", "signal", more), data, fields.all)


@router.post(PREVIEW)
async def preview(request: Request, runtime: RuntimeOf) -> Response:
    """What would be done, to which sagas, and what would be refused. Raises InvalidRequest, WrongSaga."""
    fields, data = await _fields(request)
    form = validated(Chosen, fields)
    check_saga(principal_of(request), Role.OPERATOR, form.name)
    wanted, operation = await _filter(request, form), str(uuid7())
    asked = _asked(runtime, form, operation, data)
    if asked.fields and not form.complete:
        return page(request, "bulk_signal.html", deed=asked.deed, fields=asked.fields, form=fields)
    look = validated(BulkRequest, asked.request(filter=wanted))
    answer = await performed(look, runtime, actor_of(request), principal_of(request))
    would = [each for each in answer.outcomes if each.outcome == "would-act"]
    return page(
        request,
        "bulk_preview.html",
        deed=asked.deed,
        form=form,
        data=data,
        operation=operation,
        would=would,
        seen=[f"{each.saga_id}@{each.journal_version}@{each.status}" for each in would],
        others=[each for each in answer.outcomes if each.outcome != "would-act"],
        missing=_missing(form.ids(), answer) if form.which != "all" and answer.next is None else [],
        more=answer.next is not None,
        most=SAGAS_MAX,
    )


async def _filter(request: Request, form: Chosen) -> dict[str, Any]:
    """Raises InvalidRequest, WrongSaga."""
    if form.which != "all":
        return {"ids": form.ids(), "name": form.name}
    rules = await filter_of(request, form.status, form.name, form.correlation_id, form.parent, form.attribute)
    return {
        "requested_after": form.requested_after,
        "requested_before": form.requested_before,
        "status": rules.status,
        "name": rules.name,
        "correlation_id": rules.correlation_id,
        "parent": rules.parent,
        "attributes": rules.attributes,
    }


@router.post(ACT)
async def act(request: Request, runtime: RuntimeOf) -> Response:
    """Do it, to those that are as they were seen. Raises InvalidRequest, WrongSaga."""
    fields, data = await _fields(request)
    form = validated(Confirmed, fields)
    check_saga(principal_of(request), Role.OPERATOR, form.name)
    asked = _asked(runtime, form, form.id, data)
    seen = [_seen(text) for text in form.seen]
    ids = [each["saga_id"] for each in seen]
    wanted = {"ids": ids, "name": form.name}
    deed = asked.request(filter=wanted, seen=seen, reason=form.reason, dry_run=False)
    answer = await performed(validated(BulkRequest, deed), runtime, actor_of(request), principal_of(request))
    untold = _missing(ids, answer)
    unknown = {each.saga_id for each in answer.outcomes if each.outcome == "unknown"}
    return page(
        request,
        "bulk_done.html",
        deed=asked.deed,
        form=form,
        data=data,
        answer=answer,
        counts=Counter(each.outcome for each in answer.outcomes),
        missing=untold if answer.next is None else [],
        rest=[text for text in form.seen if _seen(text)["saga_id"] in {*untold, *unknown}]
        if answer.next is not None
        else [],
    )


def _seen(text: str) -> dict[str, Any]:
    """Raises InvalidRequest."""
    parts = text.split("@")
    if len(parts) != SEEN_PARTS:
        raise InvalidRequest([FieldError(field="seen", message="is of no preview")])
    return {"saga_id": parts[0], "journal_version": parts[1], "status": parts[2]}


def _missing(ids: list[str], answer: BulkAnswer) -> list[str]:
    """Those that the answer says nothing of."""
    told = {each.saga_id for each in answer.outcomes}
    return [saga_id for saga_id in ids if saga_id not in told]
