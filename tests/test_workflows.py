"""What the workflows name exists, and they name it as the rest of the project does."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
PYTHONS = SpecifierSet(PROJECT["requires-python"])
# The only job that may do more than read, and what it needs for it.
WRITES = {
    ("book", "publish"): {"pages": "write", "id-token": "write"},
    ("release", "release"): {"contents": "write"},
}


def load(name: str) -> dict[Any, Any]:
    text = (ROOT / ".github" / "workflows" / f"{name}.yml").read_text(encoding="utf-8")
    return yaml.safe_load(text)


def steps(workflow: dict[Any, Any]) -> list[dict[str, Any]]:
    return [step for job in workflow["jobs"].values() for step in job["steps"]]


def commands(name: str) -> list[str]:
    """Lines that a workflow runs."""
    runs = [step["run"] for step in steps(load(name)) if "run" in step]
    return [line.strip() for run in runs for line in run.splitlines()]


def matrix(name: str) -> dict[str, Any]:
    (job,) = load(name)["jobs"].values()
    return job["strategy"]["matrix"]


def test_there_are_the_three():
    assert [path.stem for path in WORKFLOWS] == ["book", "release", "weekly"]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_workflow_is_bounded_and_may_only_read(path: Path):
    workflow = load(path.stem)
    # YAML reads the bare word `on` as true.
    assert set(workflow) == {"name", True, "permissions", "concurrency", "jobs"}
    assert workflow["name"] == path.stem
    assert workflow["permissions"] == {"contents": "read"}
    for name, job in workflow["jobs"].items():
        assert job["timeout-minutes"] <= 90
        assert job.get("permissions") == WRITES.get((path.stem, name))
        assert job.get("needs", "build") in workflow["jobs"] or "needs" not in job


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_steps_are_commands_or_official_actions_of_a_major_version(path: Path):
    for step in steps(load(path.stem)):
        assert ("run" in step) != ("uses" in step)
        if "uses" in step:
            assert re.fullmatch(r"actions/[a-z-]+@v\d+", step["uses"])
        if step.get("uses", "").startswith("actions/checkout@"):
            assert step["with"] == {"persist-credentials": False}


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_commands_name_targets_and_tools_that_exist(path: Path):
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))
    for line in commands(path.stem):
        assert set(re.findall(r"\bmake ([\w-]+)", line)) <= targets, line
        for tool in re.findall(r"\btools/\w+\.py\b", line):
            assert (ROOT / tool).is_file(), line


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_pythons_are_allowed(path: Path):
    wanted = [
        step["with"]["python-version"]
        for step in steps(load(path.stem))
        if step.get("uses", "").startswith("actions/setup-python@")
    ]
    if path.stem == "weekly":
        assert wanted == ["${{ matrix.python }}"]
        wanted = matrix("weekly")["python"]
        # The oldest and the newest.
        allowed = [f"3.{minor}" for minor in range(30) if f"3.{minor}" in PYTHONS]
        assert wanted == [allowed[0], allowed[-1]]
    assert wanted
    assert all(version in PYTHONS for version in wanted)


def test_weekly_runs_the_oldest_torch_allowed_and_the_newest():
    oldest, newest = matrix("weekly")["torch"]
    bounds = {Requirement(line).name: line for line in PROJECT["dependencies"]}
    wanted = [bounds[name].replace(">=", "==") + ".*" for name in ("torch", "torchvision")]
    assert oldest == {"name": "oldest", "packages": " ".join(wanted)}
    assert newest == {"name": "newest", "packages": "torch torchvision"}
    assert "python -m pip install --quiet . ${{ matrix.torch.packages }}" in commands(
        "weekly"
    )


def test_book_runs_what_a_change_must_pass():
    text = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert commands("book") == re.findall(r"^make .*$", text, re.MULTILINE)


def test_book_of_the_main_branch_is_published():
    config = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
    workflow = load("book")
    assert workflow[True]["push"] == {"branches": [config["repository"]["branch"]]}
    upload = workflow["jobs"]["build"]["steps"][-1]
    makes = (ROOT / "tools" / "build_book.py").read_text(encoding="utf-8")
    assert f"{upload['with']['path']}/index.html" in makes
    # A pull request is built, never published.
    assert (
        upload["if"] == workflow["jobs"]["publish"]["if"] == "github.event_name == 'push'"
    )


def test_release_is_of_a_version_tag_that_notebooks_install():
    workflow = load("release")
    assert workflow[True] == {"push": {"tags": ["v[0-9]+.[0-9]+.[0-9]+"]}}
    assert any(
        "tools/set_up.py --check notebooks/*.ipynb" in line for line in commands("release")
    )
