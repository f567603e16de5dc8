"""What an account does, refuses and stays quiet about."""

import pytest

from domain import Command
from domain.account import (
    AccountOpened,
    CapturePayment,
    Deposit,
    HoldPayment,
    MoneyDeposited,
    MoneyWithdrawn,
    OpenAccount,
    PaymentCaptured,
    PaymentHeld,
    PaymentRefunded,
    PaymentReleased,
    RefundPayment,
    ReleasePayment,
    Withdraw,
    account,
)
from domain.money import AMOUNT_MAX, BALANCE_MAX, Money
from tests.unit.domain.spec import given


def usd(amount: int) -> Money:
    return Money(amount=amount, currency="USD")


def deposited(amount: int) -> MoneyDeposited:
    return MoneyDeposited(account_id="a", money=usd(amount))


EUR = Money(amount=1, currency="EUR")
OPENED = AccountOpened(account_id="a", currency="USD")
DEPOSITED = deposited(100)
HELD = PaymentHeld(account_id="a", order_id="o1", money=usd(30))
RELEASED = PaymentReleased(account_id="a", order_id="o1", money=usd(30))
CAPTURED = PaymentCaptured(account_id="a", order_id="o1", money=usd(30))
REFUNDED = PaymentRefunded(account_id="a", order_id="o1", money=usd(30))


def test_an_account_is_opened_in_one_currency() -> None:
    given(account).when(OpenAccount(account_id="a", currency="USD")).then(OPENED)


def test_opening_again_in_the_same_currency_adds_nothing() -> None:
    given(account, OPENED).when(OpenAccount(account_id="a", currency="USD")).then()


def test_opening_again_in_another_currency_is_refused() -> None:
    given(account, OPENED).when(OpenAccount(account_id="a", currency="EUR")).then_rejected(
        "currency-mismatch"
    )


def test_an_account_has_no_currency_before_it_is_opened() -> None:
    given(account).then_state(currency=None, balance=0, holds={})


def test_a_deposit_raises_the_balance() -> None:
    given(account, OPENED).when(Deposit(account_id="a", money=usd(100))).then(DEPOSITED)
    given(account, OPENED, DEPOSITED).then_state(currency="USD", balance=100, holds={})


def test_a_deposit_keeps_its_reference() -> None:
    given(account, OPENED).when(Deposit(account_id="a", money=usd(1), reference="order 7")).then(
        MoneyDeposited(account_id="a", money=usd(1), reference="order 7")
    )


def test_a_withdrawal_lowers_the_balance() -> None:
    withdrawn = MoneyWithdrawn(account_id="a", money=usd(100), reference="rent")

    given(account, OPENED, DEPOSITED).when(Withdraw(account_id="a", money=usd(100), reference="rent")).then(
        withdrawn
    )
    given(account, OPENED, DEPOSITED, withdrawn).then_state(currency="USD", balance=0, holds={})


def test_more_than_the_balance_cannot_be_withdrawn() -> None:
    rejected = (
        given(account, OPENED, DEPOSITED)
        .when(Withdraw(account_id="a", money=usd(101)))
        .then_rejected("insufficient-funds")
    )

    assert rejected.data == {"requested": 101, "balance": 100, "currency": "USD"}


def test_a_hold_moves_money_out_of_the_balance() -> None:
    given(account, OPENED, DEPOSITED).when(HoldPayment(account_id="a", order_id="o1", money=usd(30))).then(
        HELD
    )
    given(account, OPENED, DEPOSITED, HELD).then_state(currency="USD", balance=70, holds={"o1": 30})


def test_held_money_cannot_be_held_or_withdrawn_again() -> None:
    held = given(account, OPENED, DEPOSITED, HELD)

    held.when(HoldPayment(account_id="a", order_id="o2", money=usd(71))).then_rejected("insufficient-funds")
    held.when(Withdraw(account_id="a", money=usd(71))).then_rejected("insufficient-funds")


def test_the_same_hold_again_adds_nothing() -> None:
    given(account, OPENED, DEPOSITED, HELD).when(
        HoldPayment(account_id="a", order_id="o1", money=usd(30))
    ).then()


def test_the_same_hold_again_adds_nothing_when_the_balance_is_used_up() -> None:
    everything = PaymentHeld(account_id="a", order_id="o1", money=usd(100))

    given(account, OPENED, DEPOSITED, everything).when(
        HoldPayment(account_id="a", order_id="o1", money=usd(100))
    ).then()


