"""A notebook run as a worker's child, which ends when the worker does."""

import os
import sys
import threading
from pathlib import Path

from geomlib.sweep import plain


def end_with_the_worker() -> None:
    """Stop at once when standard input, whose other end the worker holds, is closed."""
    # Not through sys.stdin, whose lock the interpreter wants when it ends.
    os.read(0, 1)
    os._exit(1)


if __name__ == "__main__":
    threading.Thread(target=end_with_the_worker, daemon=True).start()
    plain.run(Path(sys.argv[1]), plain.given_parameters(sys.argv[2:]))
