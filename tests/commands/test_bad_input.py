"""Bad input ends with exit code 2 and one clear line, and leaves nothing behind."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

# What is typed -> what the line must say.
REFUSED = {
    "run reward=rn_d": ["reward=rn_d", "no such reward scheme", "did you mean rnd?"],
    "run env=dorkey": ["env=dorkey", "did you mean doorkey?"],
    "run agent=pp": ["agent=pp", "did you mean ppo?"],
    "run env=./empty_5x5": ["env=./empty_5x5", "no such environment"],
    "run env=../env/doorkey": ["env=../env/doorkey", "no such environment"],
    "run reward=rnd.yaml": ["reward=rnd.yaml", "did you mean rnd?"],
    "run reward=rnd_schema": ["reward=rnd_schema", "no such reward scheme"],
    "run reward=mix +reward@reward.schemes.far=./rnd": ["reward=./rnd", "did you mean rnd?"],
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
    "run reward=mix +reward@reward.schemes.far=rn_d": ["reward=rn_d", "did you mean rnd?"],
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
    "run device=gpu": ["device=gpu", "did you mean cuda?", "allowed: cpu"],
    "run seed=0..3": ["seed=0..3", "-m 'seed=range(0,3)'", "ends with 2"],
    "run -m seed=rang(0,3)": ["seed=rang(0,3)", "no such function", "did you mean range?"],
    "run key=view": ["key: no such key", "did you mean reward.key", "count"],
    "run reward=things_in_view": ["no such reward scheme", "DIR/rewards/things_in_view.py", "REWARDLAB_PATH=DIR"],
    "run reward=rnd frames=100": ["frames=100", "warms up for 128 steps", "reward.warmup"],
    "run env=doorkey env=empty": ["env=doorkey env=empty", "-m env=A,B"],
    "run hydra/launcher=ray": ["hydra/launcher=ray", "add -m"],
    "run hydra.launcher.jobs=2": ["hydra.launcher.jobs=2", "add -m"],
    "run frames=0": ["frames=0", "greater than 0"],
    "run frames=-5": ["frames=-5", "greater than 0"],
    "run frames=1.5": ["frames=1.5", "whole number"],
    "run frames=abc": ["frames=abc", "whole number"],
    "run frames=inf": ["frames=inf", "whole number"],
    "run frames=nan": ["frames=nan", "whole number"],
    "run frames=true": ["frames=true", "whole number"],
    "run frames=null": ["frames=null", "whole number"],
    "run frames=1e99": ["frames=1e+99", "at most 1e+15"],
    "run seed=9223372036854775808": ["seed=9223372036854775808", "at most 9223372036854775807"],
    "run env.levels=1e12": ["env.levels=1000000000000.0", "at most 1000000"],
    "run env.levels=-inf": ["env.levels=-inf", "greater than 0"],
    "run reward=rnd reward.coef=inf": ["reward.coef=inf", "finite"],
    "run reward=mix reward.weights.count=nan": ["reward.weights.count=nan", "must be a number"],
    "run reward=mix reward.weights.count=inf": ["reward.weights.count=inf", "finite"],
    "run agent.hidden=[99999999999]": ["agent.hidden=[99999999999]", "65536"],
    "run agent.memory=gru agent.memory_size=99999999999": ["agent.memory_size=99999999999", "65536"],
    "run seed=-1": ["seed=-1", "at least 0"],
    "run eval.every=0": ["eval.every=0", "greater than 0"],
    "run eval.policy=gredy": ["eval.policy=gredy", "did you mean greedy?"],
    "run agent.gamma=2": ["agent.gamma=2", "at most 1"],
    "run env=gym": ["env.id", "env.id="],
    "run env=crafter env.backend=fast": ["env.backend=fast", "leave it out"],
    "run env=gym env.id=CartPol-v1": ["CartPol-v1", "did you mean CartPole-v1?"],
    "run env=gym env.id=.x:Foo-v0": ["env.id=.x:Foo-v0", "no module"],
    "run env=gym env.id=:CartPole-v1": ["env.id=:CartPole-v1", "no module"],
    "run env=gym env.id=no_such_module:Foo-v0": ["env.id=no_such_module:Foo-v0", "No module named"],
    "run device=cuda:63": ["device=cuda:63", "not on this machine"],
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
    "run +hydra.nope=1": ["hydra.nope", "no such key", "did you mean mode?"],
    "run +hydra.job.nums=1": ["hydra.job.nums", "did you mean num?"],
    "run hydra={job:{chdir:true}}": ["hydra={job:{chdir:true}}", "one of hydra's keys"],
    "run ~hydra.job": ["~hydra.job", "nothing can be removed"],
    "run hydra.job.chdir=true": ["hydra.job.chdir=true", "results_dir"],
    "run hydra.run.dir=elsewhere": ["hydra.run.dir=elsewhere", "results_dir"],
    "run -m hydra.sweep.dir=elsewhere": ["hydra.sweep.dir=elsewhere", "results_dir"],
    "run hydra.output_subdir=here": ["hydra.output_subdir=here", "results_dir"],
    "run hydra/job_logging=default": ["hydra/job_logging=default", "results_dir"],
    "run --config-dir nowhere": ["--config-dir nowhere", "no such folder"],
    "run --config nowhere.yaml": ["--config nowhere.yaml", "No such file"],
    "run --cfg jb": ["--cfg", "job"],
    "run --multi seed=0": ["--multi"],
    "run --cfg job -p nope": ["nope", "no such key"],
    "run --cfg job -p reward.coeff reward=rnd": ["reward.coeff", "did you mean coef?"],
    "run --cfg job -p a[": ["a["],
    "run -p env": ["--package", "--cfg job"],
    "run --resolve": ["--resolve", "--cfg job"],
    "run --cfg job --info all": ["--cfg --info", "one thing"],
    "run -m --cfg job seed=0,1": ["seed=0,1", "--cfg shows one run"],
    "-sc": ["-sc", "install=bash"],
    "-sc install=nope": ["install=nope", "bash, fish, zsh"],
    "-sc query": ["query", "install=bash"],
    "run -sc": ["-sc", "install=bash"],
    "run reward=rn_d --cfg job": ["reward=rn_d", "did you mean rnd?"],
    "run reward=rn_d --help": ["reward=rn_d", "did you mean rnd?"],
    "run -m hydra.launcher.jobs=1,2": ["hydra.launcher.jobs=1,2", "can't be swept"],
    "run -m reward=none,rn_d": ["reward=rn_d", "did you mean rnd?"],
    "run -m frames=interval(1,5)": ["interval"],
    "run -m seed=range(0,0)": ["seed=range(0,0)", "empty"],
    "run -m env=glob(zzz*)": ["env=glob(zzz*)", "empty"],
    "rnu env=doorkey": ["rnu", "did you mean rewardlab run?"],
    "list rewards": ["list=rewards", "did you mean reward?"],
    "check": ["required: GROUP=NAME ("],
    "check rnd": ["check rnd", "reward=rnd"],
    "check reward=rn_d": ["reward=rn_d", "did you mean rnd?"],
    "report nowhere": ["nowhere"],
    "report .": [".: no runs found"],
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
    answer = rewardlab("run", "-m", "env=gym,empty_5x5", "reward=none,rn_d", "seed=0,1")
    assert (answer.code, answer.err.count("\n")) == (2, 1)
    assert "3 invalid combinations" in answer.err
    assert "env=gym reward=none: env.id" in answer.err and "[3]" in answer.err and "[4]" not in answer.err
    assert "seed" not in answer.err
    assert list(tmp_path.iterdir()) == []


def test_many_invalid_pairs_are_counted(rewardlab: Callable) -> None:
    wrong = ",".join(f"nowhere{i}" for i in range(14))
    answer = rewardlab("run", "-m", f"env={wrong}")
    assert "[10]" in answer.err and "[11]" not in answer.err and "and 4 more" in answer.err


CONFIG = """
from dataclasses import dataclass
from rewardlab.schemas import AgentConfig, RewardConfig

