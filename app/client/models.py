"""What the server takes and answers, as its OpenAPI document says. Generated: make client."""

from __future__ import annotations

from typing import Any, Literal, NotRequired, TypeAlias

from typing_extensions import TypedDict


class AccountRow(TypedDict):
    account_id: str
    currency: str
    balance: int
    held: int
    available: int
    movement_count: int
    opened_at: str
    updated_at: str
    position: int


class Address(TypedDict):
    name: str
    country: str


class AggregateView(TypedDict):
    stream: str
    version: int
    position: int
    recorded_at: str
    state: dict[str, Any]


class AnchorView(TypedDict):
    format: str
    block: int
    position: int
    hash: str
    sealed_at: str


class BulkOutcome(TypedDict):
    saga_id: str
    name: str
    status: Literal[
        "queued", "running", "waiting", "compensating", "stuck", "completed", "compensated", "abandoned"
    ]
    journal_version: NotRequired[int | None]
    outcome: Literal["would-act", "acted", "nothing-to-do", "refused", "failed", "unknown"]
    code: NotRequired[str | None]
    detail: NotRequired[str | None]


class Cause(TypedDict):
    code: str
    detail: str
    step: NotRequired[str | None]
    data: NotRequired[dict[str, Any]]


class ChangedView(TypedDict):
    stream: str
    version_then: int | None
    version_now: int
    changed: bool
    events_since: list[str]


class ChildView(TypedDict):
    saga_id: str
    step: str
    link: str


class CompensationView(TypedDict):
    name: str
    status: Literal["pending", "compensating", "compensated", "failed", "skipped"]
    attempts: int
    error: str | None
    retry_at: str | None


class DestroyedKey(TypedDict):
    key_id: str
    created_at: str


class DifferingRow(TypedDict):
    key: list[Any]
    columns: dict[str, list[Any]]


class EventView(TypedDict):
    position: int
    stream: str
    version: int
    event_id: str
    type: str
    schema_version: int
    data: dict[str, Any]
    metadata: dict[str, Any]
    recorded_at: str


class FieldChange(TypedDict):
    op: Literal["add", "remove", "replace"]
    path: str
    old: NotRequired[Any]
    new: NotRequired[Any]


class FieldError(TypedDict):
    field: str
    message: str


class Forgotten(TypedDict):
    subject: str
    destroyed: list[DestroyedKey]
    event_id: str | None


class HeaderView(TypedDict):
    algorithm: int
    block: int
    first_position: int
    last_position: int
    records: int
    sealed_at: str
    previous: str
    root: str


class HoldRow(TypedDict):
    order_id: str
    amount: int
    held_at: str


class JournalPage(TypedDict):
    saga_id: str
    entries: list[EventView]
    next: int | None


class Lag(TypedDict):
    position: int
    of: int
    events: int
    seconds: float


class LeftView(TypedDict):
    step: str
    name: str


class LinkView(TypedDict):
    kind: Literal["event", "entry", "request", "missing", "cut"]
    says: str
    actor: str | None
    command_id: str | None
    saga_id: str | None
    step: str | None
    correlation_id: str | None
    event: EventView | None


class ListedExecutor(TypedDict):
    id: str
    number: int
    kind: Literal["server", "worker"]
    host: str | None
    pid: int
    since: str
    last_ping: str
    state: Literal["alive", "silent", "buried"]
    runs_in_flight: int
    slots: int | None


class Live(TypedDict):
    status: NotRequired[str]


class Money(TypedDict):
    amount: int
    currency: str


class MovementRow(TypedDict):
    position: int
    part: int
    version: int
    event_id: str
    kind: Literal["opened", "deposited", "withdrawn", "held", "released", "captured", "refunded"]
    amount: Money
    change: int
    balance: int
    held: int
    order_id: str | None
    reference: str | None
    saga_id: str | None
    step: str | None
    actor: str | None
    correlation_id: str | None
    recorded_at: str


class OrderLine(TypedDict):
    sku: str
    quantity: int
    unit_price: Money