@pytest.mark.parametrize("other", [usd(31), Money(amount=30, currency="EUR")])
def test_another_payment_for_the_same_order_is_refused(other: Money) -> None:
    given(account, OPENED, DEPOSITED, HELD).when(
        HoldPayment(account_id="a", order_id="o1", money=other)
    ).then_rejected("held-otherwise")


def test_a_release_gives_the_held_money_back() -> None:
    given(account, OPENED, DEPOSITED, HELD).when(ReleasePayment(account_id="a", order_id="o1")).then(RELEASED)
    given(account, OPENED, DEPOSITED, HELD, RELEASED).then_state(currency="USD", balance=100, holds={})


def test_a_release_of_nothing_adds_nothing() -> None:
    given(account).when(ReleasePayment(account_id="a", order_id="o1")).then()
    given(account, OPENED, DEPOSITED, HELD).when(ReleasePayment(account_id="a", order_id="o2")).then()


def test_a_captured_payment_leaves_the_account() -> None:
    given(account, OPENED, DEPOSITED, HELD).when(CapturePayment(account_id="a", order_id="o1")).then(CAPTURED)
    given(account, OPENED, DEPOSITED, HELD, CAPTURED).then_state(currency="USD", balance=70, holds={})


def test_only_a_held_payment_is_captured() -> None:
    given(account, OPENED, DEPOSITED).when(CapturePayment(account_id="a", order_id="o1")).then_rejected(
        "payment-not-held"
    )


def test_nothing_is_captured_twice() -> None:
    given(account, OPENED, DEPOSITED, HELD, CAPTURED).when(
        CapturePayment(account_id="a", order_id="o1")
    ).then_rejected("payment-not-held")


def test_a_captured_payment_can_be_refunded() -> None:
    given(account, OPENED, DEPOSITED, HELD, CAPTURED).when(
        RefundPayment(account_id="a", order_id="o1", money=usd(30))
    ).then(REFUNDED)
    given(account, OPENED, DEPOSITED, HELD, CAPTURED, REFUNDED).then_state(
        currency="USD", balance=100, holds={}
    )


@pytest.mark.parametrize(
    "command",
    [
        Deposit(account_id="a", money=usd(1)),
        Withdraw(account_id="a", money=usd(1)),
        HoldPayment(account_id="a", order_id="o1", money=usd(1)),
        CapturePayment(account_id="a", order_id="o1"),
        RefundPayment(account_id="a", order_id="o1", money=usd(1)),
    ],
    ids=lambda command: type(command).__name__,
)
def test_an_account_that_is_not_open_moves_no_money(command: Command) -> None:
    given(account).when(command).then_rejected("account-not-open")


@pytest.mark.parametrize(
    "command",
    [
        Deposit(account_id="a", money=EUR),
        Withdraw(account_id="a", money=EUR),
        HoldPayment(account_id="a", order_id="o1", money=EUR),
        RefundPayment(account_id="a", order_id="o1", money=EUR),
    ],
    ids=lambda command: type(command).__name__,
)
def test_money_of_another_currency_is_refused(command: Command) -> None:
    rejected = given(account, OPENED, DEPOSITED).when(command).then_rejected("currency-mismatch")

    assert rejected.data == {"currency": "USD", "requested": "EUR"}


@pytest.mark.parametrize(
    "command",
    [
        Deposit(account_id="a", money=usd(1)),
        RefundPayment(account_id="a", order_id="o2", money=usd(1)),
    ],
    ids=lambda command: type(command).__name__,
)
def test_a_full_account_takes_no_more(command: Command) -> None:
    full = [*filled_but_for(0), HELD]

    given(account, *full).when(command).then_rejected("balance-limit")


def test_an_account_can_be_filled_to_its_limit() -> None:
    given(account, *filled_but_for(1)).when(Deposit(account_id="a", money=usd(1))).then(deposited(1))


def filled_but_for(missing: int) -> list[AccountOpened | MoneyDeposited]:
    times, rest = divmod(BALANCE_MAX - missing, AMOUNT_MAX)
    return [OPENED, *[deposited(AMOUNT_MAX)] * times, deposited(rest)]
