"""The figures of one measurement, as a document and as a chart."""

import html
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from typing import Any, Final

from app.bench.measure import Rate
from app.bench.recovery import Recovery
from app.bench.saga import COMMANDS

WIDTH: Final = 640
ROW: Final = 30
LABEL: Final = 200
STYLE: Final = (
    "text{font:13px system-ui,sans-serif;fill:#1f2933}.h{font-weight:600}.m{fill:#616e7c}"
    "rect{fill:#2f6f9f}@media(prefers-color-scheme:dark){text{fill:#e4e7eb}.m{fill:#9aa5b1}}"
)


@dataclass(frozen=True, slots=True)
class Report:
    """All that was measured; None for what was left out."""

    seconds: float
    postgres: str
    sagas: Sequence[Rate] = field(default_factory=list)
    appends: Sequence[Rate] = field(default_factory=list)
    projection_events_per_second: float | None = None
    recovery: Recovery | None = None

    def document(self) -> dict[str, Any]:
        """For programs. Rates are per second."""
        return {
            "machine": machine(self.postgres),
            "seconds": self.seconds,
            "sagas": [
                {**rounded(rate), "steps_per_second": round(rate.per_second * COMMANDS, 1)}
                for rate in self.sagas
            ],
            "appends": [rounded(rate) for rate in self.appends],
            "projection_events_per_second": self.projection_events_per_second
            and round(self.projection_events_per_second),
            "recovery": self.recovery
            and {name: round(value, 2) for name, value in asdict(self.recovery).items()},
        }


def rounded(rate: Rate) -> dict[str, Any]:
    return {name: round(value, 1) for name, value in asdict(rate).items()}


def machine(postgres: str) -> dict[str, Any]:
    """What the figures hold for."""
    return {
        "processors": os.cpu_count(),
        "load": round(os.getloadavg()[0], 1),
        "system": platform.system(),
        "architecture": platform.machine(),
        "python": platform.python_version(),
        "postgres": postgres,
        "saga-orchestrator": version("saga-orchestrator"),
        "dbos": version("dbos"),
    }


def chart(report: Report) -> str:
    """Sagas a second by the number of clients, as SVG, with the latencies beside the bars."""
    most = max(rate.per_second for rate in report.sagas)
    rows = [_bar(number, rate, most) for number, rate in enumerate(report.sagas)]
    height = ROW * (len(rows) + 2)
    title = f"Sagas of {COMMANDS} commands a second"
    below = f"{os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}, Postgres {report.postgres}"
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img">',
            f"<title>{html.escape(title)}</title><style>{STYLE}</style>",
            f'<text class="h" x="8" y="20">{html.escape(title)}</text>',
            *rows,
            f'<text class="m" x="8" y="{height - 10}">{html.escape(below)}</text>',
            "</svg>",
            "",
        ]
    )


def _bar(number: int, rate: Rate, most: float) -> str:
    y = ROW * (number + 1) + 4
    width = max(1.0, (WIDTH - LABEL - 230) * rate.per_second / most)
    clients = f"{rate.clients} client" + ("s" if rate.clients > 1 else "")
    figures = f"{rate.per_second:.0f}/s  p50 {rate.p50_ms:.0f} ms, p99 {rate.p99_ms:.0f} ms"
    return (
        f'<text x="8" y="{y + 15}">{clients}</text>'
        f'<rect x="{LABEL - 80}" y="{y}" width="{width:.0f}" height="{ROW - 10}" rx="3"/>'
        f'<text class="m" x="{LABEL - 70 + width:.0f}" y="{y + 15}">{figures}</text>'
    )
