"""What a reader types, run against a server."""

import os
import shlex
import subprocess

from tests.acceptance.server import ROOT, command


def typed_into_a_shell(script: str, url: str, seconds: float = 60) -> str:
    """What it prints, with the address of this server in it. It must succeed, within `seconds`."""
    script = script.replace("localhost:8000", url.removeprefix("http://"))
    done = subprocess.run(
        ["bash", "-euc", script.replace(".venv/bin/saga", shlex.join(command()))],
        cwd=ROOT,
        env={**os.environ, "SAGA_URL": url},
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
