"""The generator by counting, and its style space against its own layers."""

import pytest
import torch

from geomlib.models.stylegan2.generator import Generator, official_channels


def small(**changes):
    settings = {"latent": 8, "num_channels": 1, "num_mapping_layers": 2, "seed": 0}
    return Generator({4: 6, 8: 5, 16: 4}, **settings | changes).eval()


def test_at_1024_pixels_it_has_the_published_size():
    with torch.device("meta"):
        generator = Generator(official_channels(1024), seed=0)
    count = {
        part: sum(p.numel() for p in module.parameters())
        for part, module in generator.named_children()
    }
    assert count == {"mapping": 2_101_248, "synthesis": 28_268_812}
    assert sum(count.values()) == 30_370_060
    assert generator.synthesis.num_styles == 9088
    assert len(generator.state_dict()) == 182
    colours = sum(
        width
        for (name, _), width in zip(
            generator.synthesis.layers(), generator.synthesis.widths, strict=True
        )
        if name.endswith("torgb")
    )
    assert (colours, 9088 - colours) == (3040, 6048)


def test_styles_are_an_affine_function_of_the_latent():
    generator = small().double()
    w = torch.randn(5, 8, dtype=torch.float64)
    A, b = generator.synthesis.affine()
    torch.testing.assert_close(generator.synthesis.styles(w), w @ A.T + b)
    assert A.shape == (6 * 2 + 6 + 5 * 2 + 5 + 4 * 2, 8)


def test_styles_stand_in_the_order_of_the_layers():
    generator = small()
    w = torch.randn(2, 8)
    parts = generator.synthesis.styles(w).split(generator.synthesis.widths, 1)
    names = [name for name, _ in generator.synthesis.layers()]
    assert names == ["b4.conv1", "b4.torgb"] + [
        f"b{side}.{kind}" for side in (8, 16) for kind in ("conv0", "conv1", "torgb")
    ]
    for name, part in zip(names, parts, strict=True):
        layer = generator.synthesis.get_submodule(name)
        torch.testing.assert_close(layer.affine(w), part)


def test_a_style_of_a_late_layer_leaves_coarse_colours_alone():
    generator = small()
    styles = generator.synthesis.styles(torch.randn(1, 8))
    changed = styles.clone()
    changed[:, -1] += 5.0  # a style of the last layer to colours: it acts pixel by pixel
    apart = generator.synthesis(changed) - generator.synthesis(styles)
    assert apart.abs().max() > 0
    changed = styles.clone()
    changed[:, 0] += 5.0
    assert (generator.synthesis(changed) - generator.synthesis(styles)).abs().min() > 0


def test_one_image_alone_is_that_of_the_batch():
    # Alone the weights are scaled, in a batch the maps.
    generator = small().double()
    z = torch.randn(3, 8, dtype=torch.float64)
    torch.testing.assert_close(generator(z)[:1], generator(z[:1]))


def test_truncation_at_zero_gives_the_mean_latent():
    generator = small()
    generator.mapping.follow(torch.ones(4, 8), decay=0.5)
    w = generator.mapping(torch.randn(3, 8), truncation=0.0)
    torch.testing.assert_close(w, torch.full((3, 8), 0.5))


def test_noise_is_stored_drawn_or_absent():
    generator = small()
    for _, layer in generator.synthesis.layers():
        if hasattr(layer, "noise_strength"):
            torch.nn.init.constant_(layer.noise_strength, 0.3)
    z = torch.randn(2, 8)
    draw = torch.Generator
    first, again, other = (generator(z, noise=draw().manual_seed(s)) for s in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.equal(generator(z), generator(z))
    assert not torch.equal(generator(z), generator(z, noise="none"))


def test_clamp_bounds_what_layers_give():
    assert small(clamp=0.01)(torch.randn(2, 8)).abs().max() < 0.1
    assert small()(torch.randn(2, 8)).abs().max() > 0.1


def test_seed_decides_the_weights_and_the_global_state_stays():
    state = torch.get_rng_state()
    first, again, other = (small(seed=s).state_dict() for s in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["synthesis.b4.const"], other["synthesis.b4.const"])


def test_bad_inputs_are_refused():
    with pytest.raises(ValueError, match="resolution must be a power of 2 from 4, got 48"):
        official_channels(48)
    with pytest.raises(ValueError, match="channels must be for sides 4, 8"):
        Generator({4: 8, 16: 8}, seed=0)
    with pytest.raises(ValueError, match="latent must be at least 1"):
        small(latent=0)
