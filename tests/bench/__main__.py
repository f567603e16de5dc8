"""python -m tests.bench: all figures of this machine, into bench.json. Some six minutes.

saga bench              our own figures, on a database of its own
tests.bench.compare     the same saga on other engines, and the floor, round by round in turn
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

from tests.bench.compare.__main__ import compare, ratios

FILE: Final = Path("bench.json")
CLIENTS: Final = (1, 16)


def own_figures(seconds: float) -> dict[str, Any]:
    """What `saga bench --json` prints."""
    command = [sys.executable, "-m", "app.cli.main", "bench", "--json", f"--seconds={seconds}"]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def document(seconds: float, rounds: int) -> dict[str, Any]:
    """The shape that outside programs rely on: machine, figures, ratios."""
    own = own_figures(seconds)
    beside = compare(CLIENTS, seconds, rounds)
    machine = own.pop("machine")
    alone = beside["1"]
    latency = {
        f"p50_over_{name}_at_1_client": round(alone["ours"]["p50_ms"] / figures["p50_ms"], 3)
        for name, figures in alone.items()
        if name != "ours" and figures is not None
    }
    return {
        "machine": machine,
        "figures": {"saga_bench": own, "compare": beside},
        "ratios": ratios(beside, CLIENTS[-1]) | latency,
    }


def main() -> int:
    parser = argparse.ArgumentParser(description="All figures of this machine, into bench.json")
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    found = document(asked.seconds, asked.rounds)
    FILE.write_text(json.dumps(found, indent=2) + "\n")
    for name, ratio in found["ratios"].items():
        print(f"{name}: {ratio}")
    print(f"written to {FILE}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
