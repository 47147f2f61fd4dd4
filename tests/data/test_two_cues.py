"""Images with two cues: counts, layers, splits that share nothing, exchanges."""

import pytest
import torch

from geomlib.data.digits import digits
from geomlib.data.two_cues import TEST, TRAIN, TwoCueImages, photograph_cues, two_cue_images

SMALL = (6, 3, 2, 1)


def table(images: TwoCueImages) -> list[list[int]]:
    """Images of each class with both cues common, the first, the second, neither."""
    uncommon = 2 * (~images.common[:, 0]).long() + (~images.common[:, 1]).long()
    return [
        torch.bincount(uncommon[images.labels == c], minlength=4).tolist() for c in (0, 1)
    ]


def parts(
    shade: float, num: int, channels: int, side: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Flat parts: side 0 at ``shade`` and side 1 at ``shade`` + .1."""
    return tuple(torch.full((num, channels, side, side), shade + x) for x in (0.0, 0.1))


def flat(counts: tuple[int, ...] = SMALL, seed: int = 0) -> TwoCueImages:
    return two_cue_images(
        parts(0.1, 40, 3, 4),
        parts(0.5, 40, 3, 8),
        parts(0.3, 2, 1, 2),
        counts=counts,
        seed=seed,
    )


def test_counts_of_training_and_test_are_exact():
    assert TRAIN == (1805, 95, 95, 5)
    assert sum(TRAIN) * 0.95**2 == pytest.approx(TRAIN[0])
    images = two_cue_images(
        parts(0, 5, 3, 2), parts(0, 5, 3, 4), parts(0, 5, 1, 1), counts=TRAIN, seed=1
    )
    assert table(images) == [list(TRAIN)] * 2
    assert table(photograph_cues("train", seed=0, counts=SMALL)) == [list(SMALL)] * 2
    assert 2 * sum(TEST) == 2400


def test_layers_show_the_sides_that_are_recorded():
    images = flat()
    whole = images.images
    core = whole[:, 0, 2, 2]
    torch.testing.assert_close(core, 0.1 + 0.1 * images.labels)
    ground = 0.5 + 0.1 * images.cues[:, 0]
    torch.testing.assert_close(whole[:, 0, 0, 0], ground)
    ink = 0.3 + 0.1 * images.cues[:, 1]
    # The object overlaps the core at one pixel here; below it is the background.
    torch.testing.assert_close(whole[:, 0, 6, 6], ground + ink * (1 - ground))
    assert (whole[:, 0, 7, 7] == ground).all()


def test_order_is_random_and_seeded():
    first, again, other = (photograph_cues("test", seed=s, counts=SMALL) for s in (0, 0, 1))
    assert torch.equal(first.images, again.images)
    assert not torch.equal(first.labels, other.labels)
    assert first.labels.tolist() != sorted(first.labels.tolist())


def test_no_part_comes_twice_before_all_were_used():
    pool = torch.arange(24.0).reshape(24, 1, 1, 1).expand(24, 3, 2, 2) / 24
    images = two_cue_images(
        (pool, pool), parts(0, 1, 3, 4), parts(0, 1, 1, 1), counts=SMALL, seed=0
    )
    for label in (0, 1):
        assert len(images.cores[images.labels == label, 0, 0, 0].unique()) == 12


def test_digits_are_the_right_ones_of_the_right_split():
    images = photograph_cues("validation", seed=3, counts=SMALL)
    known = digits("validation")
    for ink, side in zip(images.objects, images.cues[:, 1], strict=True):
        place = (known.images == ink).flatten(1).all(1).nonzero()[0, 0]
        assert int(known.labels[place]) in ((0, 6), (1, 7))[int(side)]


def test_exchange_changes_the_cue_that_is_named_alone():
    images, donors = flat(), flat(seed=5)
    swap = torch.zeros(24, 2, dtype=torch.bool)
    swap[:8, 0], swap[8:16, 1] = True, True
    found = images.with_cues_of(donors, swap)
    assert torch.equal(found.labels, images.labels)
    assert torch.equal(found.cores, images.cores)
    assert torch.equal(found.backgrounds[:8], donors.backgrounds[:8])
    assert torch.equal(found.backgrounds[8:], images.backgrounds[8:])
    assert torch.equal(found.cues[8:16, 1], donors.cues[8:16, 1])
    assert torch.equal(found.cues[16:], images.cues[16:])
    # What is shown agrees with what is recorded.
    torch.testing.assert_close(found.images[:, 0, 0, 0], 0.5 + 0.1 * found.cues[:, 0])


def test_picking_and_length():
    images = flat()
    assert len(images) == 24
    assert torch.equal(images[torch.tensor([3, 1])].labels, images.labels[[3, 1]])


def test_bad_arguments_are_refused():
    for counts in ((1, 2, 3), (0, 0, 0, 0), (1, 1, 1, -1)):
        with pytest.raises(ValueError, match="counts must be four whole numbers"):
            flat(counts)
    with pytest.raises(ValueError, match="split must be one of train, validation, test"):
        photograph_cues("val", seed=0)
    empty = torch.zeros(0, 3, 4, 4)
    with pytest.raises(ValueError, match="number of parts of side 0 must be at least 1"):
        two_cue_images(
            (empty, empty), parts(0, 1, 3, 8), parts(0, 1, 1, 2), counts=SMALL, seed=0
        )
