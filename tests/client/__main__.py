"""python -m tests.client    write app/client/models.py (make client)."""

import sys

from tests.client.generating import MODELS, generated


def main() -> None:
    MODELS.write_text(generated())
    sys.stdout.write(f"{MODELS.name} is written\n")


if __name__ == "__main__":
    main()
