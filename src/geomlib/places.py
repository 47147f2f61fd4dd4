"""Where a run may read and write, and how it writes without leaving half a file.

Every place is an environment variable, because notebooks run in an empty folder (and on
Colab) where no relative path leads anywhere.
"""

import os
from pathlib import Path


def results() -> Path:
    """Folder of the records: ``GEOMLIB_RESULTS``, else ``geomlib-results`` here."""
    return Path(os.environ.get("GEOMLIB_RESULTS") or "geomlib-results")


def artefacts() -> Path:
    """Folder of figures' data: ``GEOMLIB_ARTEFACTS``, else ``geomlib-artefacts`` here."""
    return Path(os.environ.get("GEOMLIB_ARTEFACTS") or "geomlib-artefacts")


def cache() -> Path:
    """Folder of downloads and trained models: ``GEOMLIB_CACHE``, else the user's cache."""
    if given := os.environ.get("GEOMLIB_CACHE"):
        return Path(given)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "geomlib"


def data() -> Path | None:
    """The reader's own data, read only: ``GEOMLIB_DATA``, or None where it is not set.

    Raises:
        FileNotFoundError: If ``GEOMLIB_DATA`` names no folder.
    """
    given = os.environ.get("GEOMLIB_DATA")
    if not given:
        return None
    if not Path(given).is_dir():
        raise FileNotFoundError(
            f"GEOMLIB_DATA must name an existing folder, got {given!r}. "
            "Correct the path, or unset the variable to download data instead."
        )
    return Path(given)


def write_text(path: Path, text: str) -> None:
    """Write a text file whole or not at all: under a temporary name first, then renamed."""
    write_bytes(path, text.encode("utf-8"))


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file whole or not at all: under a temporary name first, then renamed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        temporary.write_bytes(content)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