class Parent(TypedDict):
    saga_id: str
    step: str


class Parked(TypedDict):
    position: int
    event_id: str
    type: str
    stream: str
    reason: str
    attempts: int
    since: str


class Problem(TypedDict):
    type: str
    title: str
    status: int
    code: str
    detail: str
    correlation_id: NotRequired[str | None]
    errors: NotRequired[list[FieldError] | None]


class ProvedEvent(TypedDict):
    position: int
    stream: str
    version: int
    event_id: str
    type: str
    schema_version: int
    recorded_at: str
    data: str
    metadata: str


class Ready(TypedDict):
    status: NotRequired[str]
    checks: dict[str, str]
    lagging: NotRequired[dict[str, str]]


class RequestView(TypedDict):
    actor: str
    reason: str
    to_step: str | None
    force: bool


class ReservationRow(TypedDict):
    order_id: str
    quantity: int
    reserved_at: str


class ReturnLine(TypedDict):
    sku: str
    quantity: int


class SiblingView(TypedDict):
    side: Literal["left", "right"]
    hash: str


Slot: TypeAlias = Literal["live", "staging", "previous"]


class SlotView(TypedDict):
    version: int
    state: Literal["following", "paused", "parked"]
    followed: bool
    lag: Lag
    parked: Parked | None
    began_at: str
    updated_at: str
    events_per_second: NotRequired[float | None]
    eta_seconds: NotRequired[float | None]


class Statement(TypedDict):
    account_id: str
    currency: str
    balance: int
    held: int
    available: int
    movement_count: int
    opened_at: str
    updated_at: str
    position: int
    movements: list[MovementRow]
    next: str | None


class StepView(TypedDict):
    step: str
    name: str
    kind: Literal["execute", "call", "receive", "sleep", "child"]
    status: Literal[
        "started", "succeeded", "rejected", "failed", "compensating", "compensated", "skipped", "in-doubt"
    ]
    stream: str | None
    versions: list[int]
    started_at: str
    ended_at: str | None
    attempts: int
    retry_at: str | None
    error: str | None
    result: Any
    saga_id: str | None
    compensation: CompensationView | None


class StockItemView(TypedDict):
    sku: str
    received: int
    on_hand: int
    reserved: int
    shipped: int
    reorder_level: int | None
    reorder_quantity: int | None
    goods_expected: bool
    running_low: bool
    updated_at: str
    position: int
    reservations: list[ReservationRow]
    next: str | None


class StockRow(TypedDict):
    sku: str
    received: int
    on_hand: int
    reserved: int
    shipped: int
    reorder_level: int | None
    reorder_quantity: int | None
    goods_expected: bool
    running_low: bool
    updated_at: str
    position: int


class StopsView(TypedDict):
    first: int
    previous: int | None
    next: int | None
    last: int


class StreamPage(TypedDict):
    events: list[EventView]
    next: int | None


class StuckRow(TypedDict):
    reason: Literal[
        "bug",
        "compensation-failed",
        "nondeterminism",
        "rejected-after-pivot",
        "no-progress",
        "undone-to-step",
    ]
    step: str | None
    error: str


class StuckView(TypedDict):
    reason: str
    error: str
    step: str | None
    traceback: str | None


class TableDifference(TypedDict):
    table: str
    rows_live: int
    rows_other: int
    compared: int
    only_live_count: int
    only_other_count: int
    differing_count: int
    only_live: list[list[Any]]
    only_other: list[list[Any]]
    differing: list[DifferingRow]
    columns_only_live: list[str]
    columns_only_other: list[str]


class TouchedView(TypedDict):
    stream: str
    category: str
    key: str
    version: int
    position: int | None
    recorded_at: str | None
    state: dict[str, Any] | None


class WaitView(TypedDict):
    until: str | None
    signals: list[str]
    children: list[str]


class WhyView(TypedDict):
    complete: bool
    links: list[LinkView]


class BatchItem(TypedDict):
    id: NotRequired[str | None]
    input: dict[str, Any]


