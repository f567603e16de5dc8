"""A schedule that fails, made smaller: with less of everything the same seed is another schedule, so each
smaller size is tried with some seeds, and the smallest failure is kept."""

from collections.abc import Callable
from dataclasses import fields, replace

from tests.simulation.schedule import Figures, Size, run

TRIES = 40

Run = Callable[[int, Size], Figures]


def shrink(seed: int, size: Size, run: Run = run) -> tuple[int, Size, Figures]:
    """The smallest schedule found that breaks a rule of the same kind."""
    found = run(seed, size)
    smaller = True
    while smaller:
        smaller = False
        for field in fields(Size):
            amount = getattr(size, field.name)
            if amount > (1 if field.name in ("sagas", "actions") else 0):
                less = replace(size, **{field.name: amount - 1})
                hit = _first_failure(seed, less, _kind(found), run)
                if hit is not None:
                    (seed, found), size, smaller = hit, less, True
    return seed, size, found


def _first_failure(seed: int, size: Size, kind: str, run: Run) -> tuple[int, Figures] | None:
    for candidate in (seed, *range(1_000_000, 1_000_000 + TRIES)):
        figures = run(candidate, size)
        if figures.violations and _kind(figures) == kind:
            return candidate, figures
    return None


def _kind(figures: Figures) -> str:
    """The rule without the names: its words without digits."""
    return " ".join(word for word in figures.violations[0].split() if word.isalpha())
