import pytest
import torch

from geomlib.mgm.tasks import accuracy, transfer_tasks

TASKS = {
    task.name: task
    for task in transfer_tasks(side=16, num_seen=100, num_held_out=60, seed=0)
}


def test_shapes_and_labels():
    assert list(TASKS) == ["digits", "rotation", "position", "colour", "faces"]
    for task in TASKS.values():
        for part in (task.seen, task.held_out):
            assert part.images.shape[1:] == (3, 16, 16)
            assert part.images.min() >= 0
            assert part.images.max() <= 1
            assert len(part.images) == len(part.labels)
            assert part.labels.max() < len(part.classes)


def test_turning_back_gives_the_digit():
    plain, turned = TASKS["digits"].seen, TASKS["rotation"].seen
    back = [
        torch.rot90(x, -int(k), (1, 2))
        for x, k in zip(turned.images, turned.labels, strict=True)
    ]
    assert torch.equal(torch.stack(back), plain.images)


def test_centre_of_mass_is_where_the_label_says():
    part = TASKS["position"].held_out
    mass = part.images.mean(1)
    at = torch.arange(16.0)
    for profile, label in ((mass.sum(2), part.labels // 3), (mass.sum(1), part.labels % 3)):
        centre = (profile * at).sum(1) / profile.sum(1)
        expected = 3.5 + 4 * label
        assert (centre - expected).abs().max() < 2


def test_colour_bins_are_equally_full_and_ordered():
    part = TASKS["colour"].seen
    assert part.labels.bincount().tolist() == [25, 25, 25, 25]
    redness = (part.images[:, 0] - part.images[:, 2]).mean((1, 2))
    for low in range(3):
        assert redness[part.labels == low].max() <= redness[part.labels == low + 1].min()


def test_faces_are_in_one_part_only():
    task = TASKS["faces"]
    assert not any(
        (x == y).all() for x in task.seen.images[:20] for y in task.held_out.images
    )


def test_accuracy_of_what_holds_the_answer_and_of_what_does_not():
    def colours(images):
        return images.mean((2, 3))

    assert accuracy(colours, TASKS["colour"]) > 0.6
    assert accuracy(colours, TASKS["position"]) < 0.4


def test_bad_inputs():
    with pytest.raises(ValueError, match="side must be 16 or 32, got 8"):
        transfer_tasks(side=8, num_seen=100, num_held_out=60, seed=0)
    with pytest.raises(ValueError, match="num_seen must be at least 10"):
        transfer_tasks(side=16, num_seen=5, num_held_out=60, seed=0)