class BatchRequest(TypedDict):
    sagas: list[BatchItem]


Id: TypeAlias = str


class BulkFilter(TypedDict):
    name: NotRequired[str | None]
    status: NotRequired[
        Literal[
            "queued", "running", "waiting", "compensating", "stuck", "completed", "compensated", "abandoned"
        ]
        | None
    ]
    attributes: NotRequired[dict[str, str]]
    correlation_id: NotRequired[str | None]
    parent: NotRequired[str | None]
    requested_after: NotRequired[str | None]
    requested_before: NotRequired[str | None]
    ids: NotRequired[list[Id]]


class SeenSaga(TypedDict):
    saga_id: str
    status: Literal[
        "queued", "running", "waiting", "compensating", "stuck", "completed", "compensated", "abandoned"
    ]
    journal_version: int


class BulkRequest(TypedDict):
    action: Literal["compensate", "retry", "resume", "skip", "abandon", "signal"]
    filter: BulkFilter
    reason: NotRequired[str | None]
    force: NotRequired[bool]
    signal: NotRequired[str | None]
    id: NotRequired[str | None]
    data: NotRequired[dict[str, Any]]
    seen: NotRequired[list[SeenSaga]]
    dry_run: NotRequired[bool]
    limit: NotRequired[int]
    after: NotRequired[str | None]


class CompensateRequest(TypedDict):
    reason: NotRequired[str | None]
    to_step: NotRequired[str | None]
    force: NotRequired[bool]
    preview: NotRequired[bool]


class ReasonRequest(TypedDict):
    reason: str


class SkipRequest(TypedDict):
    reason: str
    step: NotRequired[str | None]


class SignalRequest(TypedDict):
    id: NotRequired[str | None]
    data: NotRequired[dict[str, Any]]


class ForgetRequest(TypedDict):
    reason: str


class RetryRequest(TypedDict):
    reason: str
    of: NotRequired[Slot]


class SkipEventRequest(TypedDict):
    reason: str
    of: NotRequired[Slot]
    position: NotRequired[int | None]


class DecisionRequest(TypedDict):
    reason: str


class PromoteRequest(TypedDict):
    reason: str
    wait_seconds: NotRequired[float]


class ReturnRequest(TypedDict):
    reason: str
    wait_seconds: NotRequired[float]
    stale: NotRequired[bool]


class DiscardRequest(TypedDict):
    reason: str
    of: NotRequired[Literal["staging", "previous"]]


class AccountDetail(TypedDict):
    account_id: str
    currency: str
    balance: int
    held: int
    available: int
    movement_count: int
    opened_at: str
    updated_at: str
    position: int
    holds: list[HoldRow]
    next: str | None


class AccountPage(TypedDict):
    accounts: list[AccountRow]
    next: str | None


class AnchorPage(TypedDict):
    anchors: list[AnchorView]
    next: int | None


class BulkAnswer(TypedDict):
    dry_run: bool
    action: Literal["compensate", "retry", "resume", "skip", "abandon", "signal"]
    outcomes: list[BulkOutcome]
    next: str | None


class ChangeView(TypedDict):
    version: int
    position: int
    recorded_at: str
    event_id: str
    type: str
    data: dict[str, Any]
    actor: str | None
    correlation_id: str | None
    causation_id: str | None
    command_id: str | None
    saga_id: str | None
    step: str | None
    changes: list[FieldChange]
    state: dict[str, Any]


class CommandAnswer(TypedDict):
    stream: str
    version: int
    position: int
    events: list[EventView]


class Difference(TypedDict):
    name: str
    other: Slot
    same: bool
    full: bool
    position: int | None
    position_live: int
    position_other: int
    version_live: int
    version_other: int
    tables: list[TableDifference]
    tables_only_live: list[str]
    tables_only_other: list[str]


class EventPage(TypedDict):
    events: list[EventView]
    next: int


class ExecutorList(TypedDict):
    executors: list[ListedExecutor]


class FollowerView(TypedDict):
    name: str
    kind: Literal["projection", "subscription"]
    code_version: int | None
    needs_rebuild: bool
    live: SlotView
    staging: SlotView | None
    previous: SlotView | None


