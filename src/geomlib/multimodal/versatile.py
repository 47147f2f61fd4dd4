"""Three towers under one embedding graph: batches, training, embeddings."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Float32, Int64
from torch import Tensor, nn

from geomlib.checks import at_least
from geomlib.models.encoders import small_cnn
from geomlib.multimodal.captions import NUMBERS, WORDS, captions, word_counts
from geomlib.multimodal.graphs import EmbeddingGraph, Kind
from geomlib.multimodal.moving_digits import MOTIONS, moving_digits
from geomlib.multimodal.nce import mil_nce, nce
from geomlib.multimodal.recordings import Recordings
from geomlib.multimodal.separable import separable_network
from geomlib.training import minimise


@dataclass(frozen=True)
class Clips:
    """Videos with sound; a digit's motion decides who says its name.

    Attributes:
        videos: Moving digits.
        sounds: Log-mel images of the spoken digit.
        digits: Digit that is seen and heard.
        motions: How it moves, and the number of the speaker.
    """

    videos: Float32[Tensor, "n 1 t h w"]
    sounds: Float32[Tensor, "n 1 b f"]
    digits: Int64[Tensor, " n"]
    motions: Int64[Tensor, " n"]


@dataclass(frozen=True)
class Embedded:
    """Clips in the spaces of a graph.

    Attributes:
        fine_video: Video, in the space that it shares with sound.
        fine_audio: Sound, in the same.
        coarse_video: Video, in the space that it shares with text.
        coarse_audio: Sound, there; None where the graph has no way.
    """

    fine_video: Float[Tensor, "n k"]
    fine_audio: Float[Tensor, "n k"]
    coarse_video: Float[Tensor, "n q"]
    coarse_audio: Float[Tensor, "n q"] | None


class VersatileNetwork(nn.Module):
    """A separable video network, a small convolutional one for sound, and a graph.

    Text enters as counts of words.

    Args:
        kind: Of the graph.
        fine: Width of the fine space.
        coarse: Width of the coarse space.
        video_widths: Channels of the video network's blocks.
        audio_width: Features of sound.
        seed: Of the initial weights.

    Raises:
        ValueError: As ``geomlib.multimodal.graphs.EmbeddingGraph`` and the two networks.
    """

    def __init__(
        self,
        kind: Kind,
        *,
        fine: int,
        coarse: int,
        video_widths: tuple[int, ...] = (12, 24, 48),
        audio_width: int = 64,
        seed: int,
    ) -> None:
        super().__init__()
        video = separable_network(widths=video_widths, seed=seed)
        # Channels last: the same numbers but for rounding, sooner on most processors.
        self.video = video.to(memory_format=torch.channels_last_3d)
        self.audio = small_cnn(
            in_channels=1, num_features=audio_width, seed=seed + 1, norm=nn.BatchNorm2d
        )
        widths = (video_widths[-1], audio_width, len(WORDS))
        self.graph = EmbeddingGraph(kind, widths, fine=fine, coarse=coarse, seed=seed + 2)


def drawn_clips(
    images: Float32[Tensor, "n 1 8 8"],
    digits: Int64[Tensor, " n"],
    recordings: Recordings,
    log_mels: Float32[Tensor, "m 1 b f"],
    *,
    num_frames: int,
    generator: torch.Generator,
) -> Clips:
    """A clip of each image: a random motion, and a recording of its digit by its speaker.

    Args:
        images: Handwritten digits.
        digits: What they are.
        recordings: At least one of each digit and speaker.
        log_mels: Of the recordings, in their order.
        num_frames: Frames of a video.
        generator: Of motions, places and recordings, on the device of all tensors.

    Raises:
        ValueError: If a number is out of range or a recording is missing.
    """
    at_least("number of log_mels", len(log_mels), len(recordings))
    motions = torch.randint(
        len(MOTIONS), digits.shape, generator=generator, device=digits.device
    )
    videos = moving_digits(images, motions, num_frames=num_frames, generator=generator)
    heard = recordings.drawn(digits, motions, generator=generator)
    return Clips(videos, log_mels[heard], digits, motions)


def train_versatile(
    network: VersatileNetwork,
    images: Float32[Tensor, "n 1 8 8"],
    digits: Int64[Tensor, " n"],
    recordings: Recordings,
    *,
    num_steps: int,
    num_frames: int = 8,
    batch_size: int = 128,
    learning_rate: float = 2e-3,
    temperature: float = 0.07,
    num_captions: int = 3,
    share_right: float = 0.5,
    seed: int,
) -> Float[Tensor, " steps"]:
    """Loss before each step of training: NCE with sound, plus MIL-NCE with captions.

    Every batch has clips and captions of its own. Sound and text are never compared.

    Args:
        network: Changed in place, left in evaluation mode.
        images: Handwritten digits for training, on the network's device.
        digits: What they are; used to make sounds and captions, not in the loss.
        recordings: For training, on the same device.
        num_steps: Steps of Adam.
        num_frames: Frames of a video.
        batch_size: Clips in a batch, drawn with replacement, at least 2.
        learning_rate: Of the first step.
        temperature: Of both losses.
        num_captions: Captions of a clip.
        share_right: Probability that a caption names the right digit.
        seed: Of batches and captions.

    Raises:
        ValueError: If a number is out of range or a recording is missing.
        FloatingPointError: If the loss is not finite.
    """
    at_least("batch_size", batch_size, 2)
    generator = torch.Generator(images.device).manual_seed(seed)
    for_text = torch.Generator().manual_seed(seed)
    log_mels = recordings.log_mels()
    graph = network.graph

    def loss() -> Tensor:
        picks = torch.randint(
            len(images), (batch_size,), generator=generator, device=images.device
        )
        clips = drawn_clips(
            images[picks],
            digits[picks],
            recordings,
            log_mels,
            num_frames=num_frames,
            generator=generator,
        )
        lines = captions(
            clips.digits,
            num_each=num_captions,
            share_right=share_right,
            generator=for_text,
        )
        counts = word_counts([line for own in lines for line in own]).to(images.device)
        texts = graph.text(counts).view(batch_size, num_captions, -1)
        video, audio = network.video(clips.videos), network.audio(clips.sounds)
        with_sound = nce(
            graph.fine_video(video), graph.fine_audio(audio), temperature=temperature
        )
        # The head onward sees video alone, and so do its batch norm's statistics.
        return with_sound + mil_nce(
            graph.coarse_video(video), texts, temperature=temperature
        )

    network.train()
    history = minimise(
        loss, network.parameters(), num_steps=num_steps, learning_rate=learning_rate
    )
    network.eval()
    return history


@torch.no_grad()
def embedded(network: VersatileNetwork, clips: Clips, *, scale: float = 1.0) -> Embedded:
    """Clips in the spaces of the network's graph.

    Args:
        network: In evaluation mode.
        clips: On its device.
        scale: Factor on the fine embedding of sound on its way onward.
    """
    video, audio = network.video(clips.videos), network.audio(clips.sounds)
    graph = network.graph
    onward = graph.kind != "disjoint"
    return Embedded(
        graph.fine_video(video),
        graph.fine_audio(audio),
        graph.coarse_video(video),
        graph.coarse_audio(audio, scale=scale) if onward else None,
    )


@torch.no_grad()
def digit_texts(network: VersatileNetwork) -> Float[Tensor, "10 q"]:
    """The ten numbers' names as single words, in the space of text."""
    counts = word_counts(list(NUMBERS)).to(next(network.parameters()).device)
    return network.graph.text(counts)
