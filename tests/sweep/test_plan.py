"""Runs of a sweep: every combination once, bad words refused before anything starts."""

import json
from pathlib import Path

import pytest
from sweep_notebook import write_notebook

from geomlib.sweep import plan


@pytest.fixture
def notebook(tmp_path: Path) -> Path:
    return write_notebook(tmp_path / "toy.ipynb")


def test_every_combination_is_one_run(notebook: Path):
    settings = {"width": [2, 4], "data": ["a", "b"]}
    tasks = plan.planned(notebook, size="cpu", seeds=[5, 7, 9], settings=settings)
    found = {(t.seed, t.overrides["width"], t.overrides["data"]) for t in tasks}
    assert found == {(s, w, d) for s in (5, 7, 9) for w in (2, 4) for d in "ab"}
    assert len(tasks) == len({t.key for t in tasks}) == 12
    assert {(t.chapter, t.size) for t in tasks} == {("toy", "cpu")}


def test_the_key_follows_what_the_result_depends_on(notebook: Path, tmp_path: Path):
    def key(path: Path = notebook, *, size: str = "cpu", **settings: list[object]) -> str:
        return plan.planned(path, size=size, seeds=[5], settings=settings)[0].key

    other = write_notebook(tmp_path / "toy2.ipynb", extra="1 + 1")
    keys = {key(), key(size="smoke"), key(width=[2]), key(width=[3]), key(other)}
    assert len(keys) == 5
    (tmp_path / "copy").mkdir()
    cells = json.loads(notebook.read_text())
    cells["cells"][0]["source"] = "# Other words"
    (tmp_path / "copy" / "toy.ipynb").write_text(json.dumps(cells))
    assert key(tmp_path / "copy" / "toy.ipynb") == key()  # words change no result


def test_other_code_of_the_library_makes_other_keys(notebook: Path, monkeypatch):
    first = plan.planned(notebook, size="cpu", seeds=[5], settings={})[0].key
    monkeypatch.setattr(plan, "_library", lambda: "another")
    assert plan.planned(notebook, size="cpu", seeds=[5], settings={})[0].key != first


@pytest.mark.parametrize(
    ("seeds", "settings", "message"),
    [
        ([], {}, r"1 to 10000 runs, got 0\. .* half-open"),
        (range(101), {"width": list(range(100))}, "1 to 10000 runs, got 10100"),
        ([5], {"width": []}, "got 0"),
        ([5, 5], {}, "seeds must be distinct"),
        ([5], {"width": [2, 2]}, "values of a setting must be distinct"),
        ([5], {"depth": [2]}, r"settings must be ones that toy.ipynb has .width, nap"),
        ([5], {"width": ["a"]}, "must be of type int like its setting 4, got 'a'"),
    ],
)
def test_bad_grids_are_refused(notebook: Path, seeds, settings, message):
    with pytest.raises(ValueError, match=message):
        plan.planned(notebook, size="cpu", seeds=seeds, settings=settings)


def test_the_largest_grid_is_planned(notebook: Path):
    settings = {"width": list(range(100))}
    tasks = plan.planned(notebook, size="cpu", seeds=range(100), settings=settings)
    assert len(tasks) == 10_000


def test_files_that_are_no_notebooks_are_refused(tmp_path: Path):
    def planned(path: Path) -> None:
        plan.planned(path, size="cpu", seeds=[5], settings={})

    with pytest.raises(FileNotFoundError, match="notebook must be an existing file"):
        planned(tmp_path / "absent.ipynb")
    for text in ("{}", "no JSON", "[1]"):
        (tmp_path / "x.ipynb").write_text(text)
        with pytest.raises(ValueError, match="must be a Jupyter notebook of format 4"):
            planned(tmp_path / "x.ipynb")
    (tmp_path / "x.ipynb").write_text('{"cells": []}')
    with pytest.raises(ValueError, match=r"must choose a size .*x.ipynb, which does not"):
        planned(tmp_path / "x.ipynb")
    write_notebook(tmp_path / "toy.ipynb")
    with pytest.raises(ValueError, match="size must be one of smoke, cpu, gpu, got 'auto'"):
        plan.planned(tmp_path / "toy.ipynb", size="auto", seeds=[5], settings={})


def test_a_setting_whose_value_is_a_name_is_known_by_name(tmp_path: Path):
    path = write_notebook(tmp_path / "toy.ipynb")
    text = path.read_text()
    path.write_text(text.replace("cpu=dict(width=4", "cpu=dict(width=WIDTH"))
    assert path.read_text() != text
    settings = {"width": ["eight"], "nap": [1.0]}
    (task,) = plan.planned(path, size="cpu", seeds=[5], settings=settings)
    assert task.overrides == {"width": "eight", "nap": 1.0}
    with pytest.raises(ValueError, match="must be of type float"):
        plan.planned(path, size="cpu", seeds=[5], settings={"nap": ["long"]})


def test_every_notebook_of_the_book_can_be_swept():
    for path in sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb")):
        tasks = plan.planned(path, size="cpu", seeds=[5, 7], settings={})
        assert [task.chapter for task in tasks] == [path.stem] * 2


@pytest.mark.parametrize("text", ["", "a", "1:b", "1,,2", "1-5"])
def test_seeds_that_do_not_read(text: str):
    with pytest.raises(ValueError, match="seeds must read FIRST:END"):
        plan.seeds_of(text)


@pytest.mark.parametrize("word", ["width", "=3", "width="])
def test_settings_that_do_not_read(word: str):
    with pytest.raises(ValueError, match="settings must read name=value,value"):
        plan.settings_of([word])
    with pytest.raises(ValueError, match="given once each, got width twice"):
        plan.settings_of(["width=1", "width=2"])


def test_values_are_literals_or_words():
    found = plan.settings_of(["a=1,2.5", "b=True", "c=mlp,linear", "d=[1, 2],[3]"])
    assert found == {"a": [1, 2.5], "b": [True], "c": ["mlp", "linear"], "d": [[1, 2], [3]]}
