"""Spoiled inputs of every kind: ``python -m tests.fuzz --cases 1000``, or ``--case 17`` again."""

import argparse
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from tests.fuzz.run import FAILED, counted, once, outcomes, prepared


def main():
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--first", type=int, default=0, metavar="N")
    parser.add_argument("--cases", type=int, default=300, metavar="N")
    parser.add_argument("--case", type=int, metavar="N", help="run one case and show all of it")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="escalate-stock-") as name:
        folder = Path(name)
        prepared(folder)
        if given.case is not None:
            found = [once(given.case, folder, verbose=True)]
            print(found[0])
        else:
            found = watched(range(given.first, given.first + given.cases), folder)
    return any(each.verdict in FAILED for each in found)


def watched(numbers, folder):
    """Run cases, print those that fail, and at the end how many came to what."""
    begun, found = time.monotonic(), []
    for outcome in outcomes(numbers, folder):
        found.append(outcome)
        if outcome.verdict in FAILED:
            print(outcome, flush=True)
    for kind, row in counted(found).items():
        print(f"{kind:<14}", ", ".join(f"{count} {word}" for word, count in row.items() if count))
    total = Counter(each.verdict for each in found)
    print(f"{len(found)} cases in {time.monotonic() - begun:.0f} s:", dict(total))
    return found


if __name__ == "__main__":
    sys.exit(main())