class ProofView(TypedDict):
    format: str
    event: ProvedEvent
    fields: list[str]
    path: list[SiblingView]
    blocks: list[HeaderView]


class Return(TypedDict):
    status: Literal["requested", "refused", "expired", "closed", "cancelled"]
    lines: list[ReturnLine]


class SagaRow(TypedDict):
    saga_id: str
    name: str
    version: int
    status: Literal[
        "queued", "running", "waiting", "compensating", "stuck", "completed", "compensated", "abandoned"
    ]
    correlation_id: str
    parent: str | None
    attributes: dict[str, str]
    requested_at: str
    updated_at: str
    ended_at: str | None
    stuck: StuckRow | None
    position: int


class SagaView(TypedDict):
    saga_id: str
    name: str
    version: int
    status: Literal[
        "queued", "running", "waiting", "compensating", "stuck", "completed", "compensated", "abandoned"
    ]
    input: dict[str, Any]
    result: Any
    error: Cause | None
    stuck: StuckView | None
    correlation_id: str
    requested_at: str
    updated_at: str
    ended_at: str | None
    resumes_at: str | None
    waits_for: WaitView | None
    parent: Parent | None
    attributes: dict[str, str]
    requested: RequestView | None
    left: list[LeftView]
    signals: list[str]
    journal_version: int
    position: int
    steps: list[StepView]
    links: dict[str, str]


class StartedSaga(TypedDict):
    saga_id: str
    name: str
    version: int
    status: Literal[
        "queued", "running", "waiting", "compensating", "stuck", "completed", "compensated", "abandoned"
    ]
    input: dict[str, Any]
    result: Any
    error: Cause | None
    stuck: StuckView | None
    correlation_id: str
    requested_at: str
    updated_at: str
    ended_at: str | None
    resumes_at: str | None
    waits_for: WaitView | None
    parent: Parent | None
    attributes: dict[str, str]
    requested: RequestView | None
    left: list[LeftView]
    signals: list[str]
    journal_version: int
    position: int
    steps: list[StepView]
    links: dict[str, str]
    created: bool


class StockPage(TypedDict):
    stock: list[StockRow]
    next: str | None


class BatchView(TypedDict):
    sagas: list[StartedSaga]


class ChangePage(TypedDict):
    stream: str
    changes: list[ChangeView]
    next: int | None


class FollowerPage(TypedDict):
    projections: list[FollowerView]


class OrderRow(TypedDict):
    order_id: str
    status: Literal["placed", "dispatched", "completed", "returned", "cancelled"]
    customer_id: str
    ship_to: Address
    lines: list[OrderLine]
    total: Money
    tracking: str | None
    returns: dict[str, Return]
    saga_ids: list[str]
    correlation_id: str | None
    placed_at: str
    updated_at: str
    position: int


class SagaPage(TypedDict):
    sagas: list[SagaRow]
    next: str | None


class SagaThenView(TypedDict):
    position: int
    changed_at: int
    saga: SagaView
    aggregates: list[TouchedView]
    all_touched: bool
    children: list[ChildView]
    positions: StopsView
    links: dict[str, str | None]


class OrderPage(TypedDict):
    orders: list[OrderRow]
    next: str | None


class PlannedView(TypedDict):
    step: str
    step_name: str
    kind: Literal["command", "call", "saga"]
    name: str
    data: dict[str, Any]
    aggregate: NotRequired[ChangedView | None]
    saga: NotRequired[PreviewView | None]
    problem: NotRequired[str | None]


class PreviewView(TypedDict):
    preview: NotRequired[Literal[True]]
    note: NotRequired[str]
    saga_id: str
    status: Literal[
        "queued", "running", "waiting", "compensating", "stuck", "completed", "compensated", "abandoned"
    ]
    journal_version: int
    to_step: str | None
    possible: bool
    blocked_by: list[str]
    commands: list[PlannedView]
    without_compensation: list[LeftView]
