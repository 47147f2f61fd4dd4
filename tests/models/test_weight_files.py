"""Files with weights: found, downloaded, and refused with another checksum."""

import hashlib
import io
import urllib.error

import pytest

from geomlib import downloads
from geomlib.models import weight_files

CONTENT = b"weights of a small network"
CHECKSUM = hashlib.sha256(CONTENT).hexdigest()
URL = "https://example.org/weights"


@pytest.fixture
def network(monkeypatch):
    """What the network answers, and what it was asked for."""
    asked = []

    def answer(content):
        def opened(url, timeout):
            asked.append((url, timeout))
            if isinstance(content, Exception):
                raise content
            return io.BytesIO(content)

        monkeypatch.setattr(downloads, "urlopen", opened)
        return asked

    return answer


def test_download_writes_the_file_whole(network, tmp_path):
    asked = network(CONTENT)
    path = tmp_path / "new" / "folder" / "weights"
    weight_files.download(URL, path, checksum=CHECKSUM)
    assert path.read_bytes() == CONTENT
    assert [p.name for p in path.parent.iterdir()] == ["weights"]  # no part file is left
    assert asked == [(URL, 60)]


@pytest.mark.parametrize("content", [CONTENT[:-1], CONTENT + b"!", b""])
def test_download_of_other_content_writes_nothing(network, tmp_path, content):
    network(content)
    with pytest.raises(ValueError, match=f"must have the SHA-256 {CHECKSUM}, got .* in"):
        weight_files.download(URL, tmp_path / "weights", checksum=CHECKSUM)
    assert list(tmp_path.iterdir()) == []


def test_download_without_network_says_what_to_put_where(network, tmp_path):
    network(urllib.error.URLError("no network"))
    with pytest.raises(
        FileNotFoundError, match=f"{URL} must .* Put it .SHA-256 {CHECKSUM}"
    ):
        weight_files.download(URL, tmp_path / "weights", checksum=CHECKSUM)


def test_download_stops_at_the_largest_size(network, tmp_path, monkeypatch):
    monkeypatch.setattr(weight_files, "LARGEST", 10)
    network(CONTENT)
    with pytest.raises(ValueError, match="must have at most 10 bytes, got more"):
        weight_files.download(URL, tmp_path / "weights", checksum=CHECKSUM)


def test_verified_gives_the_paths_or_names_file_sum_and_cure(tmp_path):
    (tmp_path / "weights").write_bytes(CONTENT)
    sums = {"weights": CHECKSUM}
    found = weight_files.verified(tmp_path, sums, cure="Do this.")
    assert found == {"weights": tmp_path / "weights"}
    (tmp_path / "weights").write_bytes(CONTENT[::-1])
    with pytest.raises(ValueError, match=f"SHA-256 {CHECKSUM}, got .* Do this."):
        weight_files.verified(tmp_path, sums, cure="Do this.")
    with pytest.raises(FileNotFoundError, match="must hold tokens, got no such file"):
        weight_files.verified(tmp_path, {"tokens": CHECKSUM}, cure="Do this.")


def test_sha256_is_hashlibs(tmp_path):
    (tmp_path / "file").write_bytes(CONTENT * 1000)
    expected = hashlib.sha256(CONTENT * 1000).hexdigest()
    assert weight_files.sha256(tmp_path / "file") == expected


def test_carrier_is_found_without_importing_it_or_is_none(tmp_path, monkeypatch):
    package, info = tmp_path / "carrier", tmp_path / "carrier-1.0.dist-info"
    (package / "files").mkdir(parents=True)
    (package / "__init__.py").write_text("raise RuntimeError('imported')\n")
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: carrier\nVersion: 1.0\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert weight_files.carried("carrier", "carrier/files") == package / "files"
    assert weight_files.carried("carrier", "carrier/others") is None
    assert weight_files.carried("no-such-distribution", "files") is None
