"""Spoken digits: recordings of the Free Spoken Digit Dataset, read and drawn from."""

import re
import wave
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float32, Int64
from torch import Tensor

from geomlib import places
from geomlib.checks import at_least, one_of
from geomlib.multimodal.log_mel import log_mel
from geomlib.multimodal.spoken_digits import downloaded_recordings

RATE = 8000  # hertz
NUM_SAMPLES = 5120  # 0.64 seconds; longer recordings lose their end
NUM_SPEAKERS = 6

_NAME = re.compile(r"(\d)_([A-Za-z]+)_(\d+)")
_NUM_TEST = 5  # of each digit and speaker, as the set's authors have it


@dataclass(frozen=True)
class Recordings:
    """Sounds of one length, what is said, and who says it.

    Attributes:
        waves: Values in [-1, 1], 8000 a second, silence at the end.
        digits: Digit that is said.
        speakers: Number of the speaker, 0 to 5.
    """

    waves: Float32[Tensor, "n s"]
    digits: Int64[Tensor, " n"]
    speakers: Int64[Tensor, " n"]

    def __len__(self) -> int:
        return len(self.digits)

    def to(self, device: torch.device) -> "Recordings":
        """The same sounds on a device."""
        return Recordings(
            self.waves.to(device), self.digits.to(device), self.speakers.to(device)
        )

    def log_mels(self) -> Float32[Tensor, "n 1 b f"]:
        """Log-mel images of all, of 32 bands and 39 windows."""
        return log_mel(self.waves, rate=RATE)

    def drawn(
        self,
        digits: Int64[Tensor, " m"],
        speakers: Int64[Tensor, " _m"],
        *,
        generator: torch.Generator,
    ) -> Int64[Tensor, " m"]:
        """Positions of random recordings, one for each digit and speaker asked for.

        Args:
            digits: Digit of each.
            speakers: Speaker of each.
            generator: Of which recording, on the device of the recordings.

        Raises:
            ValueError: If the two are not alike in number, or there is no recording of a
                digit by a speaker.
        """
        if len(digits) != len(speakers):
            raise ValueError(
                f"speakers must be one a digit ({len(digits)}), got {len(speakers)}."
            )
        own = self.digits * NUM_SPEAKERS + self.speakers
        order = own.argsort(stable=True)
        counts = own.bincount(minlength=10 * NUM_SPEAKERS)
        wanted = digits * NUM_SPEAKERS + speakers
        least = int(counts[wanted].min()) if len(wanted) else 1
        at_least("number of recordings of each digit and speaker", least, 1)
        first = counts.cumsum(0) - counts
        uniform = torch.rand(len(wanted), generator=generator, device=own.device)
        pick = (uniform * counts[wanted]).long().clamp(max=counts[wanted] - 1)
        return order[first[wanted] + pick]


def recordings(folder: Path, split: str) -> Recordings:
    """A split of the Free Spoken Digit Dataset from a folder of its files.

    The files are ``DIGIT_SPEAKER_INDEX.wav``, of one channel, 16 bits and 8000 hertz.
    Indices 0 to 4 of each digit and speaker are for testing, all others for training.
    Speakers are numbered in the order of their names.

    Args:
        folder: Holds the files; others in it are left alone.
        split: ``train`` or ``test``.

    Raises:
        ValueError: If ``split`` is neither, there is no such file or more than six
            speakers, or a file is not of that form.

    Source: Jackson 2018, github.com/Jakobovski/free-spoken-digit-dataset (CC BY-SA 4.0).
    """
    one_of("split", split, ("train", "test"))
    found = [
        (int(match[1]), match[2], int(match[3]), path)
        for path in sorted(folder.glob("*.wav"))
        if (match := _NAME.fullmatch(path.stem))
    ]
    speakers = sorted({name for _, name, _, _ in found})
    chosen = [row for row in found if (row[2] < _NUM_TEST) == (split == "test")]
    if not chosen:
        raise ValueError(
            f"folder must hold files DIGIT_SPEAKER_INDEX.wav of the split {split}, got "
            f"none in {folder}. Unpack the data set's folder recordings there."
        )
    at_least("6 less the number of speakers", NUM_SPEAKERS - len(speakers), 0)
    return Recordings(
        torch.from_numpy(np.stack([_samples(path) for _, _, _, path in chosen])),
        torch.tensor([digit for digit, _, _, _ in chosen]),
        torch.tensor([speakers.index(name) for _, name, _, _ in chosen]),
    )


def recordings_folder() -> Path | None:
    """Folder of the recordings, the reader's own or downloaded.

    The reader's are in ``free-spoken-digits/recordings`` or ``recordings`` of the folder
    that ``GEOMLIB_DATA`` names. None where there are none and no network answers.

    Raises:
        ValueError: If what the network has are other recordings.
    """
    data = places.data()
    if data is not None:
        for folder in (data / "free-spoken-digits" / "recordings", data / "recordings"):
            if folder.is_dir():
                return folder
    try:
        return downloaded_recordings()
    except FileNotFoundError:
        return None


def _samples(path: Path) -> np.ndarray:
    """One file's samples, cut or filled with silence to the common length."""
    try:
        with wave.open(str(path), "rb") as file:
            form = (file.getnchannels(), file.getsampwidth(), file.getframerate())
            content = file.readframes(NUM_SAMPLES)
    except (wave.Error, EOFError, OSError) as error:
        raise ValueError(
            f"{path} must be a WAV file, got one that cannot be read ({error}). Replace it."
        ) from error
    if form != (1, 2, RATE):
        raise ValueError(
            f"{path} must have 1 channel, 2 bytes a sample and {RATE} samples a second, "
            f"got {form[0]}, {form[1]} and {form[2]}. Convert it."
        )
    samples = np.zeros(NUM_SAMPLES, dtype=np.float32)
    read = np.frombuffer(content[: len(content) // 2 * 2], dtype="<i2")
    samples[: len(read)] = read / 32768
    return samples
