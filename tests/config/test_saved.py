"""A config from a results folder is data: it says what to run, and can't say what to execute."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from rewardlab.config.composition import compose
from rewardlab.config.saved import repeat
from rewardlab.errors import UserError


def saved(folder: Path, changes: dict[str, Any], *overrides: str) -> str:
    """A run's config.yaml with some dotted keys set to something else."""
    config = compose(["env=empty_5x5", *overrides, f"results_dir={folder}"]).resolved
    for key, value in changes.items():
        node = config
        *parents, last = key.split(".")
        for part in parents:
            node = node.setdefault(part, {})
        node[last] = value
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(config, sort_keys=False))
    return str(path)


def test_a_saved_config_repeats_its_run(tmp_path):
    path = saved(tmp_path, {}, "reward=count", "reward.coef=0.25", "frames=1234")
    assert repeat(str(tmp_path), []) == repeat(path, [])  # a run's folder will do
    again = compose([*repeat(path, []), f"results_dir={tmp_path}"])
    assert (
        again.folder
        == compose(
            ["env=empty_5x5", "reward=count", "reward.coef=0.25", "frames=1234", f"results_dir={tmp_path}"]
        ).folder
    )


@pytest.mark.parametrize(
    "key", ["_target_", "env._target_", "reward.weights._target_", "agent.deeper._args_", "hydra.launcher._target_"]
)
def test_nothing_in_it_can_be_called(tmp_path, key):
    with pytest.raises(UserError, match="can't say what to call"):
        repeat(saved(tmp_path, {key: "os.system"}), [])


@pytest.mark.parametrize("text", ["${oc.env:HOME}", "a ${seed} b", "${oc.decode:x}"])
def test_nothing_in_it_is_computed(tmp_path, text):
    with pytest.raises(UserError, match="interpolation"):
        repeat(saved(tmp_path, {"logger.project": text}), [])


def test_no_module_is_imported_for_it(tmp_path, monkeypatch):
    (tmp_path / "evil.py").write_text(f"open({str(tmp_path / 'executed')!r}, 'w')")
    monkeypatch.syspath_prepend(tmp_path)
    path = saved(tmp_path, {"env.name": "gym", "env.id": "evil:World-v0"})
    with pytest.raises(UserError, match="would import evil"):
        repeat(path, [])
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize("value", [False, 0, "false", "no"])
def test_no_code_is_let_out_of_its_sandbox_for_it(tmp_path, value):
    path = saved(tmp_path, {"reward.name": "written", "reward.sandbox": value})
    with pytest.raises(UserError, match=r"all your rights; give reward\.sandbox=false yourself"):
        repeat(path, [])
    assert repeat(path, ["reward.sandbox=true"])[-1] == "reward.sandbox=true"


def test_the_copy_of_a_reward_stands_for_code_that_was_changed_since(tmp_path):
    code, copy = tmp_path / "mine.py", tmp_path / "code.py"
    for each in (code, copy):
        each.write_text("def potential(state): return state.agent_x")
    path = saved(tmp_path, {"reward.name": "written", "reward.code": str(code)})
    assert f"reward.code='{code}'" in repeat(path, [])
    code.write_text("def potential(state): return state.agent_y")
    assert f"reward.code='{copy}'" in repeat(path, [])
    code.unlink()
    assert f"reward.code='{copy}'" in repeat(str(tmp_path), [])


def test_python_objects_are_no_data(tmp_path):
    path = Path(saved(tmp_path, {}))
    path.write_text(path.read_text() + "device: !!python/object/apply:os.system ['true']\n")
    with pytest.raises(UserError, match="not a yaml file"):
        repeat(str(path), [])


def test_a_small_file_that_unfolds_without_end_is_refused(tmp_path):
    path = Path(saved(tmp_path, {}))
    bomb = "a0: &a0 [1]\n" + "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 30))
    path.write_text(path.read_text() + bomb)
    with pytest.raises(UserError, match="more than 10000 values"):
        repeat(str(path), [])


def test_huge_files_and_folders_are_refused(tmp_path):
    path = tmp_path / "huge.yaml"
    path.write_bytes(b"#" * 2**21)
    for given, said in ((path, "too large"), (tmp_path, "config.yaml: No such"), (tmp_path / "no", "No such file")):
        with pytest.raises(UserError, match=said):
            repeat(str(given), [])
