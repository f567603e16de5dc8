"""The style of a clone: its formatter."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

FORMAT_SECONDS_MAX: Final = 60
_STEPS: Final = (("check", "--fix-only", "--select", "I", "--quiet"), ("format", "--quiet"))


def format_files(clone: Path, files: Sequence[str]) -> None:
    """What `make fmt` does, to these files alone: imports have their order, lines their length.

    The files must be there: which imports are the clone's own is seen by that. Where there is no ruff they
    stay as they are, and `make fmt` is for later.
    """
    for step in _STEPS:
        subprocess.run(
            [sys.executable, "-m", "ruff", *step, *files],
            cwd=clone,
            capture_output=True,
            timeout=FORMAT_SECONDS_MAX,
            check=False,
        )
