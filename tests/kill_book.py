"""Kill ``make book`` at random moments; the next run must give the undisturbed book.

    python tests/kill_book.py --kills 20 --size smoke

Works in a clone of the last commit, with this tree's environment. Each round throws away
a few executed notebooks, and every fourth time the whole site, starts make, kills it and
all of its processes without a warning, starts it again, and compares what it made with the
book of the first, undisturbed run, byte by byte. Takes a minute or two a kill.
"""

import argparse
import contextlib
import hashlib
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

ROOT = Path(__file__).parents[1]
# What differs between two runs of the same code, by design.
OF_ONE_RUN = ("seconds",)


def clone(folder: Path) -> Path:
    """The last commit in ``folder``, with this tree's environment."""
    subprocess.run(["git", "clone", "-q", ROOT, folder], check=True)
    (folder / ".venv").symlink_to(ROOT / ".venv")
    # Older than the environment, which would otherwise be set up again.
    long_ago = (ROOT / ".venv" / ".ready").stat().st_mtime - 1e6
    for path in folder.rglob("*"):
        if path.is_file() and ".venv" not in path.parts:
            os.utime(path, (long_ago, long_ago))
    return folder


def start(folder: Path, size: str) -> subprocess.Popen[bytes]:
    """Begin ``make book``."""
    environment = os.environ | {"PYTHONPATH": str(folder / "src")}
    command = ["make", "--no-print-directory", "book", f"SIZE={size}"]
    silent = subprocess.DEVNULL
    return subprocess.Popen(command, cwd=folder, env=environment, stdout=silent)


def kill(run: subprocess.Popen[bytes]) -> None:
    """End make and everything it started without a warning, kernels included."""
    make = psutil.Process(run.pid)
    # Stopped first, so that it starts nothing while its processes are listed.
    make.suspend()
    processes = [make, *make.children(recursive=True)]
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    run.wait()
    psutil.wait_procs(processes)


def fingerprint(folder: Path, size: str) -> dict[str, str]:
    """Hash of every file of the book, of the notebooks and of the records."""
    build = folder / "build"
    found = {}
    for part in ("site/_build/html", f"executed/{size}", f"results/{size}"):
        for path in sorted((build / part).rglob("*")):
            if not path.is_file() or path.name.startswith("."):
                continue
            content = path.read_bytes()
            if part.startswith("results") and path.parent.name == size:
                record = json.loads(content)
                kept = {key: record[key] for key in record if key not in OF_ONE_RUN}
                content = json.dumps(kept).encode()
            found[str(path.relative_to(build))] = hashlib.sha256(content).hexdigest()
    return found


def spoil(folder: Path, size: str, chance: random.Random) -> None:
    """Throw away a few executed notebooks, sometimes the site, always its stamp."""
    made = sorted((folder / "build" / "executed" / size).glob("*.ipynb"))
    for path in chance.sample(made, min(2, len(made))):
        path.unlink()
    site = folder / "build" / "site"
    if chance.random() < 0.25:
        shutil.rmtree(site, ignore_errors=True)
    (site / "_build" / "built").unlink(missing_ok=True)


def main() -> int:
    """Exit status: 0 when every book was the undisturbed one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--size", default="smoke", choices=("smoke", "cpu"))
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    chance, num_killed = random.Random(arguments.seed), 0
    # Kept where a book differs, for a look at it.
    place = Path(tempfile.mkdtemp(prefix="kill-book-"))
    folder = clone(place / "book")
    if start(folder, arguments.size).wait():
        print("the undisturbed run failed", file=sys.stderr)
        return 1
    wanted, longest = fingerprint(folder, arguments.size), 0.0
    shutil.copytree(folder / "build", place / "undisturbed")
    while num_killed < arguments.kills:
        spoil(folder, arguments.size, chance)
        begin, run = time.monotonic(), start(folder, arguments.size)
        moment = chance.uniform(0.5, longest or 60)
        try:
            failed = run.wait(moment)
            longest = longest or time.monotonic() - begin
            how = "not killed, it had ended"
        except subprocess.TimeoutExpired:
            kill(run)
            failed = start(folder, arguments.size).wait()
            longest = max(longest, time.monotonic() - begin)
            num_killed += 1
            how = f"killed after {moment:.1f} s"
        found = {} if failed else fingerprint(folder, arguments.size)
        differing = sorted(k for k in wanted | found if wanted.get(k) != found.get(k))
        said = f"differs: {differing[:5]}" if differing else "the same book"
        print(f"{num_killed}: {how}: {said}", flush=True)
        if differing:
            print(f"see {place}", file=sys.stderr)
            return 1
    shutil.rmtree(place)
    return 0


if __name__ == "__main__":
    sys.exit(main())
