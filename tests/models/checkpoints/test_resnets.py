"""VICReg's and Barlow Twins' checkpoints: what is loaded, and what is refused."""

import os
import sys
from functools import partial

import pytest
import small
import torch
from torch.nn import functional as F

from geomlib.models.checkpoints import resnets

vicreg = partial(resnets.vicreg, backbone=small.resnet)
barlow_twins = partial(resnets.barlow_twins, backbone=small.resnet)


@pytest.fixture(autouse=True)
def authors_script(monkeypatch):
    """The files name a function of the authors' script, which ran as ``__main__``."""
    monkeypatch.setattr(small.exclude_bias_and_norm, "__module__", "__main__")
    main = sys.modules["__main__"]
    monkeypatch.setattr(
        main, "exclude_bias_and_norm", small.exclude_bias_and_norm, raising=False
    )


def save(content, tmp_path):
    path = tmp_path / "checkpoint.pth"
    torch.save(content, path)
    return path


def by_hand(h, weights, prefix):
    """The projector's formula in evaluation mode, from the file's numbers."""
    w = {key.removeprefix(prefix): value for key, value in weights.items()}
    for linear, norm in ((0, 1), (3, 4)):
        h = h @ w[f"{linear}.weight"].T + w.get(f"{linear}.bias", 0)
        scale = w[f"{norm}.weight"] / (w[f"{norm}.running_var"] + 1e-5).sqrt()
        h = ((h - w[f"{norm}.running_mean"]) * scale + w[f"{norm}.bias"]).relu()
    return h @ w["6.weight"].T


@pytest.mark.parametrize(
    ("load", "bias", "name"),
    [(vicreg, True, "VICReg ResNet-50"), (barlow_twins, False, "Barlow Twins ResNet-50")],
)
def test_both_parts_are_those_of_the_file(load, bias, name, tmp_path):
    content = small.joint(bias=bias)
    model = load(save(content, tmp_path))
    assert model.name == name
    assert not model.backbone.training
    assert not model.head.training
    assert not any(p.requires_grad for p in model.head.parameters())
    images = torch.randn(2, 3, 64, 64, generator=small.seeded())
    h = model.backbone(images)
    assert h.shape == (2, small.WIDTH)
    first = F.conv2d(images, content["model"]["module.backbone.conv1.weight"], None, 2, 3)
    torch.testing.assert_close(model.backbone.conv1(images), first)
    expected = by_hand(h, content["model"], "module.projector.")
    torch.testing.assert_close(model.head(h), expected, atol=1e-5, rtol=1e-4)


def test_the_function_that_the_optimiser_names_is_not_run(tmp_path, monkeypatch):
    path = save(small.joint(), tmp_path)
    monkeypatch.delattr(sys.modules["__main__"], "exclude_bias_and_norm")
    assert vicreg(path).name == "VICReg ResNet-50"


class Payload:
    """A pickle of this runs a command when it is unpickled."""

    def __init__(self, command):
        self.command = command

    def __reduce__(self):
        return os.system, (self.command,)


@pytest.mark.parametrize("legacy", [False, True])
def test_code_in_a_checkpoint_is_refused_and_not_run(tmp_path, legacy):
    proof = tmp_path / "it-ran"
    content = small.joint() | {"epoch": Payload(f"touch '{proof}'")}
    path = tmp_path / "checkpoint.pth"
    torch.save(content, path, _use_new_zipfile_serialization=not legacy)
    with pytest.raises(ValueError, match="without running code from it"):
        vicreg(path)
    assert not proof.exists()
    torch.load(path, weights_only=False)  # the payload does work
    assert proof.exists()


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.999])
def test_a_truncated_file_is_refused(tmp_path, share):
    path = save(small.joint(), tmp_path)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(ValueError, match="must be a whole checkpoint of tensors"):
        vicreg(path)


def test_what_is_no_checkpoint_is_refused(tmp_path):
    path = tmp_path / "checkpoint.pth"
    path.write_text("<html>Not found</html>")
    with pytest.raises(ValueError, match="must be a whole checkpoint of tensors"):
        vicreg(path)
    with pytest.raises(FileNotFoundError, match="path must name a file"):
        vicreg(tmp_path / "none.pth")
    with pytest.raises(ValueError, match=r"must hold .model., as a full .* got list"):
        vicreg(save([1, 2], tmp_path))
    with pytest.raises(ValueError, match="must hold named tensors under 'model'"):
        vicreg(save({"model": {"a": 1}}, tmp_path))


def test_a_checkpoint_without_a_head_is_refused(tmp_path):
    content = small.joint()
    headless = {k: v for k, v in content["model"].items() if "projector" not in k}
    with pytest.raises(ValueError, match=r"must hold weights projector\.\*, got backbone"):
        vicreg(save({"model": headless}, tmp_path))
    plain = small.backbone_weights("")
    with pytest.raises(ValueError, match="the backbone alone has no head: take the full"):
        vicreg(save(plain, tmp_path))


def test_another_models_file_is_refused(tmp_path):
    with pytest.raises(ValueError, match="must hold 'model', as a full checkpoint does"):
        vicreg(save({"teacher": small.backbone_weights("backbone.")}, tmp_path))
    with pytest.raises(ValueError, match=r"backbone of .* got differences: .*layer1"):
        resnets.vicreg(save(small.joint(), tmp_path))  # a whole ResNet-50 is expected


def test_a_head_of_another_width_is_refused(tmp_path):
    path = save(small.joint(width=100), tmp_path)
    with pytest.raises(ValueError, match="layer 0 must take 512 numbers, got one that tak"):
        vicreg(path)


def test_a_head_that_does_not_fit_itself_is_refused(tmp_path):
    content = small.joint()
    key = "module.projector.3.weight"
    content["model"][key] = content["model"][key][:, :-1]
    with pytest.raises(ValueError, match="layer 3 must take 16 numbers, got one that take"):
        vicreg(save(content, tmp_path))
    content = small.joint()
    content["model"]["module.projector.1.extra"] = torch.zeros(1)
    with pytest.raises(ValueError, match=r"head of .* got differences: Unexpected key"):
        vicreg(save(content, tmp_path))
    content = small.joint()
    content["model"]["module.projector.first.weight"] = torch.zeros(1)
    with pytest.raises(ValueError, match="must be a sequence of layers 0, 1 and so on"):
        vicreg(save(content, tmp_path))
