"""Records on disk: reading, checking and comparing them."""

import json
from pathlib import Path
from typing import Any

from geomlib import claims

Record = dict[str, Any]
CRITERION = ("chapter", "source", "quantity", "low", "high", "at_least", "tolerance")


def load(folder: Path) -> dict[str, Record]:
    """Records of a folder by claim; an absent folder holds none."""
    paths = sorted(folder.glob("*.json"))
    return {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in paths}


def differences(fresh: Record, committed: Record) -> list[str]:
    """Reasons why a fresh record does not confirm a committed one; empty if it does."""
    reasons = [
        f"{field}: {fresh[field]!r} now, {committed[field]!r} committed"
        for field in CRITERION
        if fresh[field] != committed[field]
    ]
    if fresh["seeds"] != committed["seeds"]:
        return [*reasons, f"seeds: {fresh['seeds']} now, {committed['seeds']} committed"]
    if fresh["verdict"] != committed["verdict"]:
        reasons.append(f"{fresh['verdict']} now, {committed['verdict']} committed")
    pairs = zip(fresh["seeds"], fresh["values"], committed["values"], strict=True)
    reasons += [
        f"seed {seed}: {new:.6g} now, {old:.6g} committed, tolerance "
        f"{committed['tolerance']:g}"
        for seed, new, old in pairs
        if abs(new - old) > committed["tolerance"]
    ]
    return reasons


def inconsistencies(name: str, record: Record) -> list[str]:
    """Reasons why a record contradicts itself; empty if it does not."""
    reasons = []
    if record["claim"] != name:
        reasons.append(f"{name}: holds the claim {record['claim']}")
    if len(record["seeds"]) != len(record["values"]):
        reasons.append(f"{name}: not one value a seed")
    if record["verdict"] != claims.verdict(record):
        reasons.append(
            f"{name}: says {record['verdict']}, its values give {claims.verdict(record)}"
        )
    return reasons
