"""Compare a fresh run's verdicts and values with the committed ones."""

import argparse
import sys
from pathlib import Path

import records


def verify(fresh_folder: Path, committed_folder: Path) -> list[str]:
    """One line per claim that a fresh run does not confirm."""
    fresh, committed = records.load(fresh_folder), records.load(committed_folder)
    if not committed:
        return [f"{committed_folder} must hold records, got none. Run make record."]
    problems = [f"{name}: committed, not measured" for name in committed.keys() - fresh]
    problems += [f"{name}: measured, not committed" for name in fresh.keys() - committed]
    for name in committed.keys() & fresh.keys():
        reasons = records.differences(fresh[name], committed[name])
        problems += [f"{name}: {reason}" for reason in reasons]
    return sorted(problems)


def main() -> int:
    """Exit status: 0 when every committed verdict is confirmed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("fresh", type=Path)
    parser.add_argument("committed", type=Path)
    arguments = parser.parse_args()
    problems = verify(arguments.fresh, arguments.committed)
    for problem in problems:
        print(problem, file=sys.stderr)
    if problems:
        return 1
    print(
        f"{len(records.load(arguments.committed))} verdicts confirmed, values in tolerance"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
