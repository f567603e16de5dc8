"""Where an instant is drawn: to scale, but for long stretches in which nothing was done.

Those are drawn in one short width each, whatever their length, so that what was done stays visible beside a
wait of days.
"""

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Final

GAP_SHARE: Final = 0.2
"""A stretch is compressed when it is longer than this share of what is drawn to scale, itself included."""
GAP_SECONDS_MIN: Final = 1.0
GAP_WIDTH: Final = 7.0
GAPS_WIDTH_MAX: Final = 50.0
"""In percent of the whole: one gap, and all of them together."""

Span = tuple[datetime, datetime]


@dataclass(frozen=True, slots=True)
class Piece:
    """From `begins` to `ends` the axis goes evenly from `left` to `right`, in percent."""

    begins: datetime
    ends: datetime
    left: float
    right: float
    compressed: bool

    @property
    def seconds(self) -> float:
        return (self.ends - self.begins).total_seconds()


@dataclass(frozen=True, slots=True)
class Axis:
    """Maps instants to percent of the width; what is outside is drawn at the edge."""

    pieces: tuple[Piece, ...]

    def at(self, instant: datetime) -> float:
        number = bisect_right(self.pieces, instant, key=lambda piece: piece.begins) - 1
        if number < 0:
            return self.pieces[0].left
        piece = self.pieces[number]
        if instant >= piece.ends or piece.seconds == 0:
            return piece.right if instant >= piece.ends else piece.left
        share = (instant - piece.begins).total_seconds() / piece.seconds
        return piece.left + share * (piece.right - piece.left)

    @property
    def gaps(self) -> list[Piece]:
        return [piece for piece in self.pieces if piece.compressed]


def axis_of(instants: Iterable[datetime], busy: Iterable[Span], width: float = 100.0) -> Axis:
    """The axis over these instants, of which there is one at least; nothing busy is compressed."""
    points = sorted(set(instants))
    if len(points) == 1:
        return Axis((Piece(points[0], points[0], 0.0, 0.0, compressed=False),))
    spans = list(pairwise(points))
    gaps = _compressed(spans, _idle(spans, sorted(busy)))
    return Axis(tuple(_laid_out(spans, gaps, width)))


def _idle(spans: list[Span], busy: list[Span]) -> list[Span]:
    """The spans in which nothing is done. Both lists are in order."""
    idle, reached, following = [], datetime.min.replace(tzinfo=spans[0][0].tzinfo), 0
    for begins, ends in spans:
        while following < len(busy) and busy[following][0] < ends:
            reached = max(reached, busy[following][1])
            following += 1
        if reached <= begins:
            idle.append((begins, ends))
    return idle


def _compressed(spans: list[Span], idle: list[Span]) -> frozenset[Span]:
    """The longest first: what is left to scale gets shorter by each, and the next may stand out as well."""
    to_scale = sum(_seconds(span) for span in spans)
    found = set()
    for span in sorted(idle, key=_seconds, reverse=True):
        seconds = _seconds(span)
        if seconds < GAP_SECONDS_MIN or seconds <= GAP_SHARE * to_scale:
            break
        found.add(span)
        to_scale -= seconds
    return frozenset(found)


def _laid_out(spans: list[Span], gaps: frozenset[Span], width: float) -> Iterable[Piece]:
    to_scale = sum(_seconds(span) for span in spans if span not in gaps)
    room = width * GAPS_WIDTH_MAX / 100 if to_scale else width
    gap_width = min(width * GAP_WIDTH / 100 if to_scale else width, room / len(gaps)) if gaps else 0.0
    rest, left = width - gap_width * len(gaps), 0.0
    for span in spans:
        right = left + (gap_width if span in gaps else rest * _seconds(span) / to_scale)
        yield Piece(*span, left, min(right, width), compressed=span in gaps)
        left = right


def _seconds(span: Span) -> float:
    return (span[1] - span[0]).total_seconds()
