"""The account of a customer or of the shop: its balance, and the payments held for orders.

The balance does not include the holds. A captured payment leaves the account: it is in transit until the saga
deposits it to the shop or refunds it.
"""

from typing import assert_never

from pydantic import Field

from domain.decider import Command, Decider, Event, Rejected, State
from domain.money import BALANCE_MAX, Currency, Money, PositiveMoney
from domain.values import Id, Name


class OpenAccount(Command):
    account_id: Id
    currency: Currency


class Deposit(Command):
    account_id: Id
    money: PositiveMoney
    reference: Name | None = None


class Withdraw(Command):
    account_id: Id
    money: PositiveMoney
    reference: Name | None = None


class HoldPayment(Command):
    account_id: Id
    order_id: Id
    money: PositiveMoney


class ReleasePayment(Command):
    account_id: Id
    order_id: Id


class CapturePayment(Command):
    account_id: Id
    order_id: Id


class RefundPayment(Command):
    account_id: Id
    order_id: Id
    money: PositiveMoney


class AccountOpened(Event):
    account_id: Id
    currency: Currency


class MoneyDeposited(Event):
    account_id: Id
    money: Money
    reference: Name | None = None


class MoneyWithdrawn(Event):
    account_id: Id
    money: Money
    reference: Name | None = None


class PaymentHeld(Event):
    account_id: Id
    order_id: Id
    money: Money


class PaymentReleased(Event):
    account_id: Id
    order_id: Id
    money: Money


class PaymentCaptured(Event):
    account_id: Id
    order_id: Id
    money: Money


class PaymentRefunded(Event):
    account_id: Id
    order_id: Id
    money: Money


AccountCommand = (
    OpenAccount | Deposit | Withdraw | HoldPayment | ReleasePayment | CapturePayment | RefundPayment
)
AccountEvent = (
    AccountOpened
    | MoneyDeposited
    | MoneyWithdrawn
    | PaymentHeld
    | PaymentReleased
    | PaymentCaptured
    | PaymentRefunded
)


class Account(State):
    currency: str | None = None
    balance: int = 0
    holds: dict[str, int] = Field(default_factory=dict)


def decide(account: Account, command: AccountCommand) -> list[AccountEvent]:  # noqa: PLR0911 - one a command
    match command:
        case OpenAccount():
            return _open(account, command)
        case ReleasePayment(order_id=order_id) if order_id not in account.holds:
            return []  # nothing to undo
    currency = _currency(account, command.account_id)
    match command:
        case Deposit(account_id=account_id, money=money, reference=reference):
            _require_room(account, currency, command)
            return [MoneyDeposited(account_id=account_id, money=money, reference=reference)]
        case Withdraw(account_id=account_id, money=money, reference=reference):
            _require_funds(account, currency, command)
            return [MoneyWithdrawn(account_id=account_id, money=money, reference=reference)]
        case HoldPayment():
            return _hold(account, currency, command)
        case ReleasePayment(account_id=account_id, order_id=order_id):
            held = Money(amount=account.holds[order_id], currency=currency)
            return [PaymentReleased(account_id=account_id, order_id=order_id, money=held)]
        case CapturePayment():
            return _capture(account, currency, command)
        case RefundPayment(account_id=account_id, order_id=order_id, money=money):
            _require_room(account, currency, command)
            return [PaymentRefunded(account_id=account_id, order_id=order_id, money=money)]
        case _:
            assert_never(command)


def _open(account: Account, command: OpenAccount) -> list[AccountEvent]:
    if account.currency == command.currency:
        return []  # sent twice
    if account.currency is not None:
        raise _mismatch(command.account_id, account.currency, command.currency)
    return [AccountOpened(account_id=command.account_id, currency=command.currency)]


def _hold(account: Account, currency: str, command: HoldPayment) -> list[AccountEvent]:
    held = account.holds.get(command.order_id)
    if held == command.money.amount and currency == command.money.currency:
        return []  # sent twice
    if held is not None:
        raise Rejected(
            f"another payment is held for order {command.order_id}",
            code="held-otherwise",
            data={"held": held, "requested": command.money.amount},
        )
    _require_funds(account, currency, command)
    return [PaymentHeld(account_id=command.account_id, order_id=command.order_id, money=command.money)]


def _capture(account: Account, currency: str, command: CapturePayment) -> list[AccountEvent]:
    if command.order_id not in account.holds:
        raise Rejected(f"no payment is held for order {command.order_id}", code="payment-not-held")
    held = Money(amount=account.holds[command.order_id], currency=currency)
    return [PaymentCaptured(account_id=command.account_id, order_id=command.order_id, money=held)]


def _currency(account: Account, account_id: str) -> str:
    if account.currency is None:
        raise Rejected(f"account {account_id} is not open", code="account-not-open")
    return account.currency


def _require_currency(currency: str, command: Deposit | Withdraw | HoldPayment | RefundPayment) -> None:
    if command.money.currency != currency:
        raise _mismatch(command.account_id, currency, command.money.currency)


def _require_funds(account: Account, currency: str, command: Withdraw | HoldPayment) -> None:
    _require_currency(currency, command)
    if command.money.amount > account.balance:
        raise Rejected(
            f"account {command.account_id}: {command.money.amount} wanted, balance is {account.balance}",
            code="insufficient-funds",
            data={"requested": command.money.amount, "balance": account.balance, "currency": currency},
        )


def _require_room(account: Account, currency: str, command: Deposit | RefundPayment) -> None:
    _require_currency(currency, command)
    if account.balance + sum(account.holds.values()) + command.money.amount > BALANCE_MAX:
        raise Rejected(
            f"account {command.account_id} would hold more than {BALANCE_MAX}", code="balance-limit"
        )


def _mismatch(account_id: str, currency: str, other: str) -> Rejected:
    return Rejected(
        f"account {account_id} is in {currency}, not in {other}",
        code="currency-mismatch",
        data={"currency": currency, "requested": other},
    )


def evolve(account: Account, event: AccountEvent) -> Account:
    match event:
        case AccountOpened(currency=currency):
            return account.model_copy(update={"currency": currency})
        case MoneyDeposited(money=money) | PaymentRefunded(money=money):
            return account.model_copy(update={"balance": account.balance + money.amount})
        case MoneyWithdrawn(money=money):
            return account.model_copy(update={"balance": account.balance - money.amount})
        case PaymentHeld(order_id=order_id, money=money):
            return account.model_copy(
                update={
                    "balance": account.balance - money.amount,
                    "holds": account.holds | {order_id: money.amount},
                }
            )
        case PaymentReleased(order_id=order_id, money=money):
            return account.model_copy(
                update={"balance": account.balance + money.amount, "holds": _without(order_id, account)}
            )
        case PaymentCaptured(order_id=order_id):
            return account.model_copy(update={"holds": _without(order_id, account)})
        case _:
            assert_never(event)


def _without(order_id: str, account: Account) -> dict[str, int]:
    return {order: amount for order, amount in account.holds.items() if order != order_id}


account: Decider[AccountCommand, AccountEvent, Account] = Decider(
    category="account",
    key=lambda command: command.account_id,
    initial=Account(),
    decide=decide,
    evolve=evolve,
    commands=AccountCommand,
    events=AccountEvent,
)
