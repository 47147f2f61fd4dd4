"""The Free Spoken Digit Dataset from the network, compared with a checksum, kept."""

import io
import re
import tempfile
import zipfile
import zlib
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path

from geomlib import places
from geomlib.downloads import fetched

ADDRESS = (
    "https://github.com/Jakobovski/free-spoken-digit-dataset/archive/refs/heads/master.zip"
)
# Of the 3000 recordings of six speakers, not of the archive, whose bytes are made anew.
SHA256 = "997e451901d158bdf09dde66b240f3f19310fdbf4d9c056ebd806254df4a672c"
CURE = (
    "Get the data set yourself and put its folder recordings into the folder that "
    "GEOMLIB_DATA names."
)

_LARGEST = 2**26  # bytes, of the archive and of what is in it: three times their size
_MEMBER = re.compile(r"[^/]+/recordings/(\d_[a-z]+_\d+\.wav)")


def downloaded_recordings() -> Path:
    """Folder of the recordings in the cache; the first call downloads 16 MB.

    Raises:
        FileNotFoundError: If nothing answers.
        ValueError: If what is there is no archive, or not of these recordings.

    Source: Jackson 2018, github.com/Jakobovski/free-spoken-digit-dataset (CC BY-SA 4.0).
    """
    folder = places.cache() / f"free-spoken-digits-{SHA256[:12]}"
    if not folder.is_dir():
        files = _unpacked(fetched(ADDRESS, largest=_LARGEST, cure=CURE))
        if (found := checksum(files)) != SHA256:
            raise ValueError(
                f"the recordings at {ADDRESS} must have the checksum {SHA256}, got "
                f"{found}: the set has changed. {CURE}"
            )
        _keep(folder, files)
    return folder


def checksum(files: Mapping[str, bytes]) -> str:
    """SHA-256 of the names and contents of files, in the order of their names.

    >>> checksum({"a": b"1", "b": b"2"}) == checksum({"b": b"2", "a": b"1"})
    True
    """
    total = sha256()
    for name in sorted(files):
        total.update(f"{name}\0{len(files[name])}\0".encode() + files[name])
    return total.hexdigest()


def _unpacked(archive: bytes) -> dict[str, bytes]:
    """Recordings of an archive by name; nothing else in it is read."""
    try:
        with zipfile.ZipFile(io.BytesIO(archive)) as opened:
            sizes = {
                member.filename: member.file_size
                for member in opened.infolist()
                if _MEMBER.fullmatch(member.filename)
            }
            # A small archive can hold more than a disk.
            if sum(sizes.values()) > _LARGEST:
                raise ValueError(
                    f"the recordings at {ADDRESS} must have at most {_LARGEST} bytes, got "
                    f"{sum(sizes.values())}. {CURE}"
                )
            return {name.rpartition("/")[2]: opened.read(name) for name in sizes}
    # RuntimeError: a member is encrypted.
    except (zipfile.BadZipFile, zlib.error, RuntimeError, EOFError) as error:
        raise ValueError(f"{ADDRESS} must be a ZIP archive ({error}). {CURE}") from error


def _keep(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write the files into a folder that is whole or not there."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as place:
        draft = Path(place) / "recordings"
        draft.mkdir()
        for name, content in files.items():
            (draft / name).write_bytes(content)
        try:
            draft.rename(folder)
        except OSError:
            # Another run was faster; what it kept has the same checksum.
            if not folder.is_dir():
                raise
