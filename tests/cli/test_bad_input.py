"""Bad input ends with exit code 2 and one clear line, and leaves nothing behind."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

# What is typed -> what the line must say.
REFUSED = {
    "run reward=rdn": ["reward=rdn", "no such reward scheme", "did you mean rnd?"],
    "run env=dorkey": ["env=dorkey", "did you mean doorkey?"],
    "run agent=pp": ["agent=pp", "did you mean ppo?"],
    "run logger=wand": ["logger=wand", "did you mean wandb?"],
    "run env=null": ["env=null", "no such environment"],
    "run reward=": ["reward=", "allowed"],
    "run reward=rnd reward.cof=1": ["reward.cof", "no such key", "did you mean coef?"],
    "run reward=rnd +reward.cof=1": ["reward.cof", "no such key", "did you mean coef?"],
    "run reward=rnd ++reward.cof=1": ["reward.cof", "no such key", "did you mean coef?"],
    "run eval.episods=1": ["eval.episods", "did you mean episodes?"],
    "run +eval={episods:1}": ["eval.episods", "did you mean episodes?"],
    "run sede=1": ["sede", "did you mean seed?"],
    "run +sede=1": ["sede", "did you mean seed?"],
    "run entropy_coef=1": ["entropy_coef", "did you mean agent.entropy_coef?"],
    "run reward=mix +reward@reward.schemes.far=rdn": ["reward=rdn", "did you mean rnd?"],
    "run reward=mix reward.schemes.rnd.cof=1": ["reward.schemes.rnd.cof", "did you mean coef?"],
    "run +experimnt=x": ["experimnt", "no such key"],
    "run ~reward": ["~reward", "nothing can be removed"],
    "run ~env.id": ["~env.id", "nothing can be removed"],
    "run env.name=x": ["env.name", "not to be set"],
    "run reward.plugin=rnd": ["reward.plugin", "not to be set"],
    "run reward=rnd reward.coef=high": ["reward.coef=high", "must be a number"],
    "run num_envs=many": ["num_envs=many", "must be a whole number"],
    "run seed=1.5": ["seed=1.5", "must be a whole number"],
    "run seed=null": ["seed=null", "must have a value"],
    "run eval=3": ["eval=3", "group of keys"],
    "run overwrite=perhaps": ["overwrite=perhaps", "true or false"],
    "run frames=0": ["frames=0", "greater than 0"],
    "run frames=-5": ["frames=-5", "greater than 0"],
    "run frames=1.5": ["frames=1.5", "whole number"],
    "run frames=abc": ["frames=abc", "whole number"],
    "run frames=inf": ["frames=inf", "whole number"],
    "run frames=nan": ["frames=nan", "whole number"],
    "run frames=true": ["frames=True", "whole number"],
    "run seed=-1": ["seed=-1", "at least 0"],
    "run eval.every=0": ["eval.every=0", "greater than 0"],
    "run eval.policy=gredy": ["eval.policy=gredy", "did you mean greedy?"],
    "run agent.gamma=2": ["agent.gamma=2", "at most 1"],
    "run env=gym": ["env.id", "env.id="],
    "run env=gym env.id=CartPol-v1": ["CartPol-v1", "did you mean CartPole-v1?"],
    "run device=cuda:63": ["device=cuda:63", "not on this machine"],
    "run device=gpu": ["device=gpu", "allowed: cpu"],
    "run results_dir=/dev/null/deep/down": ["results_dir=/dev/null/deep/down", "can't be written"],
    "run results_dir=": ["results_dir=", "folder"],
    "run a==b": ["a==b", "key=value"],
    "run env=[doorkey": ["env=[doorkey", "key=value"],
    "run doorkey": ["doorkey", "key=value"],
    "run =3": ["=3", "key=value"],
    "run reward=none,rnd": ["reward=none,rnd", "-m"],
    "run seed=range(0,5)": ["seed=range(0,5)", "-m"],
    "run num_envs=${nowhere}": ["num_envs", "nowhere"],
    "run num_envs=${oc.env:NO_SUCH_VARIABLE}": ["num_envs", "NO_SUCH_VARIABLE"],
    "run hydra/launcher=pol": ["hydra/launcher=pol", "did you mean pool?"],
    "run hydra.launcher.job=3": ["hydra.launcher.job", "did you mean jobs?"],
    "run --config-dir nowhere": ["--config-dir nowhere", "no such folder"],
    "run --config nowhere.yaml": ["--config nowhere.yaml", "No such file"],
    "run --cfg jb": ["--cfg", "job"],
    "run --multi seed=0": ["--multi"],
    "run reward=rdn --cfg job": ["reward=rdn", "did you mean rnd?"],
    "run reward=rdn --help": ["reward=rdn", "did you mean rnd?"],
    "run -m hydra.launcher.jobs=1,2": ["hydra.launcher.jobs=1,2", "can't be swept"],
    "run -m reward=none,rdn": ["reward=rdn", "did you mean rnd?"],
    "run -m frames=interval(1,5)": ["interval"],
    "rnu env=doorkey": ["rnu", "did you mean rewardlab run?"],
    "list rewards": ["list=rewards", "did you mean reward?"],
    "check rnd": ["check rnd", "reward=rnd"],
    "check reward=rdn": ["reward=rdn", "did you mean rnd?"],
    "report nowhere": ["nowhere"],
    "report .": ["."],
}


@pytest.mark.parametrize("line", REFUSED)
def test_is_refused_in_one_line_and_writes_nothing(line: str, rewardlab: Callable, tmp_path: Path) -> None:
    answer = rewardlab(*line.split(" "))
    assert answer.code == 2, answer
    assert answer.out == ""
    assert answer.err.endswith("\n") and answer.err.count("\n") == 1
    assert "Traceback" not in answer.err
    for part in REFUSED[line]:
        assert part in answer.err
    assert list(tmp_path.iterdir()) == []


def test_parts_that_do_not_fit_together_are_refused(rewardlab: Callable, tmp_path: Path) -> None:
    answer = rewardlab("run", "env=gym", "env.id=CartPole-v1", "reward=count", "reward.key=state")
    assert (answer.code, answer.err.count("\n")) == (2, 1)
    assert "count" in answer.err or "CartPole-v1" in answer.err
    assert list(tmp_path.iterdir()) == []


def test_a_sweep_names_each_invalid_pair_once(rewardlab: Callable, tmp_path: Path) -> None:
    answer = rewardlab("run", "-m", "env=gym,empty_5x5", "reward=none,rdn", "seed=0,1")
    assert (answer.code, answer.err.count("\n")) == (2, 1)
    assert "3 invalid combinations" in answer.err
    assert "env=gym reward=none: env.id" in answer.err and "[3]" in answer.err and "[4]" not in answer.err
    assert "seed" not in answer.err
    assert list(tmp_path.iterdir()) == []


def test_many_invalid_pairs_are_counted(rewardlab: Callable) -> None:
    wrong = ",".join(f"nowhere{i}" for i in range(14))
    answer = rewardlab("run", "-m", f"env={wrong}")
    assert "[10]" in answer.err and "[11]" not in answer.err and "and 4 more" in answer.err


def test_a_broken_plugin_of_the_users_is_one_line(
    rewardlab: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "mine" / "rewards"
    folder.mkdir(parents=True)
    (folder / "broken_scheme.py").write_text('"""Broken"""\nimport no_such_module\n\nclass Config:\n    pass\n')
    monkeypatch.setenv("REWARDLAB_PATH", str(tmp_path / "mine"))
    answer = rewardlab("run", "reward=broken_scheme")
    assert (answer.code, answer.err.count("\n")) == (2, 1)
    assert "broken_scheme.py" in answer.err and "no_such_module" in answer.err


def test_a_misspelt_key_in_the_users_yaml_is_one_line(rewardlab: Callable, tmp_path: Path) -> None:
    folder = tmp_path / "conf" / "reward"
    folder.mkdir(parents=True)
    (folder / "mine.yaml").write_text("defaults: [rnd_schema, _self_]\ncof: 3\n")
    answer = rewardlab("run", "--config-dir", "conf", "reward=mine")
    assert (answer.code, answer.err.count("\n")) == (2, 1)
    assert "reward/mine.yaml" in answer.err and "did you mean coef?" in answer.err


def test_the_real_command_refuses_the_same_way(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "rewardlab", "run", "reward=rdn"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("reward=rdn: no such reward scheme; did you mean rnd? (allowed: ")
    assert done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
