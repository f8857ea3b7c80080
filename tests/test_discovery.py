"""What is there is found by reading files; users' own count as much as ours."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from rewardlab import discovery
from rewardlab.commands import list as listing
from rewardlab.errors import UserError

PLUGINS = Path(__file__).parent / "user_plugins"


@pytest.fixture
def _user_plugins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REWARDLAB_PATH", str(PLUGINS))


@pytest.mark.parametrize("group", discovery.FOLDERS)
def test_every_choice_has_a_plugin_and_says_what_it_is(group: str) -> None:
    entries = listing.entries(group)
    assert len(entries) >= 2 or group == "logger"
    assert all(entry.description and "does not parse" not in entry.description for entry in entries)
    assert {entry.name for entry in entries} == set(discovery.choices(group))


@pytest.mark.usefixtures("_user_plugins")
def test_the_users_own_are_listed_with_what_their_files_say() -> None:
    by_name = {entry.name: entry for group in ("env", "reward", "agent") for entry in listing.entries(group)}
    assert by_name["toy"].description == "A toy world with seven cells"
    sweets = by_name["sweets"]
    assert (sweets.description, sweets.paper, sweets.assumes) == ("Sweets for everyone", "Wonka 1964", "privileged")
    assert by_name["snail"].description == "An agent that takes its time"


def test_without_the_folder_the_users_own_are_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("REWARDLAB_PATH", raising=False)
    assert "sweets" not in discovery.choices("reward")


def test_two_folders_are_both_searched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "agents").mkdir()
    (tmp_path / "agents" / "hare.py").write_text('"""Quick"""\n\nclass Config:\n    pass\n')
    monkeypatch.setenv("REWARDLAB_PATH", os.pathsep.join([str(PLUGINS), str(tmp_path)]))
    assert {"snail", "hare"} <= set(discovery.choices("agent"))


def test_two_files_of_one_name_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "rewards").mkdir()
    (tmp_path / "rewards" / "rnd.py").write_text("class Config:\n    pass\n\nclass Config:\n    pass\n")
    monkeypatch.setenv("REWARDLAB_PATH", str(tmp_path))
    with pytest.raises(UserError, match="two files are named reward=rnd"):
        discovery.choices("reward")


def test_a_folder_that_is_not_there_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REWARDLAB_PATH", "/no/such/folder")
    with pytest.raises(UserError, match="REWARDLAB_PATH=/no/such/folder"):
        discovery.choices("reward")


def test_listing_and_help_import_nothing_heavy() -> None:
    code = (
        "import sys\nfrom rewardlab.cli import main\n"
        "for line in (['--help'], ['list'], ['--version'], ['report', '--help']):\n"
        "    try:\n        main(line)\n    except SystemExit:\n        pass\n"
        "heavy = {'torch', 'hydra', 'omegaconf', 'pandas', 'numpy', 'gymnasium', 'rich'} & set(sys.modules)\n"
        "sys.exit(f'imported: {heavy}' if heavy else 0)\n"
    )
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "REWARDLAB_PATH": str(PLUGINS)}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "sweets" in done.stdout and "Paper" not in done.stdout
