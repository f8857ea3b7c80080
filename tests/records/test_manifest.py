import importlib.metadata
import json
import os
import platform
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from rewardlab.records.manifest import build_manifest, continued, differences, git_state

ROOT = Path(__file__).parents[2]


@dataclass
class Facts:
    random_return: float | None = 0.05
    optimal_return: float | None = None
    optimum_kind: str = "unavailable"
    success: str | None = None


def manifest(**changes):
    arguments = {
        "config": {"env.name": "doorkey", "env.levels": float("inf"), "seed": 0, "tags": ["a"]},
        "setting_id": "abc123",
        "labels": {"env": "doorkey", "reward": "rnd", "agent": "ppo-gamma=0.9"},
        "seed": 0,
        "frames": 1000,
        "assumes": {"privileged", "demos"},
        "task": Facts(),
        "device": "cpu",
        "backend": "reference",
        "command": ["rewardlab", "run", "seed=range(0,2)"],
    }
    return build_manifest(**{**arguments, **changes})


def test_everything_that_the_design_names_is_there():
    found = manifest()
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    expected = {
        "schema_version": 1,
        "setting_id": "abc123",
        "labels": {"env": "doorkey", "reward": "rnd", "agent": "ppo-gamma=0.9", "curriculum": "none"},
        "env": "doorkey",
        "reward": "rnd",
        "agent": "ppo-gamma=0.9",
        "curriculum": "none",
        "seed": 0,
        "frames": 1000,
        "assumes": ["demos", "privileged"],
        "task": {"random_return": 0.05, "optimal_return": None, "optimum_kind": "unavailable", "success": None},
        "command": "rewardlab run 'seed=range(0,2)'",
        "device": "cpu",
        "backend": "reference",
        "resume": "exact",
        "config": {"env.name": "doorkey", "env.levels": "inf", "seed": 0, "tags": ["a"]},
    }
    assert {name: found[name] for name in expected} == expected
    assert found["packages"]["numpy"] == importlib.metadata.version("numpy")
    assert found["packages"]["python"] == platform.python_version()
    assert {"run_id", "git_sha", "git_dirty", "started_at"} <= set(found)
    assert found["hardware"]["cpu"]
    assert 1 <= found["hardware"]["cores"] <= found["hardware"]["cores_total"]
    assert found["hardware"]["memory_gib"] > 0.1


def test_every_start_is_a_run_of_its_own_and_a_continuation_is_not():
    first, second = manifest(), manifest(device="cuda")
    assert first["run_id"] != second["run_id"]
    going_on = continued(first, second, exact=True)
    assert (going_on["run_id"], going_on["started_at"]) == (first["run_id"], first["started_at"])
    assert (first["resume"], going_on["resume"]) == ("exact", "approximate")
    assert going_on["continuations"] == [{"at": second["started_at"], "changed": ["device"]}]
    third = continued(going_on, manifest(device="cuda"), exact=True)
    assert third["run_id"] == first["run_id"]
    assert [entry["changed"] for entry in third["continuations"]] == [["device"], []]


def test_a_continuation_is_exact_until_one_is_not():
    second = continued(manifest(), manifest(), exact=True)
    third = continued(second, manifest(), exact=False)
    fourth = continued(third, manifest(), exact=True)
    assert [step["resume"] for step in (second, third, fourth)] == ["exact", "approximate", "approximate"]
    assert [entry["changed"] for entry in fourth["continuations"]] == [[], ["episodes"], []]


def test_the_number_of_cores_changes_no_numbers():
    other = manifest()
    other["hardware"] = {**other["hardware"], "cores": 1000, "memory_gib": 1.0}
    assert differences(manifest(), other) == []
    other["hardware"]["cpu"] = "another"
    assert differences(manifest(), other) == ["hardware"]


@pytest.mark.parametrize("previous", [{}, {"run_id": 3, "continuations": "x"}])
def test_a_strange_earlier_manifest_does_not_stop_a_continuation(previous):
    current = manifest()
    assert continued(previous, current, exact=True)["run_id"] == current["run_id"]


def test_differences_are_named():
    assert differences(manifest(), manifest(frames=5, seed=3)) == []
    changed = {**manifest(), "git_sha": "other", "packages": {"torch": "0"}}
    assert differences(manifest(), changed) == ["git_sha", "packages"]


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=n", "-c", "user.email=e@example.org", "-c", "commit.gpgsign=false"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    return subprocess.run(
        ["git", "-C", str(folder), *identity, *arguments],
        check=True,
        capture_output=True,
        text=True,
        env={**environment, "GIT_CONFIG_GLOBAL": os.devnull},
    ).stdout.strip()


def git_state_of(checkout: Path) -> list[str]:
    code = "from rewardlab.records.manifest import git_state; print(*git_state())"
    return subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(checkout)},
        cwd=checkout,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split()


@pytest.mark.skipif(shutil.which("git") is None, reason="needs git")
def test_the_commit_is_that_of_the_package_and_dirt_counts_in_its_code_only(tmp_path):
    checkout = tmp_path / "checkout"
    (checkout / "conf").mkdir(parents=True)
    (checkout / "conf" / "config.yaml").touch()
    shutil.copytree(ROOT / "rewardlab" / "records", checkout / "rewardlab" / "records")
    for name in ("errors.py", "machine.py"):
        shutil.copy(ROOT / "rewardlab" / name, checkout / "rewardlab")
    (checkout / "rewardlab" / "__init__.py").touch()
    (checkout / ".gitignore").write_text("__pycache__/\n")
    git(checkout, "init", "-q")
    git(checkout, "add", ".")
    git(checkout, "commit", "-q", "-m", "first")
    sha = git(checkout, "rev-parse", "HEAD")
    (checkout / "notes.txt").touch()
    assert git_state_of(checkout) == [sha, "False"]
    (checkout / "conf" / "new.yaml").touch()
    assert git_state_of(checkout) == [sha, "True"]
    inside = checkout / "venv"
    shutil.copytree(checkout / "rewardlab", inside / "rewardlab")
    assert git_state_of(inside) == ["None", "None"]


def test_without_git_there_is_no_commit(monkeypatch):
    monkeypatch.setenv("PATH", "")
    git_state.cache_clear()
    try:
        assert git_state() == (None, None)
    finally:
        git_state.cache_clear()
