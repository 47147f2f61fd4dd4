"""Clips that agree, training that lowers the loss, who sees which batch norm."""

import pytest
import torch

from geomlib.data.digits import digits
from geomlib.multimodal.captions import NUMBERS, word_counts
from geomlib.multimodal.graphs import KINDS, Kind
from geomlib.multimodal.recordings import Recordings
from geomlib.multimodal.tones import tones
from geomlib.multimodal.versatile import (
    VersatileNetwork,
    digit_texts,
    drawn_clips,
    embedded,
    train_versatile,
)

SEEN = digits("train")


@pytest.fixture(scope="module")
def sounds() -> Recordings:
    return tones(num_each=2, seed=0)


def network(kind: Kind, seed: int = 0) -> VersatileNetwork:
    coarse = 16 if kind == "shared" else 8
    return VersatileNetwork(kind, fine=16, coarse=coarse, seed=seed)


def clips(sounds: Recordings, num: int = 40):
    return drawn_clips(
        SEEN.images[:num],
        SEEN.labels[:num],
        sounds,
        sounds.log_mels(),
        num_frames=4,
        generator=torch.Generator().manual_seed(3),
    )


def test_sound_says_the_digit_in_the_voice_of_its_motion(sounds: Recordings):
    found, mels = clips(sounds), sounds.log_mels()
    assert torch.equal(found.digits, SEEN.labels[:40])
    assert len(found.motions.unique()) == 6
    for sound, digit, motion in zip(found.sounds, found.digits, found.motions, strict=True):
        own = (sounds.digits == digit) & (sounds.speakers == motion)
        assert (mels[own] == sound).flatten(1).all(1).any()


@pytest.mark.parametrize("kind", KINDS)
def test_training_lowers_the_loss(kind: Kind, sounds: Recordings):
    net = network(kind)
    history = train_versatile(
        net,
        SEEN.images,
        SEEN.labels,
        sounds,
        num_steps=12,
        num_frames=4,
        batch_size=32,
        seed=0,
    )
    assert history[-3:].mean() < history[:3].mean() - 0.2
    assert not net.training


def test_one_seed_gives_one_network(sounds: Recordings):
    histories = [
        train_versatile(
            network("fac"), SEEN.images, SEEN.labels, sounds, num_steps=2, num_frames=2,
            batch_size=8, seed=seed,
        )
        for seed in (0, 0, 1)
    ]  # fmt: skip
    assert torch.equal(histories[0], histories[1])
    assert not torch.equal(histories[0], histories[2])


@pytest.mark.parametrize("kind", KINDS)
def test_embeddings_are_those_of_the_graph(kind: Kind, sounds: Recordings):
    net, shown = network(kind).eval(), clips(sounds)
    found = embedded(net, shown, scale=2.0)
    with torch.no_grad():
        audio = net.audio(shown.sounds)
        assert torch.equal(found.fine_audio, net.graph.fine_audio(audio))
        if kind == "disjoint":
            assert found.coarse_audio is None
        else:
            wanted = net.graph.coarse_audio(audio, scale=2.0)
            assert torch.equal(found.coarse_audio, wanted)
        words = net.graph.text(word_counts(["three"]))
    torch.testing.assert_close(digit_texts(net)[NUMBERS.index("three")], words[0])


def test_refusals(sounds: Recordings):
    with pytest.raises(ValueError, match="number of log_mels must be at least 120"):
        drawn_clips(
            SEEN.images[:4],
            SEEN.labels[:4],
            sounds,
            sounds.log_mels()[:9],
            num_frames=4,
            generator=torch.Generator(),
        )
    with pytest.raises(ValueError, match="batch_size must be at least 2"):
        train_versatile(
            network("fac"), SEEN.images, SEEN.labels, sounds, num_steps=1, batch_size=1,
            seed=0,
        )  # fmt: skip


def test_other_widths_of_the_towers(sounds: Recordings):
    net = VersatileNetwork(
        "fac", fine=6, coarse=4, video_widths=(3, 5), audio_width=8, seed=0
    ).eval()
    found = embedded(net, clips(sounds, 3))
    assert found.fine_video.shape == found.fine_audio.shape == (3, 6)
    assert found.coarse_video.shape == digit_texts(net)[:3].shape == (3, 4)
    assert net.graph.audio_head.in_features == 8
