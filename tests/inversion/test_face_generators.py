"""Which file of weights is taken, and where the named styles lie."""

import pytest
import torch

from geomlib.inversion.faces import NAMES, generator_of, named_styles, weights_in
from geomlib.inversion.gan import digit_generator
from geomlib.models.stylegan2.generator import Generator, official_channels


def test_a_given_file_comes_first_then_the_folder(tmp_path):
    assert weights_in(tmp_path) is None
    for name in NAMES:
        (tmp_path / name).touch()
    assert weights_in(tmp_path) == tmp_path / NAMES[0]
    (tmp_path / NAMES[0]).unlink()
    assert weights_in(tmp_path) == tmp_path / NAMES[1]
    own = tmp_path / "own.pt"
    own.touch()
    assert weights_in(tmp_path, given=str(own)) == own
    with pytest.raises(FileNotFoundError, match="given must name a file of weights"):
        weights_in(tmp_path, given="nowhere.pt")


def test_the_ending_says_how_a_file_is_read(tmp_path):
    # An official state dict, saved as PyTorch saves: the names of its layers decide.
    path = tmp_path / "digits.pkl"
    generator = digit_generator(0).eval()
    torch.save(generator.state_dict(), path)
    z = torch.randn(2, 16)
    assert torch.equal(generator_of(path)(z), generator(z))
    with pytest.raises(ValueError, match="must hold 'g_ema'"):
        generator_of(path.rename(tmp_path / "digits.pt"))
    with pytest.raises(ValueError, match=r"ending of path must be one of \.pt, \.pkl"):
        generator_of(tmp_path / "digits.txt")


def test_named_styles_lie_where_the_published_code_has_them():
    with torch.device("meta"):
        generator = Generator(official_channels(1024), seed=0)
    found = named_styles(generator.synthesis).tolist()
    # First, last and two between, as flat positions in the published code; by hand, the
    # 15 layers up to the one for 128 pixels have 512 styles each.
    assert found == sorted(set(found))
    assert len(found) == 33
    assert {2 * 512 + 97, 6 * 512 + 501, 6623, 15 * 512 + 45} <= set(found)


def test_other_models_are_refused():
    with pytest.raises(ValueError, match="synthesis must have 9088 styles, got 128"):
        named_styles(digit_generator(0).synthesis)
