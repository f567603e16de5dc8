"""python -m tests.bench.table [--write]: bench.json as Markdown; --write puts it into docs/performance.md."""

import json
import sys
from pathlib import Path
from typing import Any, Final

BEGIN: Final = "<!-- figures: make bench, then python -m tests.bench.table --write -->"
END: Final = "<!-- end of the figures -->"
PAGE: Final = Path("docs/performance.md")

NAMES: Final = {
    "ours": "saga-orchestrator",
    "dbos_steps": "DBOS, durable steps",
    "dbos_datasource": "DBOS, datasource transactions",
    "absurd": "Absurd",
    "restate": "Restate",
}


def tables(document: dict[str, Any]) -> str:
    """The figures of one run of `make bench`."""
    machine, own = document["machine"], document["figures"]["saga_bench"]
    compared, ratios = document["figures"]["compare"], document["ratios"]
    lines = [
        f"{machine['processors']} processors (load {machine['load']} when it began), "
        f"Python {machine['python']}, Postgres {machine['postgres']}, DBOS {machine['dbos']}, fsync on.",
        "",
        "| clients | sagas/s | steps/s | p50 ms | p99 ms |",
        "|---:|---:|---:|---:|---:|",
        *(
            f"| {each['clients']} | {each['per_second']} | {each['steps_per_second']} | {each['p50_ms']} "
            f"| {each['p99_ms']} |"
            for each in own["sagas"]
        ),
        "",
        "| the same five steps on | clients | sagas/s (least, most) | p50 ms |",
        "|---|---:|---:|---:|",
    ]
    for clients, contestants in compared.items():
        if clients != "floor":
            for name, found in contestants.items():
                figures = (
                    "not installed | "
                    if found is None
                    else f"{found['per_second']} ({found['least']}, {found['most']}) | {found['p50_ms']}"
                )
                lines.append(f"| {NAMES[name]} | {clients} | {figures} |")
    lines += ["", "| ratio | |", "|---|---:|"]
    lines += [f"| `{name}` | {'' if ratio is None else ratio} |" for name, ratio in ratios.items()]
    recovery = own["recovery"]
    lines += [
        "",
        *(
            f"- appends of one event, {each['clients']} writers: {each['per_second']}/s"
            for each in own["appends"]
        ),
        f"- a read model is built anew at {own['projection_events_per_second']} events/s",
        f"- killed with {recovery['sagas']} sagas under way: the new process is ready after "
        f"{recovery['ready_seconds']} s, the first of them moves after "
        f"{recovery['first_step_seconds']} s, all have ended after {recovery['all_done_seconds']} s",
    ]
    return "\n".join(lines)


def main() -> int:
    found = tables(json.loads(Path("bench.json").read_text()))
    if "--write" not in sys.argv[1:]:
        print(found)
        return 0
    before, rest = PAGE.read_text().split(BEGIN)
    PAGE.write_text(f"{before}{BEGIN}\n{found}\n{END}{rest.split(END)[1]}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
