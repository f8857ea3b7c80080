"""The command at the end of a sweep."""

import shlex

import pytest

from rewardlab.sweep.rerun import rerun_command

SWEEP = ["env=a,b", "reward=rnd", "seed=range(0,5)", "overwrite=true"]


def jobs(*combinations: str) -> list[list[str]]:
    return [combination.split() for combination in combinations]


def test_missing_jobs_that_form_a_grid_are_named():
    missing = jobs("env=a reward=rnd seed=1", "env=b reward=rnd seed=1", "env=a reward=rnd seed=4")
    missing += jobs("env=b reward=rnd seed=4")
    assert rerun_command(missing, SWEEP) == "rewardlab run -m env=a,b reward=rnd seed=1,4"


def test_one_missing_job_is_a_single_run():
    assert rerun_command(jobs("env=a seed=3 overwrite=true"), SWEEP) == "rewardlab run env=a seed=3"


@pytest.mark.parametrize(
    "missing",
    [
        jobs("env=a seed=1", "env=b seed=2"),  # no grid
        jobs("env=a seed=1", "env=a num_envs=4"),  # other keys
        [["tags=[a]", "seed=1"], ["tags=[b,c]", "seed=1"]],  # values that a list of values would tear apart
    ],
)
def test_otherwise_the_sweep_itself_without_overwriting(missing):
    assert rerun_command(missing, SWEEP) == "rewardlab run -m env=a,b reward=rnd 'seed=range(0,5)'"


def test_options_of_the_launcher_and_the_users_folder_stay():
    common = ["--config-dir", "my conf", "hydra.launcher.jobs=3"]
    words = shlex.split(rerun_command(jobs("seed=1", "seed=2"), ["seed=1,2", *common], common))
    assert words == ["rewardlab", "run", "-m", *common, "seed=1,2"]
