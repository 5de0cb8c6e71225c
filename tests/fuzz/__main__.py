"""Spoiled inputs of every kind: ``python -m tests.fuzz --cases 1000``, or ``--case 17`` again."""

import argparse
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from tests.fuzz.run import FAILED, REFUSED, counted, once, outcomes, prepared


def main():
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--first", type=int, default=0, metavar="N")
    parser.add_argument("--cases", type=int, default=300, metavar="N")
    parser.add_argument("--case", type=int, metavar="N", help="run one case and show all of it")
    parser.add_argument("--unspoiled", action="store_true", help="good inputs, all accepted")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="escalate-stock-") as name:
        folder = Path(name)
        prepared(folder)
        if given.case is not None:
            found = [once(given.case, folder, True, not given.unspoiled)]
            print(found[0])
        else:
            numbers = range(given.first, given.first + given.cases)
            found = watched(numbers, folder, not given.unspoiled)
    wrong = (*FAILED, REFUSED) if given.unspoiled else FAILED
    return any(each.verdict in wrong for each in found)


def watched(numbers, folder, spoiled=True):
    """Run cases, print those that fail, and at the end how many came to what."""
    begun, found = time.monotonic(), []
    for outcome in outcomes(numbers, folder, spoiled):
        found.append(outcome)
        if outcome.verdict in FAILED or (not spoiled and outcome.verdict == REFUSED):
            print(outcome, flush=True)
    for kind, row in counted(found).items():
        print(f"{kind:<14}", ", ".join(f"{count} {word}" for word, count in row.items() if count))
    total = Counter(each.verdict for each in found)
    print(f"{len(found)} cases in {time.monotonic() - begun:.0f} s:", dict(total))
    return found


if __name__ == "__main__":
    sys.exit(main())
