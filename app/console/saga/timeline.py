"""The timeline of a saga as it is drawn: bars in lanes, compressed gaps, the way back along the steps.

All places are in percent of the width, so that the drawing fits any window without its text being scaled.
To the right of now is what is to come: the compensations that still have to run, in their order, or the steps
that are expected.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Final, Literal

from app.console.filters import duration
from app.console.saga.axis import Axis, axis_of
from app.console.saga.segments import Course, Lane, Outcome, Segment, SegmentKind

LANES_MAX: Final = 100
"""So many steps are drawn, the last ones of the program."""
TO_COME_WIDTH: Final = 5.0
TO_COME_WIDTH_MAX: Final = 30.0
WIDTH_MIN: Final = 0.7
"""In percent: a step that took no time must be seen."""
TICK_DISTANCE_MIN: Final = 12.0
MARKS_MAX: Final = 20
MARK_DISTANCE_MIN: Final = 8.0
MARK_LEVELS: Final = 4
"""Marks that would lie on each other are drawn above each other."""


ToCome = Literal["planned", "expected"]
BarKind = SegmentKind | ToCome
BarOutcome = Outcome | ToCome


@dataclass(frozen=True, slots=True)
class Bar:
    """A stretch of a step. `ends` is None of one that goes on, `begins` and `ends` of one to come: a planned
    compensation or an expected step."""

    kind: BarKind
    outcome: BarOutcome
    left: float
    width: float
    begins: datetime | None = None
    ends: datetime | None = None
    attempt: int = 0
    detail: str = ""

    @property
    def lasted(self) -> str:
        """How long it took; empty while it goes on."""
        if self.begins is None or self.ends is None:
            return ""
        return duration(self.ends - self.begins)

    @property
    def says(self) -> str:
        """What it is, in words."""
        return _KINDS[self.kind] + (f" {self.attempt}" if self.attempt else "")

    @property
    def came_to(self) -> str:
        return _OUTCOMES[self.outcome]


@dataclass(frozen=True, slots=True)
class DrawnLane:
    """A step. `depth` counts the gathers around it; `shade` alternates between branches beside each other."""

    step: str
    name: str
    kind: str
    depth: int
    shade: bool
    bars: tuple[Bar, ...]

    @property
    def expected(self) -> bool:
        """Whether it has not begun."""
        return bool(self.bars) and self.bars[0].kind == "expected"


@dataclass(frozen=True, slots=True)
class Gap:
    """A stretch that is drawn shorter than it was."""

    left: float
    width: float
    length: str


@dataclass(frozen=True, slots=True)
class Tick:
    """A place on the axis with what is written there."""

    left: float
    label: str


@dataclass(frozen=True, slots=True)
class Mark:
    """An instant of the whole saga: drawn as its number at a height of `level`, told below the drawing."""

    left: float
    at: datetime
    words: str
    level: int


@dataclass(frozen=True, slots=True)
class Way:
    """From the end of one compensation to the begin of the next one; lanes count from 0."""

    left: float
    lane: int
    to_left: float
    to_lane: int
    planned: bool


@dataclass(frozen=True, slots=True)
class Timeline:
    """The drawing. `now` is where what was done ends, of a saga that has not; `left_out` counts steps."""

    lanes: tuple[DrawnLane, ...]
    gaps: tuple[Gap, ...]
    ticks: tuple[Tick, ...]
    marks: tuple[Mark, ...]
    ways: tuple[Way, ...]
    now: float | None
    left_out: int
    lasted: str

    @property
    def levels(self) -> int:
        """How many rows of marks there are."""
        return max((mark.level + 1 for mark in self.marks), default=0)


def timeline_of(
    course: Course,
    planned: Sequence[str] = (),
    now: datetime | None = None,
    expected: Sequence[Lane] = (),
) -> Timeline | None:
    """The drawing of a course; None of one without entries. `planned` are the steps that are to be undone
    yet, in that order, `expected` those that have not begun; `now` is the present of a saga that has not
    ended, None of one that has."""
    if course.began is None or course.latest is None:
        return None
    end = max(now, course.latest) if now else course.latest
    lanes = course.in_order()
    # A saga that went back to a step takes it anew, in its lane.
    new = [lane for lane in expected if lane.step not in course.lanes]
    shown = sorted([*lanes[-LANES_MAX:], *new], key=lambda lane: lane.order)
    places = {lane.step: number for number, lane in enumerate(shown)}
    to_come: list[tuple[str, ToCome]] = [(step, "planned") for step in planned if step in places]
    to_come += [(lane.step, "expected") for lane in expected if lane.step in places]
    drawing = _Drawing(_axis(course, end, 100.0 - _width_to_come(len(to_come))), end, places)
    bars = {step: drawing.to_come(kind, number, len(to_come)) for number, (step, kind) in enumerate(to_come)}
    return Timeline(
        lanes=tuple(drawing.lanes(shown, bars)),
        gaps=tuple(Gap(gap.left, gap.right - gap.left, duration(gap.seconds)) for gap in drawing.axis.gaps),
        ticks=tuple(drawing.ticks(course.began)),
        marks=tuple(drawing.marks(course)),
        ways=tuple(drawing.ways(course, bars)),
        now=drawing.axis.at(end) if now else None,
        left_out=max(len(lanes) - LANES_MAX, 0),
        lasted=duration(end - course.began),
    )


def _width_to_come(count: int) -> float:
    return min(TO_COME_WIDTH * count, TO_COME_WIDTH_MAX)


def _axis(course: Course, end: datetime, width: float) -> Axis:
    instants, busy = [course.began or end, end], []
    for lane in course.lanes.values():
        for segment in lane.segments:
            instants += [segment.begins, segment.ends or end]
            if segment.busy:
                busy.append((segment.begins, segment.ends or end))
    instants += [marker.at for marker in course.markers]
    return axis_of(instants, busy, width)


@dataclass(frozen=True, slots=True)
class _Drawing:
    """Puts things to their places. `end` is where what goes on is cut, `places` the lane of each step."""

    axis: Axis
    end: datetime
    places: dict[str, int]

    def lanes(self, shown: Sequence[Lane], to_come: dict[str, Bar]) -> Iterator[DrawnLane]:
        shade, branch = False, ""
        for lane in shown:
            shade, branch = shade != (lane.branch != branch), lane.branch
            bars = [self.bar(segment) for segment in lane.segments]
            if lane.step in to_come:
                bars.append(to_come[lane.step])
            yield DrawnLane(lane.step, lane.name, lane.kind, lane.step.count("."), shade, tuple(bars))

    def bar(self, segment: Segment) -> Bar:
        left, right = self.axis.at(segment.begins), self.axis.at(segment.ends or self.end)
        width = max(right - left, WIDTH_MIN)
        return Bar(
            segment.kind,
            segment.outcome,
            min(left, 100.0 - width),
            width,
            segment.begins,
            segment.ends,
            segment.attempt,
            segment.detail,
        )

    def to_come(self, kind: ToCome, number: int, count: int) -> Bar:
        width = _width_to_come(count) / count
        left = 100.0 - width * (count - number)
        return Bar(kind, kind, left + width * 0.15, width * 0.7)

    def ticks(self, began: datetime) -> Iterator[Tick]:
        """The time since the begin, where a stretch to scale begins, and at the end of all."""
        end, last = self.axis.at(self.end), 0.0  # where 0 is written
        for piece in self.axis.pieces:
            far = last + TICK_DISTANCE_MIN <= piece.left <= end - TICK_DISTANCE_MIN
            if far and not piece.compressed and piece.begins > began:
                last = piece.left
                yield Tick(piece.left, f"+{duration(piece.begins - began)}")
        yield Tick(end, f"+{duration(self.end - began)}")

    def marks(self, course: Course) -> Iterator[Mark]:
        """The last ones. What happened at one instant is told in one place."""
        words: dict[datetime, list[str]] = {}
        for marker in course.markers:
            words.setdefault(marker.at, []).append(marker.word)
        last, level = -MARK_DISTANCE_MIN, 0
        for at, said in list(words.items())[-MARKS_MAX:]:
            left = self.axis.at(at)
            level = (level + 1) % MARK_LEVELS if left < last + MARK_DISTANCE_MIN else 0
            last = left
            yield Mark(left, at, ", ".join(dict.fromkeys(said)), level)

    def ways(self, course: Course, to_come: dict[str, Bar]) -> Iterator[Way]:
        """Along the compensations, in the order that they ran and will run."""
        ran = [
            (each.step, self.bar(each.segment), False) for each in course.undone if each.step in self.places
        ]
        planned = [(step, bar, True) for step, bar in to_come.items() if bar.kind == "planned"]
        stops = [*ran, *planned]
        for (step, bar, _), (other, following, to_run) in pairwise(stops):
            if step != other:
                yield Way(bar.left + bar.width, self.places[step], following.left, self.places[other], to_run)


_KINDS: Final[dict[BarKind, str]] = {
    "act": "act",
    "attempt": "attempt",
    "pause": "pause before the next attempt",
    "wait": "wait",
    "child": "child saga",
    "undo": "compensation",
    "undo-pause": "pause before the compensation is tried again",
    "planned": "compensation to come",
    "expected": "step to come",
}
_OUTCOMES: Final[dict[BarOutcome, str]] = {
    "open": "goes on",
    "succeeded": "succeeded",
    "rejected": "refused",
    "failed": "failed",
    "lost": "cut off, outcome unknown",
    "skipped": "left out",
    "timed-out": "time was up",
    "over": "over",
    "planned": "planned",
    "expected": "expected",
}
