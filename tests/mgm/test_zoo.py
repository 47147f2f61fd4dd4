import pytest
import torch

from geomlib.data.photographs import photographs
from geomlib.mgm import zoo
from geomlib.models.encoders import mlp_head, small_cnn

DATA = photographs("train", num_per_class=6, seed=0, size=16)
SHORT = {"num_steps": 3, "batch_size": 8, "learning_rate": 1e-3}


def networks():
    encoder = small_cnn(in_channels=3, num_features=16, seed=0, norm=torch.nn.BatchNorm2d)
    return encoder, mlp_head(16, 12, seed=0)


def test_recipes_are_all_different():
    twelve = zoo.recipes()
    assert len(set(twelve)) == len(twelve) == 12
    assert len(set(map(str, zoo.recipes(num_replicas=3)))) == 36
    assert zoo.recipes(num_replicas=3)[:12] == twelve


@pytest.mark.parametrize("recipe", zoo.recipes(), ids=str)
def test_trains_the_same_twice(recipe):
    weights = []
    for _ in range(2):
        encoder, head = networks()
        before = encoder[0].weight.detach().clone()
        zoo.train(recipe, encoder, head, DATA, **SHORT, seed=1)
        assert not encoder.training
        assert (encoder[0].weight != before).any()
        weights.append(encoder.state_dict())
    for a, b in zip(weights[0].values(), weights[1].values(), strict=True):
        assert torch.equal(a, b)


def test_kept_weights_come_back(tmp_path):
    calls = []

    def make(key, folder=tmp_path):
        encoder, head = networks()

        def work():
            calls.append(key)
            zoo.train(zoo.recipes()[0], encoder, head, DATA, **SHORT, seed=1)

        return zoo.kept(encoder, folder, key, work)

    first, again, other = make("a"), make("a"), make("b")
    assert calls == ["a", "b"]
    assert not again.training
    for a, b in zip(first.state_dict().values(), again.state_dict().values(), strict=True):
        assert torch.equal(a, b)
    assert other.state_dict().keys() == first.state_dict().keys()
    make("a", folder=None)
    assert calls == ["a", "b", "a"]


def test_labels_are_learnt():
    encoder, head = networks()
    recipe = zoo.Recipe("labels", "crop")
    settings = {"num_steps": 60, "batch_size": 32, "learning_rate": 1e-2}
    zoo.train(recipe, encoder, head, DATA, **settings, seed=0)
    right = head(encoder(DATA.images)).argmax(1) == DATA.labels
    assert right.double().mean() > 0.5


def test_bad_inputs():
    with pytest.raises(ValueError, match="loss must be one of"):
        zoo.Recipe("SimCLR", "crop")
    with pytest.raises(ValueError, match="augmentation must be one of"):
        zoo.Recipe("InfoNCE", "blur")
    with pytest.raises(ValueError, match="num_replicas must be at least 1"):
        zoo.recipes(num_replicas=0)
    one = {**SHORT, "batch_size": 1}
    with pytest.raises(ValueError, match="batch_size must be at least 2"):
        zoo.train(zoo.Recipe("labels", "crop"), *networks(), DATA, **one, seed=0)
