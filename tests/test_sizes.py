"""Sizes: which settings, seeds and device a notebook's parameters lead to."""

import json

import jaxtyping
import pytest
import torch

from geomlib import sizes

TABLE = {
    "smoke": {"steps": 1, "rate": 0.5, "name": "a", "whole": True},
    "cpu": {"steps": 10, "rate": 0.1, "name": "b", "whole": True},
    "gpu": {"steps": 100, "rate": 0.01, "name": "c", "whole": False},
}


@pytest.fixture(autouse=True)
def results(tmp_path, monkeypatch):
    monkeypatch.setenv("GEOMLIB_RESULTS", str(tmp_path))
    return tmp_path


@pytest.fixture
def unchecked(monkeypatch):
    """Annotations off, as for users: the guards must then catch the mistake."""
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)


@pytest.fixture(params=[True, False], ids=["CUDA", "no CUDA"])
def cuda(request, monkeypatch) -> bool:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: request.param)
    return request.param


def choose(size="cpu", seeds=(7, 8, 9, 10), overrides=None, **changes) -> sizes.Run:
    return sizes.choose("demo", size, seeds, overrides or {}, **{**TABLE, **changes})


def test_auto_is_gpu_where_there_is_one(cuda):
    run = choose("auto")
    assert run.size == ("gpu" if cuda else "cpu")
    assert run.device.type == ("cuda" if cuda else "cpu")
    assert run.steps == (100 if cuda else 10)


def test_only_the_gpu_size_uses_the_gpu(cuda):
    devices = [choose(size).device.type for size in ("smoke", "cpu", "gpu")]
    assert devices == ["cpu", "cpu", "cuda" if cuda else "cpu"]


def test_smoke_keeps_the_first_seed_and_the_others_all():
    assert choose("smoke").seeds == (7,)
    assert choose("cpu").seeds == choose("gpu").seeds == (7, 8, 9, 10)
    assert choose("smoke").training_seeds == (7,)
    assert choose("cpu").training_seeds == (7, 8, 9)


def test_settings_are_those_of_the_size_with_overrides_applied():
    run = choose("gpu", overrides={"steps": 7, "rate": 1})
    assert (run.steps, run.rate, run.name, run.whole) == (7, 1, "c", False)
    assert run.overrides == {"steps": 7, "rate": 1}


def test_an_unknown_setting_is_named_with_the_known_ones():
    with pytest.raises(
        AttributeError, match="no setting 'width'; it has steps, rate, name"
    ):
        _ = choose().width
    assert not hasattr(choose(), "width")


def test_a_run_shows_what_it_is():
    shown = repr(choose(overrides={"steps": 7}))
    for part in ("demo at size cpu", "seeds: 7, 8, 9, 10", "steps=7", "overridden: steps"):
        assert part in shown
    assert "overridden" not in repr(choose())


def test_only_this_chapters_records_of_this_size_are_removed(results):
    for size in ("cpu", "gpu"):
        (results / size).mkdir()
        for chapter in ("demo", "other"):
            record = json.dumps({"chapter": chapter})
            (results / size / f"{chapter}.json").write_text(record)
    _ = choose("cpu")
    left = {str(path.relative_to(results)) for path in results.rglob("*.json")}
    assert left == {"cpu/other.json", "gpu/demo.json", "gpu/other.json"}


def test_a_record_that_another_run_removes_meanwhile_is_none_of_ours(results):
    # What a listing still names, and a reading finds no more.
    (results / "cpu").mkdir(parents=True)
    (results / "cpu" / "other-claim.json").symlink_to(results / "gone.json")
    choose(size="cpu")
    assert (results / "cpu" / "other-claim.json").is_symlink()


def test_a_refused_run_removes_nothing(results):
    (results / "cpu").mkdir()
    (results / "cpu" / "demo.json").write_text('{"chapter": "demo"}')
    with pytest.raises(ValueError, match="overrides must name settings"):
        choose(overrides={"width": 3})
    assert (results / "cpu" / "demo.json").exists()


@pytest.mark.usefixtures("unchecked")
class TestRefuses:
    def test_an_unknown_size(self):
        with pytest.raises(
            ValueError, match="size must be one of auto, smoke, cpu, gpu, got 'big'"
        ):
            choose("big")

    @pytest.mark.parametrize(
        "seeds", ["[7,8]", [], [True, False], [7, 7], [7.0], 7, None, {7, 8}]
    )
    def test_seeds_that_are_no_list_of_distinct_whole_numbers(self, seeds):
        with pytest.raises(ValueError, match="seeds must be a list of distinct") as error:
            choose(seeds=seeds)
        assert f"got {seeds!r}" in str(error.value)
        assert '-y "seeds: [7, 8]"' in str(error.value)

    def test_an_unknown_override_and_lists_the_known_ones(self):
        rule = r"settings of demo \(steps, rate, name, whole\), got 'stepz'"
        with pytest.raises(ValueError, match=rule):
            choose(overrides={"stepz": 3})

    @pytest.mark.parametrize(
        ("name", "value", "kind"),
        [
            ("steps", 1.5, "int"),
            ("steps", "100", "int"),
            ("steps", True, "int"),
            ("rate", True, "float"),
            ("name", 3, "str"),
            ("whole", 1, "bool"),
        ],
    )
    def test_an_override_of_another_type(self, name, value, kind):
        rule = rf"overrides\['{name}'\] must be of type {kind} .* got {value!r}"
        with pytest.raises(ValueError, match=rule):
            choose(overrides={name: value})

    def test_overrides_that_are_no_mapping(self):
        with pytest.raises(
            ValueError, match=r"overrides must be a mapping .* got 'steps: 3'"
        ):
            choose(overrides="steps: 3")

    def test_sizes_with_different_settings(self):
        with pytest.raises(
            ValueError, match="the same settings, got smoke: steps; cpu: st"
        ):
            choose(smoke={"steps": 1})
