import pytest
import torch

from geomlib.mgm.grouping import (
    explained_share,
    mean_distance,
    nearest_shares,
    standardised,
)


def draw(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0)).double()


def test_standardised():
    z = standardised(100 * draw(20, 3) + 7)
    torch.testing.assert_close(z.mean(0), torch.zeros(3).double(), atol=1e-12, rtol=0)
    torch.testing.assert_close(z.square().mean(0), torch.ones(3).double())


def test_explained_share_is_the_anova_of_one_metric():
    from scipy.stats import f_oneway

    y, labels = draw(12, 1), "aaaabbbbcccc"
    share = explained_share(y, labels)
    f = (share / 2) / ((1 - share) / 9)
    groups = [y[4 * k : 4 * k + 4, 0].numpy() for k in range(3)]
    assert f == pytest.approx(f_oneway(*groups).statistic)


def test_labels_that_say_nothing_explain_their_share():
    generator = torch.Generator().manual_seed(1)
    metrics = draw(12, 12)
    labels = list("aaaabbbbcccc")
    shares = [
        explained_share(
            metrics, [labels[i] for i in torch.randperm(12, generator=generator)]
        )
        for _ in range(200)
    ]
    assert sum(shares) / 200 == pytest.approx(2 / 11, abs=0.02)


def test_two_factors():
    # Two losses by two augmentations; the augmentation moves the metric ten times more.
    metrics = torch.tensor([[0.0], [10.0], [1.0], [11.0]])
    losses, augmentations = "aabb", "cfcf"
    assert explained_share(metrics, augmentations) > 0.9 > explained_share(metrics, losses)
    assert nearest_shares(metrics, augmentations) == 1
    assert nearest_shares(metrics, losses) == 0
    ratio = mean_distance(metrics, losses, augmentations) / mean_distance(
        metrics, augmentations, losses
    )
    assert ratio == pytest.approx(10)


def test_bad_inputs():
    metrics = draw(4, 2)
    with pytest.raises(ValueError, match=r"labels must be one an encoder \(4\), got 3"):
        explained_share(metrics, "abc")
    with pytest.raises(ValueError, match=r"constant columns \[1\]"):
        nearest_shares(metrics * torch.tensor([1.0, 0.0]), "aabb")
    with pytest.raises(ValueError, match="number of such pairs must be at least 1"):
        mean_distance(metrics, "abcd", "aabb")
    with pytest.raises(ValueError, match="number of encoders must be at least 2"):
        standardised(metrics[:1])
