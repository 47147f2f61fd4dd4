"""Files with weights: found, downloaded, and never used with another checksum."""

import hashlib
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path

from geomlib import places
from geomlib.downloads import fetched

LARGEST = 2**30  # bytes to download at most


def sha256(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def carried(distribution: str, folder: str) -> Path | None:
    """Folder inside an installed distribution, or None where that is not installed.

    The distribution's code is not imported: it is a carrier of files.

    Args:
        distribution: Its name on the package index.
        folder: Path from the place where packages are installed.
    """
    try:
        found = Path(str(metadata.distribution(distribution).locate_file(folder)))
    except metadata.PackageNotFoundError:
        return None
    return found if found.is_dir() else None


def verified(folder: Path, checksums: Mapping[str, str], *, cure: str) -> dict[str, Path]:
    """Paths of the files in a folder, by name, each with the checksum that it must have.

    Args:
        folder: Where the files are.
        checksums: SHA-256 of each file by its name.
        cure: What a reader can do about a wrong file: a sentence.

    Raises:
        FileNotFoundError: If a file is missing.
        ValueError: If a file has another checksum.
    """
    for name, expected in checksums.items():
        path = folder / name
        if not path.is_file():
            raise FileNotFoundError(f"{folder} must hold {name}, got no such file. {cure}")
        if (got := sha256(path)) != expected:
            raise ValueError(f"{path} must have the SHA-256 {expected}, got {got}. {cure}")
    return {name: folder / name for name in checksums}


def download(url: str, path: Path, *, checksum: str) -> None:
    """Write a file of the network to ``path``, if it has the right SHA-256.

    Raises:
        FileNotFoundError: If it cannot be downloaded.
        ValueError: If it is larger than a gibibyte, or has another checksum; nothing is
            written then.
    """
    cure = f"Put it (SHA-256 {checksum}) into {path.parent}."
    content = fetched(url, largest=LARGEST, cure=cure)
    got = hashlib.sha256(content).hexdigest()
    if got != checksum:
        raise ValueError(
            f"{url} must have the SHA-256 {checksum}, got {got} in {len(content)} bytes. "
            "Try again: the download may have been cut short."
        )
    places.write_bytes(path, content)
