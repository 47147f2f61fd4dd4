"""The files that say what to install, and what every tracked file must not say."""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.markers import Marker, default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import geomlib

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]
CLUSTER = EXTRAS["cluster"]
# The only bounds from above; pyproject.toml says why beside each.
PINNED = {"jupyter-book", "sphinx-book-theme"}
PYPI_NAMES = {"pytorch": "torch"}
PIN = re.compile(r"([a-z0-9.-]+)==(\S+)(?: ; (.+))? \\")


def by_name(lines: list[str]) -> dict[str, Requirement]:
    requirements = [Requirement(line) for line in lines]
    named = {canonicalize_name(r.name): r for r in requirements}
    assert len(named) == len(lines), "a package is listed twice"
    return named


def wanted() -> dict[str, Requirement]:
    return by_name([*PROJECT["dependencies"], *EXTRAS["book"], *EXTRAS["test"], *CLUSTER])


def locked() -> list[tuple[str, str, str | None]]:
    """Name, version and marker of every line of the lock that pins a package."""
    text = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    return [match.groups() for match in map(PIN.fullmatch, text.splitlines()) if match]


def tracked() -> list[Path]:
    """Files that git tracks, or would after ``git add``."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode:
        pytest.skip("not a git checkout")
    names = listed.stdout.split("\0")
    return [ROOT / name for name in names if name and (ROOT / name).is_file()]


def lines_of(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError:
        return []


def test_environment_holds_the_requirements_of_pyproject_and_nothing_else():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    assert environment["name"] == "geomlib"
    assert environment["channels"][0] == "conda-forge"
    *conda, pip = environment["dependencies"]
    assert conda[:2] == [f"python{PROJECT['requires-python']}", "pip"]
    *from_pypi, library = pip["pip"]
    assert library == "-e ."
    there = {
        PYPI_NAMES.get(name, name): requirement.specifier
        for name, requirement in by_name([*conda[2:], *from_pypi]).items()
    }
    assert there == {name: r.specifier for name, r in wanted().items()}


def test_dependencies_have_a_lower_bound_only():
    for line in PROJECT["dependencies"] + EXTRAS["test"]:
        operators = [part.operator for part in Requirement(line).specifier]
        assert operators == [">="], line


def test_only_documented_pins_in_the_other_extras():
    for line in [line for extra in EXTRAS.values() for line in extra]:
        requirement = Requirement(line)
        operators = {part.operator for part in requirement.specifier}
        assert operators == {">="} or requirement.name in PINNED, line


def test_lock_holds_pins_hashes_and_comments_only():
    text = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    # No link, no index, no path: what is not one of these three is refused.
    hashed = re.compile(r" {4}--hash=sha256:[0-9a-f]{64}( \\)?")
    comment = re.compile(r" {4}#( via| +)[\w ()./-]*")
    for line in text.splitlines():
        assert any(kind.fullmatch(line) for kind in (PIN, hashed, comment)), line
        if comment.fullmatch(line):
            assert "/" not in line, line


def test_every_locked_package_has_hashes():
    lines = (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines()
    pins = [number for number, line in enumerate(lines) if "==" in line.split(" ;")[0]]
    assert len(pins) == len(locked()) > 0
    for number in pins:
        assert lines[number + 1].lstrip().startswith("--hash=sha256:"), lines[number]


@pytest.mark.parametrize("python", ["3.11", "3.12", "3.13"])
def test_lock_has_one_version_of_each_requirement(python: str):
    environment = {
        **default_environment(),
        "python_version": python,
        "python_full_version": f"{python}.5",
    }
    found: dict[str, list[str]] = {}
    for name, version, marker in locked():
        if marker is None or Marker(marker).evaluate(environment):
            found.setdefault(canonicalize_name(name), []).append(version)
    assert [name for name, versions in found.items() if len(versions) > 1] == []
    for name, requirement in wanted().items():
        assert requirement.specifier.contains(found[name][0], prereleases=True), name


def test_lock_was_solved_for_what_make_needs_alone():
    # uv notes under each package who asked for it; the benchmarks' peers stay outside.
    asked, name = set(), ""
    for line in (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines():
        if match := PIN.fullmatch(line):
            name = canonicalize_name(match[1])
        elif "projection-geometry (pyproject.toml)" in line:
            asked.add(name)
    assert asked == set(wanted())


def test_citation_names_this_version():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["cff-version"] == "1.2.0"
    assert citation["version"] == geomlib.__version__
    assert citation["url"] == PROJECT["urls"]["Homepage"]
    assert citation["authors"] == PROJECT["authors"]
    assert {"message", "title"} <= citation.keys()


def test_the_other_geomlib_is_never_installed():
    # PyPI's geomlib is another library; it may be named to warn of it, and only then.
    order = re.compile(r"pip3? install (\S+ )*geomlib\b")
    for path in tracked():
        lines = lines_of(path)
        for number, line in enumerate(lines):
            around = " ".join(lines[max(0, number - 1) : number + 1]).lower()
            assert not order.search(line) or "never" in around, f"{path}: {line}"


def test_no_machine_path_in_a_tracked_file():
    machine = re.compile(r"(?<![\w.:/}+*-])/(work|root|home|tmp|mnt|Users)/")
    for path in tracked():
        for line in lines_of(path):
            assert not machine.search(line), f"{path}: {line[:200]}"
