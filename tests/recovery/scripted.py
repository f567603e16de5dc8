"""A saga that does what its input says, for tests of what a service does around it."""

from datetime import timedelta
from typing import Any, Final, Literal

import httpx
from pydantic import BaseModel, Field

from domain import Command
from domain.account import Deposit, Withdraw
from domain.money import Money
from domain.values import Address, Name
from tests.acceptance.server import Json, until
from tests.recovery.shop import open_account, saga, state
from workflows.carrier import BOOK_CARRIER, CANCEL_BOOKING, BookCarrier, CancelBooking
from workflows.saga import Saga, SagaDefinition
from workflows.sagas import SAGAS

NAME: Final = "scripted"


class Line(BaseModel):
    """One step: a deposit to an account, a booking, a wait for the signal `go`, or a child."""

    does: Literal["deposit", "book", "wait", "child", "pivot"]
    of: str = ""
    seconds: float | None = None
    child: "list[Line]" = Field(default_factory=list)


class Script(Command):
    lines: list[Line]
    attributes: dict[str, str] = Field(default_factory=dict)


class Go(BaseModel):
    """The data of the signal."""

    amount: int = Field(ge=0)
    note: Name = "go"
    text: str = ""


async def scripted(saga: Saga, script: Script) -> dict[str, Any]:
    heard: list[str] = []
    for line in script.lines:
        match line.does:
            case "deposit":
                money = Money(amount=1, currency="USD")
                await saga.execute(
                    Deposit(account_id=line.of, money=money),
                    compensate=None
                    if saga_is_past(script, line)
                    else Withdraw(account_id=line.of, money=money),
                )
            case "book":
                address = Address(name="Ana", country="Peru")
                await saga.call(
                    BOOK_CARRIER,
                    BookCarrier(order_id=line.of, ship_to=address),
                    compensate=CANCEL_BOOKING.of(CancelBooking(order_id=line.of)),
                )
            case "wait" if line.seconds is None:
                heard.append((await saga.receive("go", Go)).note)
            case "wait":
                go = await saga.receive("go", Go, timeout=timedelta(seconds=line.seconds or 0))
                heard.append(go.note if go else "nothing")
            case "child":
                await saga.start(SCRIPTED, Script(lines=line.child), id=line.of or None)
            case "pivot":
                saga.pivot()
    return {"heard": heard}


def saga_is_past(script: Script, line: Line) -> bool:
    """Whether the line stands behind the pivot of its script."""
    return any(before.does == "pivot" for before in script.lines[: script.lines.index(line)])


SCRIPTED: Final = SagaDefinition(
    NAME, scripted, input=Script, signals={"go": Go}, attributes=lambda script: script.attributes
)


def serve_scripted() -> None:
    """Also run this saga."""
    SAGAS.append(SCRIPTED)


def deposit(account: str) -> Json:
    return {"does": "deposit", "of": account}


def book(order_id: str) -> Json:
    return {"does": "book", "of": order_id}


def wait(seconds: float | None = None) -> Json:
    return {"does": "wait", "seconds": seconds}


def child(saga_id: str, *lines: Json) -> Json:
    return {"does": "child", "of": saga_id, "child": list(lines)}


PIVOT: Final[Json] = {"does": "pivot"}
NO_ACCOUNT: Final = deposit("nobody")
"""A step that is refused."""


def run_script(http: httpx.Client, saga_id: str, *lines: Json, **attributes: str) -> str:
    """Start a script; accounts that it names are opened, but for `nobody`'s."""
    for account in accounts_of(lines):
        open_account(http, account)
    script = {"lines": list(lines), "attributes": attributes}
    http.post(f"/sagas/{NAME}", json=script, headers={"Idempotency-Key": saga_id}).raise_for_status()
    return saga_id


def accounts_of(lines: tuple[Json, ...]) -> set[str]:
    own = {line["of"] for line in lines if line["does"] == "deposit"} - {"nobody"}
    return own.union(*(accounts_of(tuple(line["child"])) for line in lines if line["does"] == "child"))


def ask(http: httpx.Client, saga_id: str, action: str, **body: Any) -> httpx.Response:
    """Ask something of a saga as an operator."""
    return http.post(f"/sagas/{saga_id}/{action}", json={"reason": "asked", **body})


def go(http: httpx.Client, saga_id: str, **body: Any) -> httpx.Response:
    return http.post(f"/sagas/{saga_id}/signals/go", json={"data": {"amount": 1}, **body})


def await_status(http: httpx.Client, saga_id: str, *statuses: str) -> Json:
    """The saga, once it is so. A child may not have been started yet."""

    def is_so() -> bool:
        answer = http.get(f"/sagas/{saga_id}")
        return answer.status_code != 404 and answer.raise_for_status().json()["status"] in statuses

    until(is_so)
    return saga(http, saga_id)


def balance(http: httpx.Client, account: str) -> int:
    amount: int = state(http, "account", account)["balance"]
    return amount


def undone(steps: list[Json]) -> dict[str, str | None]:
    """How far the compensation of each step has come, by the step's number."""
    return {step["step"]: step["compensation"] and step["compensation"]["status"] for step in steps}
