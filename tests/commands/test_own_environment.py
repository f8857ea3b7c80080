"""An environment of one's own by env=gym: arguments, wrappers, worker processes, and what repeats such runs."""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from pathlib import Path

import gymnasium
import numpy as np
import pytest
import yaml

from rewardlab.config import composition
from rewardlab.config.composition import compose
from rewardlab.config.saved import repeat
from rewardlab.envs.external import gym, workers
from rewardlab.envs.levels import Levels
from rewardlab.errors import RaisedElsewhere, UserError
from rewardlab.report import load

MODULE = """
import os, time
import gymnasium, numpy as np
from gymnasium import spaces

class Steps(gymnasium.Env):
    metadata = {"render_modes": ["rgb_array"]}
    observation_space = spaces.Dict({"at": spaces.Box(0, 1, (2,), np.float32), "said": spaces.Text(20)})
    action_space = spaces.MultiDiscrete([2, 3])

    def __init__(self, length=4, fault="", render_mode=None):
        self.length, self.fault, self.render_mode = length, fault, render_mode

    def _show(self):
        said = ["go on", "stop"][self.np_random.integers(2)]
        return {"at": self.np_random.random(2).astype(np.float32), "said": said}

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.step_count = 0
        return self._show(), {}

    def step(self, action):
        assert self.action_space.contains(action)
        self.step_count += 1
        if self.fault == "raise" and self.step_count == 3:
            raise NameError("not there")
        if self.fault == "die" and self.step_count == 3:
            os._exit(7)
        if self.fault == "slow":
            time.sleep(0.01)
        return self._show(), float(action[1] == 2), self.step_count >= self.length, False, {}

    def render(self):
        return np.full((40, 40, 3), self.step_count, np.uint8)

class Times(gymnasium.RewardWrapper):
    def __init__(self, env, by=2.0):
        super().__init__(env)
        self.by = by

    def reward(self, reward):
        return self.by * reward

gymnasium.register("Steps-v0", entry_point=Steps)
"""
TINY = ["num_envs=4", "frames=256", "agent.rollout_steps=32", "eval.every=128", "eval.episodes=4"]
OWN = ["env=gym", "env.id=own_steps:Steps-v0", *TINY]
LAKE = ["env=gym", "env.id=FrozenLake-v1", *TINY]
TIMES = r"env.wrappers=[{own_steps\:Times:{by:0.5}},own_steps:Times]"


