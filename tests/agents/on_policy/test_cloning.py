"""Behaviour cloning: the loss against numpy, what is counted and said, and that ids of settings stay."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from one_step import one_step

from rewardlab.cli import main
from rewardlab.commands.demos import record
from rewardlab.config.composition import compose
from rewardlab.datasets.demonstrations import DemonstrationFile
from rewardlab.run import run
from rewardlab.training.build import build
from rewardlab.training.recorder import Recording

TINY = ["env=doorkey_5x5", "num_envs=4", "frames=512", "agent.rollout_steps=32", "eval.every=512", "eval.episodes=8"]


@pytest.fixture(scope="module")
def demos(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("demos") / "doorkey"
    assert record(["env=doorkey_5x5"], str(folder), Recording(episodes=20)) == 0
    return str(folder)


def parts(demos: str, *overrides: str):
    return build(compose([*TINY, f"agent.demos={demos}", *overrides]).config)


def steps_of(demos: str, spec) -> tuple[dict[str, torch.Tensor], np.ndarray, np.ndarray]:
    found = DemonstrationFile("agent.demos", demos, spec).read().transitions(0.99)
    return found.obs, found.action.numpy(), found.extra["return"].numpy()


def judged(agent, obs) -> tuple[np.ndarray, np.ndarray]:
    """Log-probabilities of all actions, and values of the task."""
    found = agent.assess(one_step(obs))
    logits = found.dist["logits"][0].double().numpy()
    return logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True)), found.values[0, :, 0].double().numpy()


def test_the_first_step_is_on_the_loss_of_the_paper(demos: str) -> None:
    one = parts(demos, "agent.pretrain=bc", "agent.pretrain_steps=1", "agent.pretrain_batch_size=100_000")
    obs, action, returns = steps_of(demos, one.env.spec)
    log_policy, values = judged(one.agent, obs)
    expected = -log_policy[np.arange(len(action)), action].mean() + 0.5 * np.square(values - returns).mean()
    assert one.agent.pretrain()["loss/pretraining"] == pytest.approx(expected, rel=1e-5)
    assert one.agent.updates == 1


def test_pretraining_clones_policy_and_values(demos: str) -> None:
    one = parts(demos, "agent.pretrain=bc", "agent.pretrain_epochs=200", "agent.encoding=onehot")
    obs, action, returns = steps_of(demos, one.env.spec)
    one.agent.pretrain()
    assert one.agent.updates == 200 * max(1, round(len(action) / 256))
    log_policy, values = judged(one.agent, obs)
    assert (log_policy.argmax(axis=-1) == action).mean() > 0.8
    assert np.square(values - returns).mean() < 0.2 * np.var(returns)


def test_without_the_values_weight_the_critic_stays(demos: str) -> None:
    one = parts(demos, "agent.pretrain=bc", "agent.pretrain_value_coef=0")
    obs, *_ = steps_of(demos, one.env.spec)
    before = judged(one.agent, obs)[1]
    one.agent.pretrain()
    assert np.allclose(judged(one.agent, obs)[1], before, atol=1e-6)


def test_adam_begins_anew_after_pretraining(demos: str) -> None:
    one = parts(demos, "agent.pretrain=bc", "agent.pretrain_steps=3")
    one.agent.pretrain()
    assert one.agent.state_dict()["optimiser"]["steps"] == 0
    assert not one.agent.state_dict()["optimiser"]["square"].any()


def test_beside_training_the_loss_falls_and_its_steps_count(demos: str, tmp_path: Path) -> None:
    for name, options in (("plain", []), ("beside", [f"agent.demos={demos}", "agent.concurrent=bc"])):
        assert run(compose([*TINY, *options, "frames=4096", f"results_dir={tmp_path / name}"])) == 0
    plain, beside = (rows(tmp_path / name) for name in ("plain", "beside"))
    assert float(beside[-1]["updates"]) - float(plain[-1]["updates"]) == 2 * 4096 // (4 * 32)
    assert float(beside[-1]["loss/cloning"]) < 0.8 * float(beside[0]["loss/cloning"])


def rows(results: Path, table: str = "train.csv") -> list[dict[str, str]]:
    lines = next(results.glob(f"runs/*/*/*/*/{table}")).read_text().splitlines()
    names = lines[0].split(",")
    return [dict(zip(names, line.split(","), strict=True)) for line in lines[1:]]


def test_a_run_says_what_it_learned_from_and_is_evaluated_as_cloned(demos: str, tmp_path: Path) -> None:
    options = [f"agent.demos={demos}", "agent.pretrain=bc", "agent.pretrain_epochs=300", "agent.encoding=onehot"]
    prepared = compose([*TINY, *options, f"results_dir={tmp_path}"])
    assert run(prepared) == 0
    manifest = json.loads((prepared.folder / "manifest.json").read_text())
    assert manifest["assumes"] == ["demos"]
    assert float(rows(tmp_path, "eval.csv")[0]["success_rate"]) >= 0.5, "a random policy solves a tenth"
    assert float(rows(tmp_path)[0]["loss/pretraining"]) > 0 and not rows(tmp_path)[-1]["loss/pretraining"]


def test_a_continued_run_is_not_pretrained_again(demos: str, tmp_path: Path, fault) -> None:
    from rewardlab.training.learning.on_policy import Learning

    options = [f"agent.demos={demos}", "agent.pretrain=bc", "agent.concurrent=bc", "checkpoint.every=128"]
    whole, broken = (compose([*TINY, *options, f"results_dir={tmp_path / name}"]) for name in ("whole", "broken"))
    assert run(whole) == 0
    with fault(Learning, "iterate", 3):
        assert run(broken) == 1
    assert run(broken) == 0
    last = [rows(tmp_path / name)[-1] for name in ("whole", "broken")]
    assert last[0]["updates"] == last[1]["updates"] and last[0]["loss/policy"] == last[1]["loss/policy"]


def test_settings_without_demonstrations_keep_their_ids(demos: str) -> None:
    plain = compose(TINY)
    assert compose([*TINY, "agent.pretrain=none", "agent.concurrent_updates=2"]).setting_id == plain.setting_id
    other = [
        compose([*TINY, f"agent.demos={demos}", option]) for option in ("agent.pretrain=bc", "agent.concurrent=bc")
    ]
    assert len({plain.setting_id, *(one.setting_id for one in other)}) == 3


@pytest.mark.parametrize(
    ("overrides", "line"),
    [
        (["agent.pretrain=bc"], "agent.demos=null: name demonstrations"),
        (["agent.demos=nowhere"], "only with pretrain=bc or concurrent=bc"),
        (["agent.demos=nowhere", "agent.concurrent=bc"], "agent.demos=nowhere: no dataset there"),
        (["agent.pretrain=dc"], "did you mean bc?"),
        (["agent.demos={demos}", "agent.pretrain=bc", "agent.demos_episodes=21"], "21 episodes asked for"),
        (["agent.demos={demos}", "agent.pretrain=bc", "agent.memory=gru"], "agent.memory=gru"),
        (["agent.demos={demos}", "agent.concurrent=bc", "agent.memory=gru"], "agent.memory=gru"),
        (["agent.demos={demos}", "agent.concurrent=bc", "env.view_size=5"], "its image has shape (7, 7, 3)"),
    ],
)
def test_bad_input_is_one_line(demos: str, overrides, line, tmp_path, capsys) -> None:
    given = [text.format(demos=demos) for text in overrides]
    assert main(["run", *TINY, *given, f"results_dir={tmp_path}"]) == 2
    told = capsys.readouterr().err
    lines = [each for each in told.splitlines() if "compiling the kernels" not in each]
    assert line in told and len(lines) == 1
    assert not (tmp_path / "runs").exists()


def test_the_content_of_demonstrations_distinguishes_settings_and_their_folder_does_not(
    demos: str, tmp_path: Path
) -> None:
    def prepared(folder: Path | str):
        return compose([*TINY, "agent.pretrain=bc", f"agent.demos={folder}"])

    shutil.copytree(demos, tmp_path / "elsewhere")
    assert record(["env=doorkey_5x5"], str(tmp_path / "others"), Recording(episodes=20, seed=1)) == 0
    here, moved, other = prepared(demos), prepared(tmp_path / "elsewhere"), prepared(tmp_path / "others")
    assert here.setting_id == moved.setting_id != other.setting_id
    assert here.labels["agent"].endswith("demos=doorkey-pretrain=bc")
    assert moved.config.agent.demos == str(tmp_path / "elsewhere")
