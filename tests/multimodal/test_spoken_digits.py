"""Downloaded recordings: those of the checksum, whole, and nothing beside them."""

import io
import zipfile
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest

from geomlib.multimodal import spoken_digits

FILES = {"0_theo_0.wav": b"one", "7_lucas_41.wav": b"seven"}
Answer = Callable[[bytes | Exception], None]


def archive(files: dict[str, bytes]) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as opened:
        for name, data in files.items():
            opened.writestr(name, data)
    return content.getvalue()


def damaged(content: bytes) -> bytes:
    """The first member's compressed data begin with a block of a kind that is none."""
    at = content.index(b".wav") + 4
    return content[:at] + b"\x07" + content[at + 1 :]


def encrypted(content: bytes) -> bytes:
    """Every member's flag says that it wants a password."""
    entry = content.index(b"PK\x01\x02")
    return content[: entry + 8] + b"\x01" + content[entry + 9 :]


ARCHIVE = {f"set-master/recordings/{name}": data for name, data in FILES.items()}
OTHERS = {
    "set-master/README.md": b"words",
    "set-master/recordings/../../evil.wav": b"out of the folder",
    "/recordings/0_theo_1.wav": b"no folder before it",
    "set-master/recordings/notes.wav": b"no digit",
}


@pytest.fixture
def network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Answer:
    """Makes the network answer with an archive, or fail; the sum is that of FILES."""
    monkeypatch.setenv("GEOMLIB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(spoken_digits, "SHA256", spoken_digits.checksum(FILES))

    def answers(content: bytes | Exception) -> None:
        def fetched(url: str, *, largest: int, cure: str) -> bytes:
            assert (url, cure) == (spoken_digits.ADDRESS, spoken_digits.CURE)
            if isinstance(content, Exception):
                raise content
            return content

        monkeypatch.setattr(spoken_digits, "fetched", fetched)

    return answers


def test_recordings_are_kept_and_fetched_once(network: Answer):
    network(archive(ARCHIVE | OTHERS))
    folder = spoken_digits.downloaded_recordings()
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == FILES
    # Nothing else stays, neither drafts nor what the archive held beside them.
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]
    network(AssertionError("asked again"))
    assert spoken_digits.downloaded_recordings() == folder


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (archive(ARCHIVE | {"set/recordings/1_theo_0.wav": b"new"}), "the set has changed"),
        (archive(dict(list(ARCHIVE.items())[:1])), "the set has changed"),
        (archive(ARCHIVE)[:-30], "must be a ZIP archive"),
        (b"no archive", "must be a ZIP archive"),
        (damaged(archive(ARCHIVE)), "must be a ZIP archive"),
        (encrypted(archive(ARCHIVE)), "must be a ZIP archive"),
    ],
)
def test_other_recordings_are_refused(network: Answer, content: bytes, said: str):
    network(content)
    with pytest.raises(ValueError, match=said) as error:
        spoken_digits.downloaded_recordings()
    assert "GEOMLIB_DATA" in str(error.value)


def test_an_archive_that_holds_too_much_is_not_unpacked(
    network: Answer, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(spoken_digits, "_LARGEST", 7)
    network(archive(ARCHIVE))
    with pytest.raises(ValueError, match="at most 7 bytes, got 8"):
        spoken_digits.downloaded_recordings()


def test_failed_download_leaves_nothing(network: Answer, tmp_path: Path):
    network(FileNotFoundError("no network"))
    with pytest.raises(FileNotFoundError, match="no network"):
        spoken_digits.downloaded_recordings()
    assert not (tmp_path / "cache").exists()


def test_checksum_is_that_of_names_lengths_and_contents():
    by_hand = sha256(b"a\x001\x00xb\x002\x00yz").hexdigest()
    assert spoken_digits.checksum({"b": b"yz", "a": b"x"}) == by_hand
    # A byte that moves from one file to the next is seen.
    assert spoken_digits.checksum({"a": b"xy", "b": b"z"}) != by_hand
