"""What the demonstration shows: a line for each thing that happens, what is on its way, and the proof."""

import time
from types import TracebackType
from typing import Final, Self

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from app.cli.output import status_text
from app.demo.checks import Check
from app.demo.client import Json
from app.demo.demonstration import Outcome
from app.demo.journals import Journal
from app.demo.script import Order
from app.demo.watch import Watch

ROWS_MAX: Final = 10
FAULTS_MAX: Final = 5
DOING_CHARACTERS: Final = 60
WORTH_A_LINE: Final = frozenset({"completed", "compensated", "stuck", "waiting"})


class Screen:
    """Tells on `console`. On a terminal the orders that are on their way are shown below, and move."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._began = time.monotonic()
        self._told: dict[str, str] = {}
        self._orders: dict[str, Order] = {}
        self._watch: Watch | None = None
        self._live = Live(console=console, get_renderable=self._now, transient=True)

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._live.stop()

    def say(self, line: str | Text) -> None:
        """One line, with the seconds since the beginning."""
        time_text = Text.assemble((f"{time.monotonic() - self._began:6.1f} s  ", "dim"))
        text = time_text.append(line if isinstance(line, Text) else Text(line))
        # A terminal's line is cut, or what moves below it would tear; a file's is never broken.
        wide = not self._console.is_terminal
        self._console.print(text, no_wrap=True, overflow="ellipsis", crop=not wide, soft_wrap=wide)

    def follow(self, watch: Watch, orders: list[Order]) -> None:
        self._watch = watch
        self._orders = {order.saga_id: order for order in orders}

    def changed(self, journal: Journal) -> None:
        """Say how a saga ended, that it is stuck, or that it waits; each once."""
        if journal.status in WORTH_A_LINE and self._told.get(journal.saga_id) != journal.status:
            self._told[journal.saga_id] = journal.status
            self.say(_line(self._orders[journal.saga_id], journal))

    def _now(self) -> Group:
        if self._watch is None:
            return Group()
        ended, total = len(self._watch.ended), len(self._orders)
        table = Table(box=None, pad_edge=False, show_header=False)
        for journal in self._watch.in_flight[:ROWS_MAX]:
            order = self._orders[journal.saga_id]
            table.add_row(order.order_id, status_text(journal.status), journal.doing[:DOING_CHARACTERS])
        bar = Table.grid(padding=(0, 1))
        bar.add_row(ProgressBar(total=total, completed=ended, width=40), f"{ended} of {total} orders ended")
        return Group(table, bar)


def show_outcome(console: Console, outcome: Outcome) -> None:
    """The orders, then the checks."""
    console.print(_orders_table(outcome))
    console.print()
    for check in outcome.checks:
        console.print(_check_lines(check))


def outcome_document(outcome: Outcome) -> Json:
    """The outcome for programs."""
    return {
        "ok": outcome.ok,
        "run": outcome.run,
        "seconds": round(outcome.seconds, 3),
        "orders": [_order_document(order, outcome.journals.get(order.saga_id)) for order in outcome.orders],
        "kill": {"pid": outcome.kill.pid, "ended": outcome.kill.ended, "in_flight": outcome.kill.in_flight},
        "checks": [
            {"name": check.name, "ok": check.ok, "figure": check.figure, "faults": check.faults}
            for check in outcome.checks
        ],
    }


def _line(order: Order, journal: Journal) -> Text:
    head = Text.assemble((order.order_id, "bold"), "  ", status_text(journal.status))
    if journal.status == "stuck":
        return head.append(f": {journal.doing}")
    if journal.status == "waiting":
        return head.append(f" {journal.waits_seconds:.1f} s: {journal.doing}", style="dim")
    if journal.cause is None:
        return head
    head.append(f": {journal.refused_at} said {journal.cause['code']}", style="dim")
    return head


def _orders_table(outcome: Outcome) -> Table:
    table = Table(box=None, header_style="dim", pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("order", no_wrap=True)
    table.add_column("outcome", no_wrap=True)
    table.add_column("servers", justify="center")
    table.add_column("refused at", no_wrap=True)
    table.add_column("undone, last step first")
    for order in outcome.orders:
        journal = outcome.journals.get(order.saga_id, Journal(order.saga_id))
        table.add_row(
            order.order_id,
            status_text(journal.status),
            str(len(journal.executors)),
            journal.refused_at or "",
            " ".join(journal.compensations),
        )
    return table


def _check_lines(check: Check) -> Text:
    if check.ok:
        return Text.assemble(("✓ ", "green"), check.name, (f"  {check.figure}", "dim"))
    lines = [f"✗ {check.name}", *(f"    {fault}" for fault in check.faults[:FAULTS_MAX])]
    if len(check.faults) > FAULTS_MAX:
        lines.append(f"    and {len(check.faults) - FAULTS_MAX} more")
    return Text("\n".join(lines), style="bold red")


def _order_document(order: Order, journal: Journal | None) -> Json:
    journal = journal or Journal(order.saga_id)
    return {
        "order_id": order.order_id,
        "saga_id": order.saga_id,
        "which": order.fate.words,
        "status": journal.status,
        "refused_at": journal.refused_at,
        "error": journal.cause,
        "compensations": journal.compensations,
        "processes": len(journal.executors),
    }
