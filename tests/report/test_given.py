"""A model of the reader's: what is built, what is loaded, what is refused and not run."""

import os
from pathlib import Path

import pytest
import torch
from torch import nn

from geomlib.report.given import built, load_weights


class Model(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.backbone = nn.Linear(3, 2)
        self.head = nn.Linear(2, 2)


MADE = """
from torch import nn

def pair():
    return nn.Linear(3, 2), nn.Linear(2, 2)

class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.backbone, self.head = pair()

def nothing():
    return nn.Linear(3, 2)
"""


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "made_here.py").write_text(MADE)
    monkeypatch.syspath_prepend(tmp_path)


@pytest.mark.usefixtures("made")
@pytest.mark.parametrize("function", ["pair", "Model"])
def test_a_pair_or_a_module_with_two_parts(function: str):
    backbone, head = built(f"made_here:{function}")
    assert isinstance(backbone, nn.Linear)
    assert head(backbone(torch.ones(5, 3))).shape == (5, 2)


@pytest.mark.usefixtures("made")
@pytest.mark.parametrize(
    ("factory", "message"),
    [
        ("made_here", "model must be package.module:function"),
        (":pair", "model must be package.module:function"),
        ("made_here:absent", "must name a function that can be imported"),
        ("not_there_at_all:pair", "must name a function that can be imported"),
        ("made_here:nothing", "must return a backbone and a head.*got Linear"),
    ],
)
def test_a_factory_that_is_none(factory: str, message: str):
    with pytest.raises(ValueError, match=message):
        built(factory)


@pytest.mark.parametrize("wrapper", [None, "model", "state_dict"])
@pytest.mark.parametrize("prefix", ["", "module."])
def test_weights_arrive(tmp_path: Path, wrapper: str | None, prefix: str):
    source, target = Model(), Model()
    state = {prefix + name: t for name, t in source.state_dict().items()}
    state["queue"] = torch.zeros(3)  # what a training script keeps beside
    torch.save({wrapper: state, "epoch": 3} if wrapper else state, tmp_path / "f.pt")
    load_weights(target.backbone, target.head, tmp_path / "f.pt")
    for name, tensor in source.state_dict().items():
        assert torch.equal(target.state_dict()[name], tensor)


def test_a_head_without_weights_needs_none(tmp_path: Path):
    backbone = nn.Linear(3, 2)
    torch.save(
        {"backbone." + n: t for n, t in backbone.state_dict().items()}, tmp_path / "f"
    )
    load_weights(nn.Linear(3, 2), nn.Identity(), tmp_path / "f")


class Payload:
    """A pickle that runs a command when it is opened."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, ...]:
        return os.system, (f"touch {self.mark}",)


def changed(**changes: torch.Tensor | None) -> dict[str, torch.Tensor]:
    state = dict(Model().state_dict())
    for name, tensor in changes.items():
        name = name.replace("__", ".")
        if tensor is None:
            state = {n: t for n, t in state.items() if not n.startswith(name)}
        else:
            state[name] = tensor
    return state


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (changed(head=None), "must hold weights of a head"),
        (changed(backbone=None), "must hold weights of a backbone"),
        (changed(head__bias=None), "1 missing .*bias"),
        (changed(head__extra=torch.zeros(1)), "1 too many .*extra"),
        (changed(head__weight=torch.zeros(2, 5)), r"\(2, 2\), got \(2, 5\)"),
        ([1, 2], "must hold a state dict, got list"),
        ({"model": 3}, "must hold weights of a backbone"),
    ],
)
def test_a_checkpoint_that_does_not_fit(tmp_path: Path, content: object, message: str):
    torch.save(content, tmp_path / "f.pt")
    model = Model()
    before = {name: t.clone() for name, t in model.state_dict().items()}
    with pytest.raises(ValueError, match=message):
        load_weights(model.backbone, model.head, tmp_path / "f.pt")
    assert all(torch.equal(model.state_dict()[name], t) for name, t in before.items())


def test_nothing_in_a_checkpoint_is_run(tmp_path: Path):
    mark = tmp_path / "mark"
    torch.save({"model": Payload(mark)}, tmp_path / "f.pt")
    with pytest.raises(ValueError, match="cannot be read without running"):
        load_weights(nn.Linear(3, 2), nn.Linear(2, 2), tmp_path / "f.pt")
    assert not mark.exists()


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
def test_a_checkpoint_cut_short(tmp_path: Path, share: float):
    torch.save(Model().state_dict(), tmp_path / "whole")
    content = (tmp_path / "whole").read_bytes()
    (tmp_path / "f.pt").write_bytes(content[: int(share * len(content))])
    with pytest.raises(ValueError, match="must be a whole checkpoint"):
        load_weights(nn.Linear(3, 2), nn.Linear(2, 2), tmp_path / "f.pt")
    with pytest.raises(FileNotFoundError, match="must name a file"):
        load_weights(nn.Linear(3, 2), nn.Linear(2, 2), tmp_path / "absent.pt")