@pytest.fixture(autouse=True)
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    (tmp_path / "own_steps.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    yield
    sys.modules.pop("own_steps", None)
    gymnasium.registry.pop("Steps-v0", None)


def only_run(tmp_path: Path, results: str = "results") -> Path:
    (found,) = (path.parent for path in (tmp_path / results).rglob("manifest.json"))
    return found


def numbers(folder: Path) -> list[list[str]]:
    """eval.csv without the columns of seconds."""
    rows = [line.split(",") for line in (folder / "eval.csv").read_text().splitlines()]
    kept = [i for i, name in enumerate(rows[0]) if "seconds" not in name]
    return [[row[i] for i in kept] for row in rows]


@pytest.mark.parametrize(
    "overrides",
    [
        ["reward=none"],
        ["reward=rnd", "reward.warmup=8", "agent=dqn"],
        ["agent=ppo", "reward=icm"],
    ],
)
def test_several_choices_and_texts_train(overrides: list[str], rewardlab, tmp_path: Path) -> None:
    given = [item for item in OWN if "rollout" not in item] if "agent=dqn" in overrides else OWN
    told = rewardlab("run", *given, *overrides)
    assert told.code == 0, told.err
    assert len(numbers(only_run(tmp_path))) == 4


def test_arguments_of_the_environment(rewardlab, tmp_path: Path) -> None:
    assert rewardlab("run", *LAKE, "env.kwargs.is_slippery=false", "env.kwargs.max_episode_steps=20").code == 0
    folder = only_run(tmp_path)
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["labels"]["env"] == "FrozenLake-v1-kwargs.is_slippery=false-kwargs.max_episode_steps=20"
    assert manifest["config"]["env.kwargs.is_slippery"] is False
    again = compose([*repeat(str(folder), []), "results_dir=results"])
    assert again.folder == folder and again.config.env.kwargs == {"is_slippery": False, "max_episode_steps": 20}
    assert "env.kwargs.is_slippery=false" in manifest["command"]


def test_arguments_are_part_of_a_setting_where_they_are_given(tmp_path: Path) -> None:
    plain, none, dry = (
        compose([*LAKE, *more, f"results_dir={tmp_path}"])
        for more in ([], ["env.wrappers=[]", "env.processes=3"], ["env.kwargs.is_slippery=false"])
    )
    assert plain.setting_id == none.setting_id != dry.setting_id
    assert plain.labels["env"] == none.labels["env"] == "FrozenLake-v1"


def test_a_sweep_over_an_argument(rewardlab, tmp_path: Path) -> None:
    told = rewardlab("run", "-m", *LAKE, "env.kwargs.is_slippery=true,false", "hydra.launcher.jobs=1")
    assert told.code == 0, told.err
    found = load.load("results").runs
    assert sorted(found["env"]) == [f"FrozenLake-v1-kwargs.is_slippery={text}" for text in ("false", "true")]


def test_arguments_in_a_yaml_of_ones_own(rewardlab, tmp_path: Path) -> None:
    place = tmp_path / "conf of mine" / "env"
    place.mkdir(parents=True)
    (place / "dry_lake.yaml").write_text(
        "defaults: [gym_schema, _self_]\nid: FrozenLake-v1\nkwargs: {is_slippery: false}\n"
        "wrappers: [{TimeAwareObservation: {flatten: true}}]\n"
    )
    flags = ["--config-dir", str(place.parent)]
    assert rewardlab("run", *flags, "env=dry_lake", *TINY, "env.kwargs.map_name=8x8").code == 0
    folder = only_run(tmp_path)
    config = yaml.safe_load((folder / "config.yaml").read_text())["env"]
    assert config["kwargs"] == {"is_slippery": False, "map_name": "8x8"}
    assert folder.parts[-4] == "dry_lake-kwargs.map_name=8x8"
    command = json.loads((folder / "manifest.json").read_text())["command"]
    assert command.startswith(f"rewardlab run --config-dir '{place.parent}' env=dry_lake")


@pytest.mark.parametrize(
    ("override", "line"),
    [
        (
            "env.kwargs.is_slipery=false",
            r"env.kwargs.is_slipery: FrozenLake-v1 takes no such argument; did you mean is_slippery\? .*desc",
        ),
        ("env.kwargs.map_name=9x9", r"env.id=FrozenLake-v1: cannot be built: KeyError"),
        ("env.wrappers=[FrameStackObs]", r"env.wrappers: FrameStackObs: no such wrapper; did you mean FrameStackObs"),
        ("env.wrappers=[{TimeLimit:{steps:3}}]", r"env.wrappers: TimeLimit: .* \(it takes: max_episode_steps\)"),
        ("env.wrappers=[VectorizeTransformReward]", r"env.wrappers: Vectorize\w+: wraps many environments at once"),
        ("env.wrappers=[NormalizeObservation]", r"use agent.normalise_observation=true"),
        ("env.wrappers=[NormalizeReward]", r"use agent.normalise_reward=true"),
        ("env.wrappers=[RescaleAction]", r"env.wrappers: RescaleAction: missing a required argument"),
        ("env.wrappers=[ClipAction]", r"env.wrappers: ClipAction on env.id=FrozenLake-v1: \w+"),
        ("env.wrappers=[own_steps:Time]", r"env.wrappers: own_steps:Time: .* did you mean Times\?"),
        ("env.wrappers=[no_module:Half]", r"No module named 'no_module'; modules are looked for in PYTHONPATH"),
        ("env.wrappers=[3]", r"env.wrappers: 3: write NAME, or {NAME: {KEY: VALUE}}"),
        ("env.id=no_module:Half-v0", r"No module named 'no_module'; modules are looked for in PYTHONPATH"),
        ("env.id=FrozenLak-v1", r"did you mean FrozenLake-v1\? .*MODULE:ID"),
        ("env.processes=0", r"env.processes=0: must be greater than 0"),
    ],
)
def test_what_is_wrong_is_one_line(override: str, line: str, rewardlab, tmp_path: Path) -> None:
    told = rewardlab("run", *LAKE, override)
    assert told.code == 2 and re.search(line, told.err), told.err
    assert len(told.err.splitlines()) == 1 and not (tmp_path / "results").exists()


def test_wrappers_in_their_order(rewardlab, tmp_path: Path) -> None:
    random = [item for item in OWN if "rollout" not in item]
    assert rewardlab("run", *random, "agent=random", "results_dir=plain").code == 0
    doubled = ["env.wrappers=[own_steps:Times]", "agent=random", "results_dir=doubled"]
    assert rewardlab("run", *random, *doubled).code == 0
    plain, twice = (numbers(only_run(tmp_path, name)) for name in ("plain", "doubled"))
    at = plain[0].index("return_mean")
    assert [2 * float(row[at]) for row in plain[1:]] == [float(row[at]) for row in twice[1:]]
    manifest = json.loads((only_run(tmp_path, "doubled") / "manifest.json").read_text())
    assert manifest["labels"]["env"] == "own_steps_Steps-v0-wrappers=own_steps_Times"


def test_what_acts_on_a_run_with_modules_of_ones_own(rewardlab, tmp_path: Path) -> None:
    assert rewardlab("run", *OWN, TIMES).code == 0
    folder = only_run(tmp_path)
    sys.modules.pop("own_steps")
    trusted = ["env.id=own_steps:Steps-v0", TIMES]
    for command in (["play", str(folder), "--episodes", "1"], ["demos", "--from", str(folder), "--out", "shown"]):
        told = rewardlab(*command)
        assert told.code == 2 and told.err.endswith("give env.id=own_steps:Steps-v0 yourself if you trust it\n")
        told = rewardlab(*command, trusted[0])
        assert told.code == 2 and f'give "{TIMES}" yourself' in told.err.replace("'own_steps:Times'", "own_steps:Times")
        assert "own_steps" not in sys.modules
        told = rewardlab(*command, *trusted, "env.kwargs.length=9")
        assert told.code == 2 and "only env.id= and env.wrappers= of its own are given" in told.err
        kept = ["--keep", "all", "--episodes", "2"] if command[0] == "demos" else []
        told = rewardlab(*command, *trusted, *kept)
        assert told.code == 0, told.err
        sys.modules.pop("own_steps", None)
    assert (folder / "play.gif").exists() and (tmp_path / "shown").is_dir()


def test_the_reports_command_repeats_such_a_run(rewardlab, tmp_path: Path) -> None:
    assert rewardlab("run", *OWN, TIMES).code == 0
    assert rewardlab("report", "results").code == 0
    page = (tmp_path / "results" / "report" / "report.html").read_text()
    (text,) = re.findall(r'"repeat": ?"((?:[^"\\]|\\.)*)"', page)
    command = shlex.split(json.loads(f'"{text}"'))
    assert command[:2] == ["rewardlab", "run"] and rewardlab(*command[1:]).code == 0
    assert numbers(only_run(tmp_path, "again")) == numbers(only_run(tmp_path))


def test_no_module_of_a_saved_wrapper_is_imported_unasked(tmp_path: Path) -> None:
    config = compose([*LAKE, f"results_dir={tmp_path}"]).resolved
    config["env"]["wrappers"] = [{"own_steps:Times": {"by": 3}}]
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    with pytest.raises(UserError, match=r"would import own_steps; give "):
        repeat(str(tmp_path), [])
    assert "own_steps" not in sys.modules


def test_arguments_and_wrappers_of_every_kind_are_repeated(tmp_path: Path) -> None:
    config = compose([*LAKE, f"results_dir={tmp_path}"]).resolved
    config["env"]["kwargs"] = {"a": {"b": [1, {"c d": "e, 'f'"}]}, "g": None, "h": 0.5}
    config["env"]["wrappers"] = ["FlattenObservation", {"TimeLimit": {"max_episode_steps": 3, "x=y": ["z:w"]}}]
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    overrides = repeat(str(tmp_path), [])
    with composition.session():
        again, _ = composition.typed(overrides)
    assert again.env.kwargs == config["env"]["kwargs"] and again.env.wrappers == config["env"]["wrappers"]


def test_worker_processes_change_no_number(rewardlab, tmp_path: Path) -> None:
    for processes in ("1", "2"):
        told = rewardlab("run", *OWN, f"env.processes={processes}", f"results_dir=by{processes}", "num_envs=3")
        assert told.code == 0, told.err
    alone, apart = (only_run(tmp_path, f"by{processes}") for processes in "12")
    assert numbers(alone) == numbers(apart) and alone.name == apart.name


def test_workers_serve_one_generation_after_the_other(rewardlab, tmp_path: Path, monkeypatch) -> None:
    started, start = [], workers._started
    monkeypatch.setattr(workers, "_started", lambda file, fds: started.append(len(fds)) or start(file, fds))
    lives = ["env=gym", "env.id=CartPole-v1", "agent=ga", "agent.population=6", "agent.episodes=2"]
    lives += ["agent.validation=0", "frames=3000", "eval.every=3000", "eval.episodes=1", "num_envs=1"]
    for processes in ("1", "2"):
        told = rewardlab("run", *lives, f"env.processes={processes}", f"results_dir=by{processes}")
        assert told.code == 0, told.err
    alone, apart = (only_run(tmp_path, f"by{processes}") for processes in "12")
    assert numbers(alone) == numbers(apart) and len(numbers(apart)) > 1
    assert started == [2], "not anew for each generation"


def test_workers_that_rest_are_taken_where_they_serve(monkeypatch) -> None:
    def process(count: int) -> int:
        env = gym.make(gym.Config(id="CartPole-v1", processes=count), Levels(3))
        env.close()
        return workers._resting[0]._process.pid

    first = process(2)
    assert process(2) == first and process(3) != first and len(workers._resting) == 1
    second = process(2)
    monkeypatch.setenv("SEEN_BY_WORKERS", "1")
    third = process(2)
    assert third != second, "it would not see the variable"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of threads, which a fork has not
        fork = os.fork()
    if not fork:
        os._exit(len(workers._resting))
    assert os.waitstatus_to_exitcode(os.waitpid(fork, 0)[1]) == 0
    assert process(2) == third, "a fork has no hold on them"
    os.kill(third, signal.SIGKILL)
    wait_for(lambda: workers._resting[0]._process.poll() is not None, 20)
    assert process(2) != third


def test_a_run_continues_exactly_with_other_processes(tmp_path: Path) -> None:
    envs = [gym.make(gym.Config(id="CartPole-v1", processes=count), Levels(3)) for count in (1, 2)]
    try:
        here, there = envs
        assert here.spec.restorable and there.spec.restorable
        first, second = here.reset([1, 2, 3]), there.reset([1, 2, 3])
        rng = np.random.default_rng(0)
        for _ in range(60):
            assert all((first[name] == second[name]).all() for name in first)
            action = rng.integers(2, size=3)
            first, second = here.step(action).obs, there.step(action).obs
        state = there.get_state()
        for env in envs:
            env.reset([7, 8, 9])
            env.set_state(state)
        first, second = here.step(action), there.step(action)
        assert (first.next_obs["vector"] == second.next_obs["vector"]).all()
    finally:
        for env in envs:
            env.close()


def test_what_a_worker_raises_is_one_line_with_its_place(rewardlab, tmp_path: Path) -> None:
    told = rewardlab("run", *OWN, "env.processes=2", "env.kwargs.fault=raise")
    line = r"failed: own_steps.py:\d+: NameError: not there; traceback in .*run.log$"
    assert told.code == 1 and re.search(line, told.err, re.MULTILINE), told.err
    log = (only_run(tmp_path) / "run.log").read_text()
    assert "In a worker process" in log and 'raise NameError("not there")' in log


def test_what_ends_a_worker_is_one_line() -> None:
    env = gym.make(gym.Config(id="own_steps:Steps-v0", processes=2, kwargs={"fault": "die"}), Levels(3))
    try:
        env.reset([0, 1, 2])
        for _ in range(2):
            env.step(np.zeros(3, dtype=np.int64))
        with pytest.raises(RaisedElsewhere, match=r"^env.processes: a worker process ended with exit code 7$"):
            env.step(np.zeros(3, dtype=np.int64))
    finally:
        env.close()


def test_workers_know_only_what_a_module_registers() -> None:
    gymnasium.register("Here-v0", entry_point="gymnasium.envs.classic_control.cartpole:CartPoleEnv")
    try:
        with pytest.raises(UserError, match=r"does not know Here-v0; .*: env.id=MODULE:Here-v0$"):
            gym.make(gym.Config(id="Here-v0", processes=2), Levels(2))
    finally:
        del gymnasium.registry["Here-v0"]


def test_a_killed_run_leaves_no_worker(tmp_path: Path) -> None:
    """Killed with no chance to end anything."""
    given = [*OWN, "env.processes=2", "env.kwargs.fault=slow", "frames=1e6", "eval.episodes=1"]
    path = os.pathsep.join([str(tmp_path), *sys.path])
    driver = subprocess.Popen(
        [sys.executable, "-P", "-m", "rewardlab", "run", *given],
        cwd=tmp_path, env=os.environ | {"PYTHONPATH": path}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        wait_for(lambda: list(tmp_path.rglob("train.csv")), 60)
        workers = [worker for parent in children(driver.pid) for worker in [parent, *children(parent)]]
        assert len(workers) == 3
    finally:
        driver.send_signal(signal.SIGKILL)
        driver.wait()
    wait_for(lambda: not any(Path(f"/proc/{pid}/cmdline").exists() and is_worker(pid) for pid in workers), 20)


def children(pid: int) -> list[int]:
    try:
        found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        pytest.skip("needs /proc")
    return [int(each) for each in found if is_worker(int(each))]


def is_worker(pid: int) -> bool:
    try:
        return "rewardlab.envs.external.worker" in Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        return False


def wait_for(condition, seconds: float) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.1)
