"""Other versions of the code, for processes that run `saga`."""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from pydantic import BaseModel

from domain.account import OpenAccount
from tests.acceptance.server import ROOT
from workflows.fulfil_order import FULFIL_ORDER, FulfilOrder
from workflows.saga import NOTHING, Saga, SagaDefinition
from workflows.sagas import SAGAS


def environment_of(version: Callable[[], None], folder: Path) -> dict[str, str]:
    """The settings of a process that makes this version of its code, before anything else of ours runs."""
    name = version.__name__
    (folder / "sitecustomize.py").write_text(f"from {version.__module__} import {name}\n\n{name}()\n")
    return {"PYTHONPATH": os.pathsep.join((str(folder), str(ROOT)))}


async def opens_an_account_first(saga: Saga, order: FulfilOrder) -> None:
    await saga.execute(OpenAccount(account_id=order.customer_id, currency="USD"), compensate=NOTHING)


def orders_begin_with_an_account() -> None:
    """Nobody thought of the orders that are under way."""
    changed = replace(FULFIL_ORDER, function=opens_an_account_first)
    SAGAS[:] = [changed if definition is FULFIL_ORDER else definition for definition in SAGAS]


class Accounts(BaseModel):
    names: list[str]


class Done(BaseModel):
    """The data of a signal that nobody sends."""


async def open_accounts(saga: Saga, accounts: Accounts) -> None:
    """In the order that a set gives them, which is another in each process."""
    for name in set(accounts.names):
        await saga.execute(OpenAccount(account_id=name, currency="USD"), compensate=NOTHING)
    await saga.receive("done", Done)


def accounts_are_opened_in_any_order() -> None:
    SAGAS.append(SagaDefinition("open-accounts", open_accounts, input=Accounts, signals={"done": Done}))
