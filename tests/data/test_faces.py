import torch
from skimage.data import lfw_subset

from geomlib.data.faces import faces


def test_images_are_scikit_images_own():
    assert torch.equal(faces().images[:, 0], torch.from_numpy(lfw_subset()).float())


def test_first_hundred_are_the_faces():
    # As the documentation of lfw_subset says; a mean face is lit in the middle (nose,
    # cheeks) and dark at the corners (background), and the other half is not.
    data = faces()
    assert data.labels.tolist() == [0] * 100 + [1] * 100
    assert data.classes == ("face", "not face")
    mean = data.images[:, 0].unflatten(0, (2, 100)).mean(1)
    middle = mean[:, 8:17, 8:17].mean((1, 2))
    corners = mean[:, [0, 0, -1, -1], [0, -1, 0, -1]].mean(1)
    face, other = (middle - corners).tolist()
    assert face > 0.1
    assert abs(other) < 0.1
