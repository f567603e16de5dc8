"""Returns: the part of `order` that knows what came back, or may come back.

    requested -> closed      somebody approved it; money and goods are where they belong
              -> refused     somebody did not
              -> expired     nobody said anything in time
    requested, closed -> cancelled      by a saga that is undone

Items of a return that is requested or closed cannot be returned again. A return id is used once: two sagas
must never pay for one return.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Literal, assert_never

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from domain.decider import Command, Event, Rejected, State
from domain.money import Money
from domain.order_lines import OrderLine
from domain.values import Id, Name, Note, Quantity


class ReturnLine(BaseModel):
    """So many of one SKU come back."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sku: Id
    quantity: Quantity


def _check_lines(lines: tuple[ReturnLine, ...]) -> tuple[ReturnLine, ...]:
    if not lines:
        raise ValueError("a return has at least one line")
    if len({line.sku for line in lines}) < len(lines):
        raise ValueError("sku: a return has one line for each sku")
    return lines


ReturnLines = Annotated[
    tuple[ReturnLine, ...],
    Field(max_length=500, json_schema_extra={"minItems": 1}),
    AfterValidator(_check_lines),
]


class RequestReturn(Command):
    order_id: Id
    return_id: Id
    customer_id: Id
    lines: ReturnLines
    reason: Name


class RefuseReturn(Command):
    order_id: Id
    return_id: Id
    by: Name
    note: Note = ""


class ExpireReturn(Command):
    order_id: Id
    return_id: Id


class CloseReturn(Command):
    """`by` approved it, and all that follows from that is done."""

    order_id: Id
    return_id: Id
    by: Name
    note: Note = ""


class CancelReturn(Command):
    order_id: Id
    return_id: Id


class ReturnRequested(Event):
    """`refund` is what the customer paid for the lines."""

    order_id: Id
    return_id: Id
    customer_id: Id
    lines: tuple[ReturnLine, ...]
    reason: Name
    refund: Money


class ReturnRefused(Event):
    order_id: Id
    return_id: Id
    by: Name
    note: Note


class ReturnExpired(Event):
    order_id: Id
    return_id: Id


class ReturnClosed(Event):
    order_id: Id
    return_id: Id
    by: Name
    note: Note


class ReturnCancelled(Event):
    order_id: Id
    return_id: Id


EndingCommand = RefuseReturn | ExpireReturn | CloseReturn | CancelReturn
ReturnCommand = RequestReturn | EndingCommand
ReturnEvent = ReturnRequested | ReturnRefused | ReturnExpired | ReturnClosed | ReturnCancelled

ReturnStatus = Literal["requested", "refused", "expired", "closed", "cancelled"]


class Return(State):
    """One return of an order."""

    status: ReturnStatus
    lines: tuple[ReturnLine, ...]

    @property
    def keeps_its_items(self) -> bool:
        return self.status in ("requested", "closed")


Returns = Mapping[str, Return]


def request(returns: Returns, bought: Sequence[OrderLine], command: RequestReturn) -> list[ReturnEvent]:
    """Decide on the request for a return of what was `bought`."""
    if command.return_id in returns:
        raise Rejected(
            f"return {command.return_id} was requested before",
            code="return-already-requested",
            data={"status": returns[command.return_id].status},
        )
    lines = {line.sku: line for line in bought}
    returned = _returned(returns.values())
    for line in command.lines:
        _require_items(line, lines.get(line.sku), returned[line.sku])
    amount = sum(line.quantity * lines[line.sku].unit_price.amount for line in command.lines)
    return [
        ReturnRequested(
            order_id=command.order_id,
            return_id=command.return_id,
            customer_id=command.customer_id,
            lines=command.lines,
            reason=command.reason,
            refund=Money(amount=amount, currency=bought[0].unit_price.currency),
        )
    ]


def _returned(returns: Iterable[Return]) -> Counter[str]:
    """How many of each SKU are in returns that keep them."""
    quantities: Counter[str] = Counter()
    for one in returns:
        if one.keeps_its_items:
            quantities.update({line.sku: line.quantity for line in one.lines})
    return quantities


def _require_items(line: ReturnLine, bought: OrderLine | None, returned: int) -> None:
    left = (bought.quantity if bought else 0) - returned
    if line.quantity > left:
        raise Rejected(
            f"{line.sku}: {line.quantity} to return, {left} can be",
            code="not-returnable",
            data={"sku": line.sku, "requested": line.quantity, "returnable": left},
        )


def decide(returns: Returns, command: EndingCommand) -> list[ReturnEvent]:
    order_id, return_id = command.order_id, command.return_id
    status = returns[return_id].status if return_id in returns else None
    match command:
        case CancelReturn() if status not in ("requested", "closed"):
            return []  # nothing to undo
        case CancelReturn():
            return [ReturnCancelled(order_id=order_id, return_id=return_id)]
        case RefuseReturn(by=by, note=note):
            ended: ReturnEvent = ReturnRefused(order_id=order_id, return_id=return_id, by=by, note=note)
        case ExpireReturn():
            ended = ReturnExpired(order_id=order_id, return_id=return_id)
        case CloseReturn(by=by, note=note):
            ended = ReturnClosed(order_id=order_id, return_id=return_id, by=by, note=note)
        case _:
            assert_never(command)
    if status == _status(ended):
        return []  # sent twice
    if status != "requested":
        raise Rejected(
            f"return {return_id} is {status or 'unknown'}, not requested",
            code="return-not-requested",
            data={"status": status},
        )
    return [ended]


def _status(event: ReturnEvent) -> ReturnStatus:
    match event:
        case ReturnRequested():
            return "requested"
        case ReturnRefused():
            return "refused"
        case ReturnExpired():
            return "expired"
        case ReturnClosed():
            return "closed"
        case ReturnCancelled():
            return "cancelled"
        case _:
            assert_never(event)


def evolve(returns: Returns, event: ReturnEvent) -> dict[str, Return]:
    known = returns.get(event.return_id)
    lines = event.lines if isinstance(event, ReturnRequested) else known.lines if known else ()
    return {**returns, event.return_id: Return(status=_status(event), lines=lines)}
