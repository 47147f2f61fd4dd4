"""Embedding graphs: which modalities meet in which space."""

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from geomlib.checks import at_least, one_of

Kind = Literal["shared", "disjoint", "fac"]
KINDS: tuple[Kind, ...] = ("shared", "disjoint", "fac")


class EmbeddingGraph(nn.Module):
    """Heads from three modalities' features into a fine and a coarse space.

    Video and sound meet in the fine space, video and text in the coarse one. What differs
    is how video gets to the coarse space:

    - ``shared``: there is one space; coarse and fine are the same;
    - ``disjoint``: by a head of its own, so that sound has no way there;
    - ``fac`` (fine and coarse): onward from the fine space, by which sound gets there too.

    Heads: two layers with batch norm and ReLU for video, one linear layer for sound and
    for text, and ReLU, linear and batch norm onward.

    Args:
        kind: Which of the three.
        widths: Of the features of video, sound and text.
        fine: Width of the fine space.
        coarse: Width of the coarse space; with ``shared`` it must be that of the fine one.
        seed: Of the initial weights (PyTorch's default initialisation).

    Raises:
        ValueError: If ``kind`` is none of the three, a width is below 1, or the two spaces
            of ``shared`` differ in width.

    Source: Alayrac et al. 2020 (arXiv:2006.16228), where the fine space has
    512 dimensions and the coarse one 256.
    """

    def __init__(
        self,
        kind: Kind,
        widths: tuple[int, int, int],
        *,
        fine: int,
        coarse: int,
        seed: int,
    ) -> None:
        super().__init__()
        one_of("kind", kind, KINDS)
        for name, width in (("widths", min(widths)), ("fine", fine), ("coarse", coarse)):
            at_least(name, width, 1)
        if kind == "shared" and fine != coarse:
            raise ValueError(
                f"coarse must be fine ({fine}) in a shared graph, got {coarse}."
            )
        self.kind = kind
        video, audio, text = widths
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)
            self.video_head = _two_layers(video, fine)
            self.audio_head = nn.Linear(audio, fine)
            self.text_head = nn.Linear(text, coarse)
            self.onward = _onward(fine, coarse) if kind == "fac" else nn.Identity()
            self.own_head = _two_layers(video, coarse) if kind == "disjoint" else None

    def fine_video(self, features: Float[Tensor, "n d"]) -> Float[Tensor, "n k"]:
        """Video in the space that it shares with sound."""
        return self.video_head(features)

    def fine_audio(self, features: Float[Tensor, "n d"]) -> Float[Tensor, "n k"]:
        """Sound in the space that it shares with video."""
        return self.audio_head(features)

    def coarse_video(self, features: Float[Tensor, "n d"]) -> Float[Tensor, "n k"]:
        """Video in the space that it shares with text."""
        if self.own_head is not None:
            return self.own_head(features)
        return self.onward(self.video_head(features))

    def coarse_audio(
        self, features: Float[Tensor, "n d"], *, scale: float = 1.0
    ) -> Float[Tensor, "n k"]:
        """Sound in the space of text, although no loss ever compares the two.

        Args:
            features: Of sound.
            scale: Factor on the fine embedding: ``length_ratio`` gives sound the length
                that the way onward knows from video.

        Raises:
            ValueError: If the graph is disjoint.
        """
        if self.kind == "disjoint":
            raise ValueError(
                "kind must be shared or fac for sound to reach text, got 'disjoint'."
            )
        return self.onward(scale * self.audio_head(features))

    def text(self, features: Float[Tensor, "n d"]) -> Float[Tensor, "n k"]:
        """Text in the space that it shares with video."""
        return self.text_head(features)


def length_ratio(video: Float[Tensor, "n k"], audio: Float[Tensor, "m k"]) -> float:
    """Root mean square length of the one's rows over that of the other's.

    A loss of cosines leaves either free; a bias and a batch norm after it do not.

    Args:
        video: Fine embeddings of training clips.
        audio: Fine embeddings of training sounds.

    Raises:
        ValueError: If either has no row, or all of ``audio`` is zero.

    >>> length_ratio(torch.full((2, 4), 3.0), torch.ones(5, 4))
    3.0
    """
    at_least("number of rows in video", len(video), 1)
    at_least("number of rows in audio", len(audio), 1)
    squares = [float(z.double().square().sum(1).mean()) for z in (video, audio)]
    if squares[1] == 0:
        raise ValueError("audio must have a length above 0, got zeros alone.")
    return (squares[0] / squares[1]) ** 0.5


def _two_layers(narrow: int, wide: int) -> nn.Sequential:
    """Linear layers with batch norm and ReLU between them."""
    return nn.Sequential(
        nn.Linear(narrow, wide), nn.BatchNorm1d(wide), nn.ReLU(), nn.Linear(wide, wide)
    )


def _onward(fine: int, coarse: int) -> nn.Sequential:
    """Way from the fine to the coarse space."""
    return nn.Sequential(nn.ReLU(), nn.Linear(fine, coarse), nn.BatchNorm1d(coarse))
