"""The read model `accounts`: balances, held payments, and the statement of each account."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, Literal, cast, get_args

import psycopg

from app.readmodels.decoding import Change, changes_by_key
from app.readmodels.tables import Row, Table
from domain import Event
from domain.account import (
    Account,
    AccountEvent,
    AccountOpened,
    MoneyDeposited,
    MoneyWithdrawn,
    PaymentCaptured,
    PaymentHeld,
    PaymentRefunded,
    PaymentReleased,
    account,
)
from eventstore import RecordedEvent
from workflows.saga.codec import EventCodec

MovementKind = Literal["opened", "deposited", "withdrawn", "held", "released", "captured", "refunded"]
KINDS: Final[Mapping[type[Event], str]] = dict(
    zip(
        (
            AccountOpened,
            MoneyDeposited,
            MoneyWithdrawn,
            PaymentHeld,
            PaymentReleased,
            PaymentCaptured,
            PaymentRefunded,
        ),
        get_args(MovementKind),
        strict=True,
    )
)

ACCOUNTS: Final = Table(
    "accounts",
    key=("account_id",),
    columns=("currency", "balance", "held", "movement_count", "opened_at", "updated_at", "position"),
)
HOLDS: Final = Table("account_holds", key=("account_id", "order_id"), columns=("amount", "held_at"))
MOVEMENTS: Final = Table(
    "account_movements",
    key=("account_id", "position", "part"),
    columns=(
        "version",
        "event_id",
        "kind",
        "amount",
        "currency",
        "change",
        "balance",
        "held",
        "order_id",
        "reference",
        "saga_id",
        "step",
        "actor",
        "correlation_id",
        "recorded_at",
    ),
)


class AccountFold:
    """An account, with those holds only that the events at hand speak of: there may be many."""

    def __init__(self, account_id: str, row: Row | None, holds: Iterable[Row]) -> None:
        self.account_id = account_id
        self._before = {each["order_id"]: each["amount"] for each in holds}
        self._held_elsewhere = row["held"] - sum(self._before.values()) if row else 0
        self._state = (
            Account(currency=row["currency"], balance=row["balance"], holds=self._before)
            if row
            else account.initial
        )
        self._held_at: dict[str, Any] = {}
        self._row: Row = row or {"position": 0, "movement_count": 0}
        self.movements: list[Row] = []

    def take(self, change: Change) -> None:
        """Fold what happened, unless it has been, and note what it did."""
        if change.position <= self._row["position"]:
            return
        recorded_at = change.recorded.recorded_at
        for part, event in enumerate(change.events):
            before, self._state = self._state, account.evolve(self._state, cast("AccountEvent", event))
            for order_id, _ in self._state.holds.items() - before.holds.items():
                self._held_at[order_id] = recorded_at
            self.movements.append({"part": part, **self._movement(change, event, before.balance)})
        self._row = {
            "account_id": self.account_id,
            "currency": self._state.currency,
            "balance": self._state.balance,
            "held": self._held,
            "movement_count": self._row["movement_count"] + len(change.events),
            "opened_at": self._row.get("opened_at", recorded_at),
            "updated_at": recorded_at,
            "position": change.position,
        }

    def row(self) -> Row:
        return self._row

    def holds(self) -> list[Row]:
        """Those that are new, or not what they were."""
        return [
            {
                "account_id": self.account_id,
                "order_id": order_id,
                "amount": amount,
                "held_at": self._held_at[order_id],
            }
            for order_id, amount in self._state.holds.items()
            if order_id in self._held_at
        ]

    def released(self) -> list[tuple[str, str]]:
        """The keys of holds that are no more."""
        return [(self.account_id, order_id) for order_id in self._before if order_id not in self._state.holds]

    @property
    def _held(self) -> int:
        return self._held_elsewhere + sum(self._state.holds.values())

    def _movement(self, change: Change, event: Any, balance_before: int) -> Row:
        recorded = change.recorded
        return {
            "account_id": self.account_id,
            "position": change.position,
            "version": recorded.version,
            "event_id": recorded.event_id,
            "kind": KINDS[type(event)],
            "amount": event.money.amount if hasattr(event, "money") else 0,
            "currency": self._state.currency,
            "change": self._state.balance - balance_before,
            "balance": self._state.balance,
            "held": self._held,
            "order_id": getattr(event, "order_id", None),
            "reference": getattr(event, "reference", None),
            **{name: change.said(name) for name in ("saga_id", "step", "actor", "correlation_id")},
            "recorded_at": recorded.recorded_at,
        }


class AccountProjection:
    """Folds the stream of each account."""

    name = "accounts"
    version = 1
    tables = ("accounts", "account_holds", "account_movements")

    def __init__(self, codec: EventCodec) -> None:
        self._codec = codec

    async def apply(self, connection: psycopg.AsyncConnection[Any], events: Sequence[RecordedEvent]) -> None:
        changes = changes_by_key(self._codec, events, "account")
        if not changes:
            return
        folds = await self._folds(connection, changes)
        for fold in folds:
            for change in changes[fold.account_id]:
                fold.take(change)
        async with connection.pipeline():  # one round trip
            await ACCOUNTS.put(connection, [fold.row() for fold in folds])
            await HOLDS.put(connection, [row for fold in folds for row in fold.holds()])
            await HOLDS.remove(connection, [key for fold in folds for key in fold.released()])
            await MOVEMENTS.insert(connection, [row for fold in folds for row in fold.movements])

    @staticmethod
    async def _folds(
        connection: psycopg.AsyncConnection[Any], changes: dict[str, list[Change]]
    ) -> list[AccountFold]:
        accounts = await ACCOUNTS.rows(connection, [(account_id,) for account_id in changes])
        rows = {row["account_id"]: row for row in accounts}
        touched = {
            (account_id, order_id)
            for account_id, news in changes.items()
            for change in news
            for order_id in change.order_ids
        }
        holds: dict[str, list[Row]] = {}
        for row in await HOLDS.rows(connection, sorted(touched)):
            holds.setdefault(row["account_id"], []).append(row)
        return [
            AccountFold(account_id, rows.get(account_id), holds.get(account_id, ())) for account_id in changes
        ]
