"""What a reader types, run against a server."""

import os
import shlex
import subprocess
import sys
from pathlib import Path

from tests.acceptance.server import ROOT, command


def typed_into_a_shell(
    script: str, url: str, seconds: float = 60, folder: Path = ROOT, **settings: str
) -> str:
    """What it prints, with the address of this server in it. It must succeed, within `seconds`."""
    script = script.replace("localhost:8000", url.removeprefix("http://"))
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script.replace(".venv/bin/saga", shlex.join(command()))],
        cwd=folder,
        env={**os.environ, "PATH": path, "SAGA_URL": url, **settings},
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
