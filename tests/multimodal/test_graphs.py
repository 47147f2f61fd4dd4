"""Ways through each graph, composed by hand; lengths; refusals."""

import pytest
import torch
from torch.nn import functional as F

from geomlib.multimodal.graphs import KINDS, EmbeddingGraph, Kind, length_ratio


def graph(kind: Kind, seed: int = 0) -> EmbeddingGraph:
    coarse = 6 if kind == "shared" else 4
    return EmbeddingGraph(kind, (5, 3, 7), fine=6, coarse=coarse, seed=seed).eval()


def features(width: int, seed: int) -> torch.Tensor:
    return torch.randn(8, width, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("kind", KINDS)
def test_widths_of_the_spaces(kind: Kind):
    g, video, audio = graph(kind), features(5, 0), features(3, 1)
    assert g.fine_video(video).shape == g.fine_audio(audio).shape == (8, 6)
    assert g.coarse_video(video).shape == g.text(features(7, 2)).shape


def test_shared_has_one_space():
    g, video, audio = graph("shared"), features(5, 0), features(3, 1)
    assert torch.equal(g.coarse_video(video), g.fine_video(video))
    assert torch.equal(g.coarse_audio(audio), g.fine_audio(audio))


def test_disjoint_shares_no_parameter_and_gives_sound_no_way():
    g = graph("disjoint")
    g.coarse_video(features(5, 0)).sum().backward()
    reached = {name.split(".")[0] for name, p in g.named_parameters() if p.grad is not None}
    assert reached == {"own_head"}
    with pytest.raises(ValueError, match="kind must be shared or fac for sound to reach"):
        g.coarse_audio(features(3, 1))


def test_fac_goes_onward_from_the_fine_space():
    g = graph("fac")
    norm = g.onward[2]
    with torch.no_grad():
        norm.running_mean.fill_(0.3)
        norm.running_var.fill_(4.0)
        norm.weight.fill_(2.0)
        norm.bias.fill_(-1.0)
    audio = features(3, 1)
    for scale in (1.0, 8.0):
        hidden = F.linear((scale * g.fine_audio(audio)).relu(), *g.onward[1].parameters())
        wanted = 2 * (hidden - 0.3) / (4.0 + 1e-5) ** 0.5 - 1
        torch.testing.assert_close(g.coarse_audio(audio, scale=scale), wanted)
    video = features(5, 0)
    torch.testing.assert_close(g.coarse_video(video), g.onward(g.fine_video(video)))


def test_the_ratio_mends_a_length_that_the_loss_left_free():
    video = features(6, 3)
    ratio = length_ratio(video, 0.12 * video)
    assert ratio == pytest.approx(1 / 0.12)
    g = graph("fac")
    with torch.no_grad():
        # Sound that agrees with video in direction and differs in length alone.
        torch.testing.assert_close(g.onward(ratio * 0.12 * video), g.onward(video))
    assert length_ratio(torch.tensor([[3.0, 4.0]]), torch.tensor([[0.0, 1.0]])) == 5.0


def test_the_seed_decides_and_the_global_state_stays():
    before = torch.get_rng_state()
    same = [dict(graph("fac", 3).named_parameters()) for _ in range(2)]
    assert all(torch.equal(same[0][name], same[1][name]) for name in same[0])
    assert torch.equal(torch.get_rng_state(), before)


def test_refusals():
    with pytest.raises(ValueError, match=r"coarse must be fine \(6\) in a shared"):
        EmbeddingGraph("shared", (5, 3, 7), fine=6, coarse=4, seed=0)
    with pytest.raises(ValueError, match="widths must be at least 1, got 0"):
        EmbeddingGraph("fac", (5, 0, 7), fine=6, coarse=4, seed=0)
    with pytest.raises(ValueError, match="audio must have a length above 0"):
        length_ratio(torch.ones(2, 3), torch.zeros(2, 3))
    with pytest.raises(ValueError, match="rows in audio must be at least 1"):
        length_ratio(torch.ones(2, 3), torch.zeros(0, 3))
