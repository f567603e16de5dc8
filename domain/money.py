"""Money: integer minor units and a currency."""

from typing import Annotated, Final

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

AMOUNT_MAX: Final = 1_000_000_000_000
"""Minor units in one amount of money."""

BALANCE_MAX: Final = 2**53 - 1
"""Minor units in one account: the largest integer that every JSON reader keeps exact."""

Currency = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]


class Money(BaseModel):
    """An amount in minor units (cents) of one currency; never a float."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    amount: Annotated[int, Field(strict=True, ge=0, le=AMOUNT_MAX)]
    currency: Currency


def _positive(money: Money) -> Money:
    if money.amount == 0:
        raise ValueError("amount must be greater than 0")
    return money


PositiveMoney = Annotated[Money, AfterValidator(_positive)]