@dataclass
class Config(RewardConfig):
    pass
"""
SCHEME = """
class Scheme:
    def __init__(self, config, context):
        pass
"""
OURS = "from rewardlab.rewards.base import BaseScheme"
# What stands in a scheme's file -> what the line must say.
BROKEN = {
    "import no_such_module\nclass Config: pass": ["No module named 'no_such_module'"],
    CONFIG.replace("pass", "pass pass"): ["SyntaxError"],
    CONFIG: ["need Scheme(config, context)"],
    CONFIG + SCHEME.replace(", context", ""): ["need Scheme(config, context)"],
    CONFIG + OURS + SCHEME.replace("pass", "config.nowhere").replace("Scheme:", "Scheme(BaseScheme):"): [
        "mine.py:11: AttributeError",
        "nowhere",
    ],
    CONFIG + SCHEME: ["mine.py must extend BaseScheme"],
    CONFIG.replace("pass", "def validate(self): 1 / 0") + SCHEME: ["mine.py:7: ZeroDivisionError"],
    CONFIG.replace("@dataclass\n", "") + SCHEME: ["@dataclass", "RewardConfig"],
    CONFIG.replace("(RewardConfig)", "(AgentConfig)") + SCHEME: ["@dataclass", "RewardConfig"],
    CONFIG.replace("(RewardConfig)", "") + SCHEME: ["@dataclass", "RewardConfig"],
    "\nclass Config: pass\nConfig = 3" + SCHEME: ["@dataclass", "RewardConfig"],
}


@pytest.mark.parametrize("content", BROKEN)
def test_a_broken_plugin_of_the_users_is_one_line(
    content: str, rewardlab: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "mine" / "rewards"
    folder.mkdir(parents=True)
    (folder / "mine.py").write_text(content)
    monkeypatch.setenv("REWARDLAB_PATH", str(tmp_path / "mine"))
    monkeypatch.delitem(sys.modules, "rewardlab_user.reward.mine", raising=False)
    answer = rewardlab("run", "reward=mine", "env=empty_5x5")
    assert (answer.code, answer.err.count("\n")) == (2, 1)
    assert str(folder / "mine.py") in answer.err
    for part in BROKEN[content]:
        assert part in answer.err
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize("content", ["", "coef: 3\n", "# Only this\n", "- 1\n"])
def test_a_users_yaml_without_a_schema_is_one_line(content: str, rewardlab: Callable, tmp_path: Path) -> None:
    folder = tmp_path / "conf" / "reward"
    folder.mkdir(parents=True)
    (folder / "mine.yaml").write_text(content)
    answer = rewardlab("run", "--config-dir", "conf", "reward=mine")
    assert (answer.code, answer.err.count("\n")) == (2, 1)
    assert "reward=mine" in answer.err and "PLUGIN_schema" in answer.err


def test_a_users_yaml_that_is_no_config_is_one_line(rewardlab: Callable, tmp_path: Path) -> None:
    (tmp_path / "conf" / "reward").mkdir(parents=True)
    (tmp_path / "conf" / "reward" / "mine.yaml").write_text("3")
    answer = rewardlab("run", "--config-dir", "conf", "reward=mine")
    assert (answer.code, answer.err.count("\n")) == (2, 1)
    assert "can't load a config" in answer.err


def test_a_module_that_does_not_parse_is_one_line(
    rewardlab: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "brokenmod.py").write_text("def (:\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    answer = rewardlab("run", "env=gym", "env.id=brokenmod:Foo-v0")
    assert (answer.code, answer.err.count("\n")) == (2, 1)
    assert "env.id=brokenmod:Foo-v0" in answer.err and "SyntaxError" in answer.err


def test_a_file_where_sweeps_should_go_is_one_line(rewardlab: Callable, tmp_path: Path) -> None:
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "sweeps").touch()
    answer = rewardlab("run", "-m", "env=empty_5x5", "seed=0,1")
    assert (answer.code, answer.err.count("\n")) == (2, 1)
    assert "results/sweeps can't be written (Not a directory)" in answer.err


@pytest.mark.parametrize("path", ["results", "results/runs", "results/runs/empty_5x5"])
def test_a_file_where_a_folder_should_be_is_one_line(path: str, rewardlab: Callable, tmp_path: Path) -> None:
    (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / path).touch()
    answer = rewardlab("run", "env=empty_5x5")
    assert (answer.code, answer.err.count("\n")) == (2, 1)
    assert f"{tmp_path / path} can't be written (Not a directory)" in answer.err


def test_a_misspelt_key_in_the_users_yaml_is_one_line(rewardlab: Callable, tmp_path: Path) -> None:
    folder = tmp_path / "conf" / "reward"
    folder.mkdir(parents=True)
    (folder / "mine.yaml").write_text("defaults: [rnd_schema, _self_]\ncof: 3\n")
    answer = rewardlab("run", "--config-dir", "conf", "reward=mine")
    assert (answer.code, answer.err.count("\n")) == (2, 1)
    assert "reward/mine.yaml" in answer.err and "did you mean coef?" in answer.err


def test_the_real_command_refuses_the_same_way(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "rewardlab", "run", "reward=rn_d"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("reward=rn_d: no such reward scheme; did you mean rnd? (allowed: ")
    assert done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
