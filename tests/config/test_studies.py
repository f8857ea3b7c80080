"""Studies: grids as data, every one of them valid, and the command line wins."""

import pytest

from rewardlab.cli import main
from rewardlab.commands import list as listing
from rewardlab.commands import run as application
from rewardlab.config.composition import session
from rewardlab.config.expansion import expand_grids, valid_jobs
from rewardlab.discovery import conf_dir

NAMES = sorted(path.stem for path in (conf_dir() / "study").glob("*.yaml"))


def test_the_studies_of_the_design_are_listed():
    assert {"quick", "minigrid_core", "minigrid_hard", "noisy"} <= set(NAMES)
    assert [entry.name for entry in listing.entries("study")] == NAMES
    assert all(len(entry.description) > 20 and "@" not in entry.description for entry in listing.entries("study"))


@pytest.mark.parametrize("name", NAMES)
def test_every_study_composes_with_a_budget_for_each_environment(name):
    jobs, refused = valid_jobs([f"+study={name}", "seed=0"], None, lambda config: None)
    assert not refused
    assert jobs
    for job in jobs:
        keys = [item.partition("=")[0] for item in job]
        assert {"env", "reward", "frames", "seed"} <= set(keys)
        assert len(keys) == len(set(keys))


PARAMS = {"reward": "none,rnd", "seed": "range(0,2)"}
GRIDS = ({"env": "doorkey_5x5", "frames": 100}, {"env": "doorkey_6x6", "frames": 200})


class TestGrids:
    def jobs(self, *overrides, grids=GRIDS):
        with session():
            return [set(job) for job in expand_grids(PARAMS, grids, overrides)]

    def test_each_grid_in_turn(self):
        jobs = self.jobs()
        assert len(jobs) == 8
        assert jobs[0] == {"reward=none", "seed=0", "env=doorkey_5x5", "frames=100"}
        assert jobs[-1] == {"reward=rnd", "seed=1", "env=doorkey_6x6", "frames=200"}

    def test_the_command_line_wins(self):
        assert self.jobs("seed=7", "reward=count", "frames=5") == [
            {"seed=7", "reward=count", "frames=5", f"env={env}"} for env in ("doorkey_5x5", "doorkey_6x6")
        ]

    def test_a_value_of_some_grids_leaves_those(self):
        jobs = self.jobs("env=doorkey_6x6", "seed=0")
        assert jobs == [{"seed=0", f"reward={reward}", "env=doorkey_6x6", "frames=200"} for reward in ("none", "rnd")]

    def test_a_key_of_some_grids_alone_narrows_those(self):
        grids = ({"env": "doorkey_5x5"}, {"env": "doorkey_5x5", "reward": "count", "reward.key": "state"})
        own = {"reward=count", "reward.key=state"}
        everything = [{"reward=none"}, {"reward=rnd"}, own]
        for overrides, expected in (
            ((), everything),
            (("reward=rnd",), [{"reward=rnd"}]),
            (("reward=count",), [{"reward=count"}, own]),
            (("reward=icm,count",), [{"reward=icm"}, {"reward=count"}, own]),
        ):
            jobs = self.jobs("seed=0", *overrides, grids=grids)
            assert jobs == [{"env=doorkey_5x5", "seed=0"} | each for each in expected]

    def test_values_of_a_grid_are_narrowed(self):
        grids = ({"env": "doorkey_5x5", "env.noise": "none,tv"}, {"env": "doorkey_6x6", "env.noise": "none,tv"})
        jobs = self.jobs("seed=0", "reward=rnd", "env.noise=tv", grids=grids)
        assert jobs == [
            {"seed=0", "reward=rnd", "env.noise=tv", f"env={env}"} for env in ("doorkey_5x5", "doorkey_6x6")
        ]

    def test_without_grids_it_is_the_params(self):
        assert len(self.jobs("env=empty_5x5", grids=None)) == 4


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["+study=quick"], "a study is a sweep over"),
        (["-m", "+study=quik"], "did you mean quick?"),
        (["-m", "study=quick"], "+study=quick"),
    ],
)
def test_bad_input_is_one_line(capsys, arguments, line):
    assert main(["run", *arguments]) == 2
    told = capsys.readouterr().err
    assert line in told
    assert told.count("\n") == 1


def test_noise_is_asked_of_views_and_of_true_states():
    jobs, _ = valid_jobs(["+study=noisy", "seed=0"], None, lambda config: None)
    asked = {
        (items["reward"], items.get("reward.key"))
        for items in (dict(i.split("=") for i in job if "+" not in i) for job in jobs)
    }
    assert {
        ("count", None),
        ("count", "state"),
        ("icm", None),
        ("rnd", None),
        ("e3b", None),
        ("byol_hindsight", None),
    } <= asked
    assert len(jobs) == 3 * len(asked)


@pytest.mark.parametrize(
    "job",
    [
        ["env=doorkey_5x5", "reward=none", "eval.every=50", "+study=quick"],
        ["env=multiroom_n7_s4", "reward=none", "env.noise=tv", "eval.every=50", "+study=noisy"],
        ["env=multiroom_n7_s4", "reward=count", "reward.key=state", "env.noise=tv", "eval.every=50", "+study=noisy"],
    ],
)
def test_one_job_of_a_study_can_be_repeated_alone(monkeypatch, job):
    started = []
    monkeypatch.setattr(application, "_validated", lambda config: None)
    monkeypatch.setattr(application, "_one", lambda overrides, config_dir: started.append(overrides) or 0)
    job = [*job, "seed=0", "frames=100"]
    assert application.run(application.Request(job)) == 0
    assert started == [job]


def test_a_key_of_a_choice_that_the_grids_make_can_be_given(tmp_path):
    """`env.n` is no key of the default environment, with which Hydra would compose the command line."""
    given = ["env.n=10", "agent=tabular_q", "seed=0", "frames=40", "eval.episodes=1", f"results_dir={tmp_path}"]
    assert main(["run", "-m", "+study=deepsea", *given, "hydra.launcher.jobs=1"]) == 0
    assert len(list(tmp_path.glob("runs/deepsea*/none/tabular_q*/seed0*/summary.json"))) == 1
