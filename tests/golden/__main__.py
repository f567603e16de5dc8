"""python -m tests.golden    freeze what the code stores now; to be reviewed like code (make golden)."""

import json
import sys

from tests.golden.durable import FILE, differences, freeze, frozen, of_this_code


def main() -> None:
    before, now = frozen(), of_this_code()
    for difference in differences(before, now):
        sys.stdout.write(f"{difference}\n")
    FILE.write_text(json.dumps(freeze(before, now), indent=1, sort_keys=True) + "\n")
    sys.stdout.write(f"{FILE.name} is written: review the difference\n")


if __name__ == "__main__":
    main()
