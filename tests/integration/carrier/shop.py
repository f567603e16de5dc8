"""A shop on the in-memory store: the real kernel, the real aggregates, and a carrier over HTTP."""

from collections import deque
from collections.abc import Mapping
from typing import Any

from domain import Command
from domain.account import Deposit, OpenAccount
from domain.aggregates import CATALOG
from domain.money import Money
from domain.stock import ReceiveStock
from eventstore import Appended
from eventstore.memory import MemoryEventStore
from workflows.carrier import Carrier
from workflows.fulfil_order import SHOP
from workflows.saga import Registry, SagaEngine, SagaView
from workflows.saga.codec import EventCodec
from workflows.saga.commands import CommandHandler, Decision
from workflows.saga.runner import Runner
from workflows.saga.runs import run_number
from workflows.sagas import SAGAS

CODEC = EventCodec(CATALOG)


class Shop:
    """Runs one saga after the other, each run as soon as it is enqueued."""

    def __init__(self, carrier: Carrier) -> None:
        self._runs: deque[dict[str, Any]] = deque()
        self.store = MemoryEventStore(on_append=self._enqueue)
        registry = Registry(SAGAS, carrier.calls())
        self.engine = SagaEngine(self.store, registry, CODEC)
        self._handler = CommandHandler(self.store, CODEC)
        self._runner = Runner(self.store, self._handler, registry, executor="test")

    def _enqueue(self, attachment: Mapping[str, Any]) -> None:
        self._runs.extend(attachment["runs"])

    async def send(self, *commands: Command) -> None:
        """Execute commands outside of any saga."""
        for command in commands:
            await self._handler.handle(command, self._commit)

    async def _commit(self, decision: Decision) -> Appended:
        assert decision.rejection is None
        return await self.store.append([decision.batch({})])

    async def stock_up(self) -> None:
        """Ten of SKU 11 and of 12, a customer `ana` with 10,000 and an empty account of the shop."""
        await self.send(
            ReceiveStock(sku="11", quantity=10),
            ReceiveStock(sku="12", quantity=10),
            OpenAccount(account_id="ana", currency="USD"),
            Deposit(account_id="ana", money=Money(amount=10_000, currency="USD")),
            OpenAccount(account_id=SHOP, currency="USD"),
        )

    async def finish(self, saga: str, saga_input: dict[str, Any]) -> SagaView:
        """Start a saga and run it until nothing is enqueued."""
        started = await self.engine.start(saga, saga_input)
        while self._runs:
            run = self._runs.popleft()
            await self._runner.run(run["argument"], run_number(run["id"]), f"execution of {run['id']}")
        return await self.engine.view(started.saga.saga_id)

    async def state(self, stream: str) -> dict[str, Any]:
        """The aggregate of a stream as it is now."""
        decider = CATALOG.decider(stream.split("-", 1)[0])
        events = [CATALOG.event(event.type, event.data) async for event in self.store.read_stream(stream)]
        state: dict[str, Any] = decider.fold(events).model_dump(mode="json")
        return state

    async def state_of_everything(self) -> dict[str, dict[str, Any]]:
        """The balances and the stock: what a compensated order must leave as it was."""
        streams = ["stock-11", "stock-12", "account-ana", f"account-{SHOP}"]
        return {stream: await self.state(stream) for stream in streams}
