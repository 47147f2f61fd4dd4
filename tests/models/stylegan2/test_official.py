"""Official weights: forged pickles of the official form, and hostile ones."""

import os
import pickle
import sys
import types
from pathlib import Path

import numpy as np
import pytest
import torch

from geomlib.models.stylegan2.generator import Generator, official_channels
from geomlib.models.stylegan2.official import from_official, official
from geomlib.models.stylegan2.placeholders import Stored, read

CHANNELS = {4: 6, 8: 5, 16: 4}


def small(seed=0):
    return Generator(CHANNELS, latent=8, num_mapping_layers=2, seed=seed).eval()


class Persistent:
    """Pickles as the official code does: a function of that code, and a dictionary."""

    def __init__(self, module, **attributes):
        parts = {
            name: Persistent(part, **attributes) for name, part in module._modules.items()
        }
        state = {
            "_parameters": dict(module._parameters),
            "_buffers": dict(module._buffers),
            "_modules": parts,
            "_non_persistent_buffers_set": set(),
            "training": False,
            "weight_gain": np.float64(0.5) / np.sqrt(3),
            **attributes,
        }
        self.meta = {
            "type": "class",
            "version": 6,
            "module_src": "raise RuntimeError('source of the file was run')",
            "class_name": type(module).__name__,
            "state": state,
        }

    def __reduce__(self):
        return sys.modules["torch_utils.persistence"]._reconstruct_persistent_obj, (
            self.meta,
        )


@pytest.fixture
def official_code(monkeypatch):
    """Modules of the names that official pickles hold; present while one is written."""

    def must_not_run(meta):
        raise RuntimeError("the official reader was run")

    def module(name, **members):
        made = types.ModuleType(name)
        for key, member in members.items():
            member.__module__, member.__qualname__ = name, key
            setattr(made, key, member)
        monkeypatch.setitem(sys.modules, name, made)
        return made

    module("torch_utils")
    module("torch_utils.persistence", _reconstruct_persistent_obj=must_not_run)
    module("dnnlib")
    module("dnnlib.util", EasyDict=type("EasyDict", (dict,), {}))
    module("dnnlib.tflib")
    module("dnnlib.tflib.network", Network=type("Network", (), {}))
    return sys.modules


def write(path: Path, content, protocol=3):
    path.write_bytes(pickle.dumps(content, protocol=protocol))
    return path


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_a_pickle_of_the_official_form_is_read(tmp_path, official_code, protocol):
    generator = small(seed=3)
    easy = official_code["dnnlib.util"].EasyDict(use_labels=False)
    networks = {"G_ema": Persistent(generator), "training_set_kwargs": easy, "D": None}
    path = write(tmp_path / "model.pkl", networks, protocol)
    for name in list(official_code):
        if name.split(".")[0] in ("torch_utils", "dnnlib"):
            del official_code[name]  # a reader has none of this code
    found = official(path, resolution=16)
    z = torch.randn(2, 8)
    assert torch.equal(found(z), generator(z))
    assert not any(p.requires_grad for p in found.parameters())


def test_the_clamp_of_the_file_is_kept(tmp_path, official_code):
    networks = {"G_ema": Persistent(small(), conv_clamp=256)}
    found = official(write(tmp_path / "model.pkl", networks))
    assert {layer.clamp for _, layer in found.synthesis.layers()} == {256}


def test_a_state_dict_at_1024_pixels_loads_strictly():
    with torch.device("meta"):
        weights = Generator(official_channels(1024), seed=0).state_dict()
        assert len(weights) == 182
        found = from_official(weights, resolution=1024)
        assert found.synthesis.num_styles == 9088
        fewer = {k: v for k, v in weights.items() if k != "synthesis.b1024.torgb.bias"}
        with pytest.raises(ValueError, match=r"Missing key.*b1024\.torgb\.bias"):
            from_official(fewer)


def test_a_saved_state_dict_is_read(tmp_path):
    generator = small(seed=4)
    torch.save(generator.state_dict(), tmp_path / "weights.pt")
    found = official(tmp_path / "weights.pt")
    z = torch.randn(2, 8)
    assert torch.equal(found(z), generator(z))


class Runs:
    """Runs a command when it is unpickled in the ordinary way."""

    def __init__(self, command, function=os.system):
        self.command, self.function = command, function

    def __reduce__(self):
        return self.function, (self.command,)


@pytest.mark.parametrize("protocol", [0, 2, 4])
@pytest.mark.parametrize("function", [os.system, eval, exec, __import__, getattr])
def test_a_payload_is_refused_and_nothing_runs(tmp_path, official_code, protocol, function):
    trace = tmp_path / "trace"
    command = f"touch {trace}" if function is os.system else f"open({str(trace)!r}, 'w')"
    networks = {"G_ema": Persistent(small()), "D": Runs(command, function)}
    path = write(tmp_path / "model.pkl", networks, protocol)
    with pytest.raises(ValueError, match=r"must ask for parts of StyleGAN2 only, got"):
        official(path)
    assert not trace.exists()


