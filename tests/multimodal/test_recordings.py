"""A small folder in the set's layout, read as SciPy reads it; draws; bad files."""

import wave
from pathlib import Path

import numpy as np
import pytest
import scipy.io.wavfile
import torch

from geomlib.multimodal import recordings as module
from geomlib.multimodal.recordings import (
    NUM_SAMPLES,
    Recordings,
    recordings,
    recordings_folder,
)


def sound(length: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(-32768, 32767, length, dtype=np.int16)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two digits, two speakers, indices 3 to 6: two for testing, two for training."""
    place = tmp_path / "recordings"
    place.mkdir()
    for number, (digit, name, index) in enumerate(
        (d, s, i) for d in (0, 7) for s in ("theo", "jackson") for i in (3, 4, 5, 6)
    ):
        content = sound(1000 + 500 * number, number)
        scipy.io.wavfile.write(place / f"{digit}_{name}_{index}.wav", 8000, content)
    scipy.io.wavfile.write(place / "noise.wav", 8000, sound(9, 0))
    (place / "README.md").write_text("no sound")
    return place


def test_files_are_read_as_scipy_reads_them(folder: Path):
    for split, indices in (("train", (5, 6)), ("test", (3, 4))):
        found = recordings(folder, split)
        assert len(found) == 8
        wanted = sorted(
            p for p in folder.glob("?_*.wav") if int(p.stem.rpartition("_")[2]) in indices
        )
        for path, row, digit, speaker in zip(
            wanted, found.waves, found.digits, found.speakers, strict=True
        ):
            samples = scipy.io.wavfile.read(path)[1][:NUM_SAMPLES] / 32768
            np.testing.assert_array_equal(row[: len(samples)].numpy(), samples)
            assert not row[len(samples) :].any()
            assert path.stem.startswith(
                f"{int(digit)}_{('jackson', 'theo')[int(speaker)]}_"
            )
    assert found.log_mels().shape == (8, 1, 32, 39)


def test_draws_are_right_and_reach_every_recording(folder: Path):
    found = recordings(folder, "train")
    digits, speakers = torch.tensor([0, 7, 7]), torch.tensor([1, 0, 1])
    generator = torch.Generator().manual_seed(0)
    draws = torch.stack(
        [found.drawn(digits, speakers, generator=generator) for _ in range(60)]
    )
    assert torch.equal(found.digits[draws], digits.expand(60, 3))
    assert torch.equal(found.speakers[draws], speakers.expand(60, 3))
    assert [len(column.unique()) for column in draws.T] == [2, 2, 2]
    missing = r"recordings of each digit and speaker must be at least 1, got 0"
    with pytest.raises(ValueError, match=missing):
        found.drawn(torch.tensor([3]), torch.tensor([0]), generator=generator)
    with pytest.raises(ValueError, match="speakers must be one a digit"):
        found.drawn(digits, speakers[:2], generator=generator)


def test_wrong_folders_and_splits(folder: Path, tmp_path: Path):
    with pytest.raises(ValueError, match="split must be one of train, test, got 'val'"):
        recordings(folder, "val")
    with pytest.raises(ValueError, match=r"must hold files DIGIT_SPEAKER_INDEX\.wav"):
        recordings(tmp_path, "train")
    for name in "abcde":
        scipy.io.wavfile.write(folder / f"1_{name}_9.wav", 8000, sound(9, 1))
    with pytest.raises(
        ValueError, match="6 less the number of speakers must be at least 0"
    ):
        recordings(folder, "train")


@pytest.mark.parametrize(
    ("channels", "width", "rate", "found"),
    [(2, 2, 8000, "2, 2 and 8000"), (1, 1, 8000, "1, 1 and 8000"), (1, 2, 16000, "16000")],
)
def test_other_forms_are_refused(
    folder: Path, channels: int, width: int, rate: int, found: str
):
    with wave.open(str(folder / "0_theo_5.wav"), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(width)
        file.setframerate(rate)
        file.writeframes(bytes(400))
    with pytest.raises(ValueError, match=rf"0_theo_5.wav must have 1 channel.*{found}"):
        recordings(folder, "train")


@pytest.mark.parametrize("content", [b"", b"RIFF", b"no sound at all, only text"])
def test_broken_files_are_refused(folder: Path, content: bytes):
    (folder / "0_theo_5.wav").write_bytes(content)
    with pytest.raises(ValueError, match=r"0_theo_5.wav must be a WAV file"):
        recordings(folder, "train")


def test_a_file_that_ends_early_is_filled_with_silence(folder: Path):
    path = folder / "0_jackson_5.wav"
    path.write_bytes(path.read_bytes()[:245])  # 44 of the header, 100 samples and a half
    first = recordings(folder, "train").waves[0]
    assert first[:100].any()
    assert not first[100:].any()


def test_folder_of_the_readers_comes_before_a_download(
    folder: Path, monkeypatch: pytest.MonkeyPatch
):
    kept = folder.parent / "kept"
    monkeypatch.setattr(module, "downloaded_recordings", lambda: kept)
    monkeypatch.delenv("GEOMLIB_DATA", raising=False)
    assert recordings_folder() == kept
    monkeypatch.setenv("GEOMLIB_DATA", str(folder.parent))
    assert recordings_folder() == folder
    other = folder.parent / "free-spoken-digits" / "recordings"
    other.mkdir(parents=True)
    assert recordings_folder() == other
    monkeypatch.setenv("GEOMLIB_DATA", str(other))
    assert recordings_folder() == kept


def test_without_a_network_there_is_no_folder(monkeypatch: pytest.MonkeyPatch):
    def unanswered() -> Path:
        raise FileNotFoundError("no network")

    monkeypatch.setattr(module, "downloaded_recordings", unanswered)
    monkeypatch.delenv("GEOMLIB_DATA", raising=False)
    assert recordings_folder() is None


def test_length_is_checked_by_shape():
    labels = torch.zeros(1, dtype=torch.int64)
    assert len(Recordings(torch.zeros(1, 300), labels, labels)) == 1


def test_all_of_it_moves_to_a_device(folder: Path):
    moved = recordings(folder, "test").to(torch.device("meta"))
    kinds = {t.device.type for t in (moved.waves, moved.digits, moved.speakers)}
    assert kinds == {"meta"}
