"""Places: the variables are honoured, and a file is written whole or not at all."""

from pathlib import Path

import pytest

from geomlib import places


@pytest.fixture(autouse=True)
def unset(monkeypatch):
    for name in ("RESULTS", "ARTEFACTS", "CACHE", "DATA"):
        monkeypatch.delenv(f"GEOMLIB_{name}", raising=False)


def test_variables_are_honoured(monkeypatch, tmp_path):
    for name in ("results", "artefacts", "cache", "data"):
        (tmp_path / name).mkdir()
        monkeypatch.setenv(f"GEOMLIB_{name.upper()}", str(tmp_path / name))
        assert getattr(places, name)() == tmp_path / name


@pytest.mark.parametrize("name", ["results", "artefacts"])
def test_what_a_run_writes_is_beside_the_notebook_by_default(name, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert getattr(places, name)().resolve() == tmp_path / f"geomlib-{name}"


def test_cache_is_the_users_by_default(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert places.cache() == tmp_path / "xdg" / "geomlib"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert places.cache() == tmp_path / ".cache" / "geomlib"


def test_the_readers_data_may_be_missing():
    assert places.data() is None


def test_an_empty_variable_is_an_unset_one(monkeypatch):
    for name in ("RESULTS", "ARTEFACTS", "CACHE", "DATA"):
        monkeypatch.setenv(f"GEOMLIB_{name}", "")
    assert places.results() == Path("geomlib-results")
    assert places.artefacts() == Path("geomlib-artefacts")
    assert places.cache().name == "geomlib"
    assert places.data() is None


@pytest.mark.parametrize("kind", ["nowhere", "a file"])
def test_data_must_lead_to_a_folder(kind, monkeypatch, tmp_path):
    path = tmp_path / "data"
    if kind == "a file":
        path.touch()
    monkeypatch.setenv("GEOMLIB_DATA", str(path))
    with pytest.raises(FileNotFoundError, match=r"GEOMLIB_DATA must name .* got '.*data'"):
        places.data()


def test_write_text_makes_the_folder_and_replaces_the_file(tmp_path):
    path = tmp_path / "new" / "folder" / "file.json"
    for text in ("ρ and τ\n", "shorter\n"):
        places.write_text(path, text)
        assert path.read_bytes() == text.encode("utf-8")
        assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("step", ["write_bytes", "replace"])
def test_write_text_that_fails_leaves_the_old_file(step, monkeypatch, tmp_path):
    path = tmp_path / "file.json"
    path.write_text("old")

    def fail(self, *_, **__):
        with self.open("wb") as file:
            file.write(b"ha")  # half of what was wanted
        raise OSError("disk full")

    monkeypatch.setattr(Path, step, fail)
    with pytest.raises(OSError, match="disk full"):
        places.write_text(path, "half")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]