def test_the_payload_would_run(tmp_path):
    # So that the test above refuses something real.
    trace = tmp_path / "trace"
    pickle.loads(pickle.dumps(Runs(f"touch {trace}")))
    assert trace.exists()


def test_a_payload_inside_a_storage_is_refused(tmp_path):
    trace = tmp_path / "trace"
    inner = pickle.dumps(Runs(f"touch {trace}"))
    path = write(tmp_path / "a.pkl", Runs(inner, torch.storage._load_from_bytes))
    with pytest.raises(ValueError, match="must be a whole official pickle"):
        read(path)
    assert not trace.exists()


def test_functions_of_known_packages_do_nothing(tmp_path):
    trace = tmp_path / "trace.npy"
    path = write(tmp_path / "a.pkl", {"x": Runs(str(trace), np.save)})
    content = read(path)
    assert type(content["x"]).__name__ == "Placeholder"
    assert not trace.exists()


def test_a_name_with_dots_leads_nowhere(tmp_path):
    # STACK_GLOBAL of ("torch", "serialization.os.system"), called with a command.
    trace = tmp_path / "trace"
    stream = b"\x80\x04" + b"".join(
        b"\x8c" + bytes([len(text)]) + text
        for text in (b"torch", b"serialization.os.system")
    )
    command = f"touch {trace}".encode()
    stream += b"\x93\x8c" + bytes([len(command)]) + command + b"\x85R."
    with pytest.raises(AttributeError):  # the ordinary reader would follow such names
        pickle.loads(stream.replace(b"serialization.os.system", b"serialization.os.systen"))
    (tmp_path / "a.pkl").write_bytes(stream)
    with pytest.raises(ValueError, match="must hold networks by name, got Placeholder"):
        read(tmp_path / "a.pkl")
    assert not trace.exists()


def test_what_one_file_sets_does_not_reach_the_next(tmp_path, official_code):
    # BUILD with a pair sets attributes: here on the function that builds tensors.
    stream = b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\nN}X\x0c\x00\x00\x00__defaults__N"
    (tmp_path / "a.pkl").write_bytes(stream + b"s\x86b.")
    with pytest.raises(ValueError, match="must hold networks by name"):
        read(tmp_path / "a.pkl")
    path = write(tmp_path / "model.pkl", {"G_ema": Persistent(small())})
    assert official(path).synthesis.num_styles == small().synthesis.num_styles


def test_a_tensor_larger_than_its_storage_is_refused(tmp_path):
    def of_size(size, stride):
        storage = torch.storage.TypedStorage(
            wrap_storage=torch.ones(4).untyped_storage(),
            dtype=torch.float32,
            _internal=True,
        )
        arguments = (storage, 0, size, stride, False, {})
        return type(
            "Large",
            (),
            {"__reduce__": lambda _: (torch._utils._rebuild_tensor_v2, arguments)},
        )()

    path = write(tmp_path / "a.pkl", {"x": of_size((10**12,), (0,))})
    with pytest.raises(
        ValueError, match=r"a tensor of \(1000000000000,\) in a storage of 4"
    ):
        read(path)


def test_a_truncated_file_is_refused(tmp_path, official_code):
    path = write(tmp_path / "model.pkl", {"G_ema": Persistent(small())})
    whole = path.read_bytes()
    for length in (0, 1, 100, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(ValueError, match=r"must be a whole official pickle, got one"):
            official(path)


def test_a_tensorflow_pickle_is_refused(tmp_path, official_code):
    network = official_code["dnnlib.tflib.network"].Network
    path = write(tmp_path / "ffhq.pkl", (network(), network(), network()))
    with pytest.raises(ValueError, match="got one of the TensorFlow version"):
        official(path)


def test_another_resolution_is_refused(tmp_path, official_code):
    path = write(tmp_path / "model.pkl", {"G_ema": Persistent(small())})
    with pytest.raises(
        ValueError, match="resolution must be that of the file, 16 pixels, got"
    ):
        official(path, resolution=1024)


def test_other_networks_are_refused(tmp_path, official_code):
    path = write(tmp_path / "model.pkl", {"G_ema": Persistent(torch.nn.Linear(2, 2))})
    with pytest.raises(ValueError, match="must be of an official StyleGAN2 generator"):
        official(path)
    with pytest.raises(ValueError, match="must hold a network 'G', got none"):
        official(path, network="G")
    conditional = small().state_dict() | {"mapping.embed.weight": torch.zeros(8, 10)}
    with pytest.raises(ValueError, match=r"Unexpected key.*mapping\.embed"):
        from_official(conditional)
    with pytest.raises(FileNotFoundError, match="path must name a file"):
        read(tmp_path / "nothing.pkl")


def test_numbers_of_parts_are_found():
    inner = Stored("Layer", {"conv_clamp": 256})
    other = Stored("Layer", {"conv_clamp": None})
    outer = Stored("Block", {"_modules": {"a": inner, "b": other}})
    assert outer.values("conv_clamp") == {256, None}
    assert outer.values("nothing") == set()
