"""An aggregate whose events have changed: the snippets of docs/evolve-an-event.md."""

from typing import Final, assert_never

from domain import Catalog, Command, Decider, Event, Rejected, State
from domain.upcaster import Json, changed, dropped, renamed, split
from domain.values import Id


class LendBook(Command):
    schema_version = 2

    copy_id: Id
    reader: Id
    days: int = 14


class TakeBook(Command):
    copy_id: Id


class BookLent(Event):
    schema_version = 2

    copy_id: Id
    reader: Id
    days: int


class BookReturned(Event):
    copy_id: Id


class FineCharged(Event):
    copy_id: Id
    cents: int


class Loan(State):
    reader: str | None = None
    fines: int = 0


def decide(loan: Loan, command: LendBook | TakeBook) -> list[BookLent | BookReturned | FineCharged]:
    match command:
        case LendBook(copy_id=copy_id, reader=reader, days=days):
            if loan.reader is not None:
                raise Rejected(f"{copy_id} is with {loan.reader}", code="lent")
            return [BookLent(copy_id=copy_id, reader=reader, days=days)]
        case TakeBook(copy_id=copy_id):
            return [] if loan.reader is None else [BookReturned(copy_id=copy_id)]
        case _:
            assert_never(command)


def evolve(loan: Loan, event: BookLent | BookReturned | FineCharged) -> Loan:
    match event:
        case BookLent(reader=reader):
            return loan.model_copy(update={"reader": reader})
        case BookReturned():
            return loan.model_copy(update={"reader": None})
        case FineCharged(cents=cents):
            return loan.model_copy(update={"fines": loan.fines + cents})
        case _:
            assert_never(event)


def weeks_to_days(data: Json) -> Json:
    data["days"] = 7 * data.pop("weeks")
    return data


def returned_and_fined(data: Json) -> list[tuple[str, Json]]:
    fine = {"copy_id": data["copy_id"], "cents": 20 * data.pop("days_late")}
    return [("BookReturned", data), ("FineCharged", fine)]


UPCASTERS: Final = (
    changed("BookLent", 1, weeks_to_days),
    renamed("BookGivenBack", 1, to="BookReturned"),
    split("BookReturnedLate", 1, {"BookReturned": 1, "FineCharged": 1}, returned_and_fined),
    dropped("BookLookedAt", 1),
)


def lend_for_days(data: Json) -> Json:
    return weeks_to_days({"weeks": 2} | data)  # what had its default is not in the journal


COMMAND_UPCASTERS: Final = (changed("LendBook", 1, lend_for_days),)

loan: Decider[LendBook | TakeBook, BookLent | BookReturned | FineCharged, Loan] = Decider(
    category="loan",
    key=lambda command: command.copy_id,
    initial=Loan(),
    decide=decide,
    evolve=evolve,
    commands=LendBook | TakeBook,
    events=BookLent | BookReturned | FineCharged,
    upcasters=UPCASTERS,
    command_upcasters=COMMAND_UPCASTERS,
)
LOANS: Final = Catalog([loan])
