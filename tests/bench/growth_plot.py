"""python -m tests.bench.growth_plot: draw docs/images/growth.svg from the recorded numbers, growth.json.

Each figure against what it is at the smallest size: a flat line means that it does not grow with the log.
"""

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final
from xml.sax.saxutils import escape

from tests.docs.pages import ROOT

RECORDED: Final = Path(__file__).with_name("growth.json")
DRAWING: Final = ROOT / "docs/images/growth.svg"

WIDTH, HEIGHT = 760, 400
LEFT, RIGHT, TOP, BOTTOM = 60, 500, 56, 340
"""The sides of the field; the names of the lines are to the right of it."""
MOST = 3.0
"""The top of the field: times the smallest size."""
LINES: Final = (
    # name, number, whether it is a rate, of which run: see docs/growth.md
    ("a step", "step", False, "quiet"),
    ("append of one event", "append of one event", False, "quiet"),
    ("load an aggregate", "load an aggregate", False, "quiet"),
    ("page of GET /sagas", "page of the list, 50", False, "quiet"),
    ("page of GET /events", "page of all events, 1,000", False, "quiet"),
    ("read model, an event", "projection catches up", True, "busy"),
)
COLOURS: Final = ("#0b7a75", "#c2571a", "#7048b6", "#1f6fd0", "#b02a55", "#7a7300")
HEAD: Final = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}"
 role="img" aria-labelledby="title text">
<title id="title">Cost as the log grows</title>
<desc id="text">{text}</desc>
<style>
svg {{ --paper: #ffffff; --ink: #1b1f24; --soft: #57606a; --line: #d0d7de; }}
@media (prefers-color-scheme: dark) {{
svg {{ --paper: #14171c; --ink: #e6e9ee; --soft: #a5aeba; --line: #39414b; }}
.drawn {{ filter: brightness(1.6); }} }}
text {{ font: 12px system-ui, "Segoe UI", Roboto, Helvetica, Arial, sans-serif; fill: var(--soft); }}
.name {{ font-size: 14px; font-weight: 650; fill: var(--ink); }}
.paper {{ fill: var(--paper); stroke: var(--line); }}
.grid {{ stroke: var(--line); }}
.drawn path {{ fill: none; stroke-width: 2; }}
</style>
<rect class="paper" x="0.5" y="0.5" width="{right}" height="{bottom}" rx="10"/>
"""

Numbers = Sequence[dict[str, Any]]
"""Of one run: a dictionary for each size."""


def ratios(numbers: Numbers, name: str, rate: bool) -> list[float]:
    """What it costs at each size, times what it costs at the smallest."""
    values = [each[name] for each in numbers]
    return [values[0] / value if rate else value / values[0] for value in values]


def drawing(runs: dict[str, Numbers]) -> str:
    """The SVG."""
    sizes = [each["events"] for each in runs["quiet"]]
    costs = {label: ratios(runs[run], name, rate) for label, name, rate, run in LINES}
    said = "; ".join(f"{label}: {cost[-1]:.1f} times at the largest size" for label, cost in costs.items())
    head = HEAD.format(width=WIDTH, height=HEIGHT, right=WIDTH - 1, bottom=HEIGHT - 1, text=escape(said))
    return "".join([head, *_grid(sizes), *_lines(sizes, costs), "</svg>\n"])


def _x(sizes: Sequence[int], size: int) -> float:
    first, last = math.log10(sizes[0]), math.log10(sizes[-1])
    return LEFT + (RIGHT - LEFT) * (math.log10(size) - first) / (last - first)


def _y(cost: float) -> float:
    return BOTTOM - (BOTTOM - TOP) * min(cost, MOST) / MOST


def _grid(sizes: Sequence[int]) -> list[str]:
    parts = [f'<text class="name" x="{LEFT - 36}" y="30">Cost, against ten thousand events</text>\n']
    for step in range(int(MOST) * 2 + 1):
        y = _y(step / 2)
        parts.append(f'<path class="grid" d="M{LEFT} {y:.1f}H{RIGHT}"/>')
        parts.append(f'<text x="{LEFT - 10}" y="{y + 4:.1f}" text-anchor="end">{step / 2:g}</text>\n')
    for size in sizes:
        x = _x(sizes, size)
        parts.append(f'<path class="grid" d="M{x:.1f} {TOP}V{BOTTOM}"/>')
        parts.append(f'<text x="{x:.1f}" y="{BOTTOM + 20}" text-anchor="middle">{_words(size)}</text>\n')
    parts.append(
        f'<text x="{(LEFT + RIGHT) / 2}" y="{BOTTOM + 42}" text-anchor="middle">events in the log</text>\n'
    )
    return parts


def _words(size: int) -> str:
    return f"{size / 1e6:.0f} million" if size >= 900_000 else f"{size / 1e3:.0f},000"


def _lines(sizes: Sequence[int], costs: dict[str, list[float]]) -> list[str]:
    labels = _apart(
        sorted(costs, key=lambda label: costs[label][-1]), {k: _y(v[-1]) for k, v in costs.items()}
    )
    parts = ['<g class="drawn">\n']
    for colour, (label, cost) in zip(COLOURS, costs.items(), strict=True):
        way = "L".join(f"{_x(sizes, size):.1f} {_y(one):.1f}" for size, one in zip(sizes, cost, strict=True))
        end, name = _y(cost[-1]), labels[label]
        parts.append(f'<path d="M{way}" stroke="{colour}"/>')
        parts.append(f'<path d="M{RIGHT + 3} {end:.1f}L{RIGHT + 14} {name:.1f}" stroke="{colour}"/>')
        parts.append(f'<text x="{RIGHT + 18}" y="{name + 4:.1f}" style="fill:{colour}">')
        parts.append(f"{escape(label)}: {cost[-1]:.1f} times</text>\n")
    return [*parts, "</g>\n"]


def _apart(upwards: list[str], wanted: dict[str, float]) -> dict[str, float]:
    """Places for the names beside the ends of their lines, none on another."""
    places: dict[str, float] = {}
    below = math.inf
    for label in upwards:
        below = places[label] = min(wanted[label], below - 17)
    return places


if __name__ == "__main__":
    DRAWING.write_text(drawing(json.loads(RECORDED.read_text())))
