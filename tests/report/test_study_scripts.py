"""Scripts of long studies: tuning by halving, stages, and what is kept of runs."""

import csv
import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import yaml
from run_folders import make, write_run

from rewardlab.config.composition import compose, session
from rewardlab.config.expansion import expand_grids
from rewardlab.errors import UserError
from rewardlab.run import run

ROOT = Path(__file__).parents[2]
SPEC = {
    "tasks": {"empty_5x5": 1024, "doorkey_5x5": 2048},
    "first_seed": 1000,
    "evaluations": 4,
    "episodes": 4,
    "rungs": [{"share": 0.5, "seeds": 1, "keep": 1}, {"share": 1, "seeds": 2, "keep": 1}],
    "candidates": {"count": {"reward.coef": [0.001, 0.002]}, "none": {"agent.learning_rate": [0.002, 0.001]}},
}
SMALL = ["num_envs=4", "agent.rollout_steps=32"]


def script(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / "scripts" / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


tune, pack, next_stage, success_at, run_ends = map(script, ("tune", "pack", "next_stage", "success_at", "run_ends"))


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    path = tmp_path / "spec.yaml"
    path.write_text(yaml.safe_dump(SPEC))
    return path


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The jobs that sweeps start, done in this process."""
    jobs: list[list[str]] = []

    def sweep(command: list[str], check: bool) -> subprocess.CompletedProcess[str]:
        folder, study = Path(command[command.index("--config-dir") + 1]), command[-1].partition("=")[2]
        grids = yaml.safe_load((folder / "study" / f"{study}.yaml").read_text())["hydra"]["sweeper"]["grids"]
        with session():
            wanted = expand_grids({}, grids, [])
            for job in wanted:
                assert run(compose(job)) == 0
        jobs.extend(wanted)
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(tune, "subprocess", SimpleNamespace(run=sweep))
    return jobs


def test_better_candidates_go_on_where_they_paused(
    spec: Path, started: list[list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tune, "LEARNED", -1)  # so short, they may have learned nothing
    out = tmp_path / "out"
    assert tune.main(["--spec", str(spec), "--out", str(out), *SMALL]) == 0
    rows = list(csv.DictReader((out / "tuning.csv").open()))
    whole = [row for row in rows if row["task"] == "all"]
    assert [row["rung"] for row in whole] == ["1"] * 4 + ["2"] * 2
    for scheme in ("count", "none"):
        first, second = (row for row in whole if (row["scheme"], row["rung"]) == (scheme, "1"))
        better = first if float(first["area"]) >= float(second["area"]) else second
        assert better["kept"] == "True" and {first["kept"], second["kept"]} == {"True", "False"}
        assert [row["candidate"] for row in whole if (row["scheme"], row["rung"]) == (scheme, "2")] == [
            better["candidate"]
        ]
    states: dict[str, int] = {}
    for path in out.glob("runs/*/*/*/*/status.json"):
        state = json.loads(path.read_text())["state"]
        states[state] = states.get(state, 0) + 1
        continued = json.loads((path.parent / "manifest.json").read_text()).get("continuations", [])
        assert len(continued) == int(state == "finished" and "seed1000" in path.parent.name)
    assert states == {"paused": 4, "finished": 8}
    for path in out.glob("runs/*/*/*/*seed1001*/summary.json"):  # of a whole run, the run's own number
        env, reward = path.parts[-5:-3]
        row = next(r for r in rows if (r["task"], r["rung"], r["scheme"]) == (env, "2", reward.partition("-")[0]))
        area = json.loads(path.read_text())["auc"]
        assert min(abs(area - float(row[name])) for name in ("lowest", "highest")) < 1e-9
    count, tables = len(started), (out / "tuning.csv").read_text()
    assert tune.main(["--spec", str(spec), "--out", str(out), *SMALL]) == 0
    assert (len(started), (out / "tuning.csv").read_text()) == (count, tables)


def candidates(*overrides: str, listed: dict[str, Any] = SPEC["candidates"]) -> list[tuple[str, str]]:
    with session():
        return [(each.scheme, each.options) for each in tune.candidates(listed, overrides)]


def test_values_on_the_command_line_win() -> None:
    assert candidates("reward=rnd", "reward.coef=0.1,0.3") == [("rnd", "reward.coef=0.1"), ("rnd", "reward.coef=0.3")]
    assert candidates("reward=count") == [("count", "reward.coef=0.001"), ("count", "reward.coef=0.002")]
    assert len(candidates("agent.gamma=0.9")) == 4


def test_what_is_wrong_is_said_before_anything_runs(
    spec: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(UserError, match="as many candidates"):
        candidates(listed={"count": {"reward.coef": [1, 2]}, "rnd": {"reward.coef": [1]}})
    for given, line in (
        (["reward=rnd"], "reward=rnd"),
        (["reward=count", "reward.coeff=1,2"], "reward.coeff"),
        (["reward=count", "env=doorkey_6x6"], "env=doorkey_6x6: --spec FILE"),
        (["+eval.every=5"], "eval.every=5: --spec FILE"),
        (["--spec", str(tmp_path / "none.yaml")], "no such file"),
    ):
        assert tune.main(["--spec", str(spec), "--out", str(tmp_path / "out"), *given]) == 2
        told = capsys.readouterr().err
        assert line in told and told.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_nothing_learned_chooses_nothing() -> None:
    low, lower, high = (tune.Candidate("rnd", (options,), options) for options in ("a=1", "a=2", "a=3"))
    areas = {"empty_5x5": {low: [0.009, 0.0], lower: [0.0, 0.0], high: [0.03, 0.0]}}
    assert tune.best(areas, [lower, low], 1, last=False) == [lower, low]
    assert tune.best(areas, [lower, low], 1, last=True) == [low]
    assert tune.best(areas, [lower, low, high], 1, last=False) == [high]
    row = {"scheme": "rnd", "task": "all", "rung": 1, "kept": True, "candidate": "reward.coef=1", "area": 0.001}
    assert tune.chosen([row]) == ["| `rnd` |  | 0.001 | no candidate learned anything: the default stays |"]
    other = row | {"candidate": "reward.coef=2", "kept": False}
    assert "at the edge" in tune.chosen([row | {"area": 0.5}, other])[0]


def study(results: Path) -> None:
    for seed in (0, 1):
        write_run(
            results,
            reward="none",
            seed=seed,
            returns=[0.0] * 4,
            state="paused",
            config={"pause_at": 30_000},
            budget=90_000,
        )
        write_run(results, reward="rnd", seed=seed, returns=[0, 1, 1, 1, 1, 1, 1, 1, 1, 1], budget=90_000)
        write_run(
            results,
            reward="ride",
            seed=seed,
            returns=[0, 0.2, 0.3, 1],
            state="paused",
            config={"pause_at": 30_000},
            budget=90_000,
        )
    write_run(results, reward="count", returns=[0.0] * 3, state="interrupted", budget=90_000)


def test_paused_runs_count_up_to_their_pause_and_go_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    study(tmp_path)
    told = make(tmp_path, out=tmp_path / "report")
    rows = {row["reward"]: row for row in csv.DictReader((tmp_path / "report/sample_efficiency.csv").open())}
    assert {name: (row["budget"], row["n_seeds"]) for name, row in rows.items()} == {
        "none": ("30000", "2"), "rnd": ("90000", "2"), "ride": ("30000", "2"),
    }  # fmt: skip
    assert float(rows["ride"]["auc_iqm"]) == pytest.approx((0.1 + 0.25 + 0.65) / 3)  # all up to 30,000 frames
    assert float(rows["rnd"]["auc_iqm"]) == pytest.approx((0.5 + 1 + 1) / 3)
    assert rows["ride"]["frames_to_90_censored"] == "true" and float(rows["rnd"]["frames_to_90"]) == 10_000
    assert any("4 runs paused" in line for line in told.warnings)
    assert any("Unequal budgets" in line for line in told.warnings)
    assert next_stage.main("hard", str(tmp_path)) == 0
    assert capsys.readouterr().out.splitlines() == [
        "# doorkey_5x5: solved by every seed: rnd; nowhere yet: none",
        f"rewardlab run -m +study=hard env=doorkey_5x5 reward=ride results_dir={tmp_path}",
    ]
    write_run(tmp_path, reward="ride-scope=episodic", returns=[0, 0.2, 0.3, 1])
    assert next_stage.main("hard", str(tmp_path)) == 2 and "ride in several settings" in capsys.readouterr().err


def test_success_at_a_frame_is_of_the_evaluation_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole = 0.95  # the return that `write_run` makes a success of 1 of
    for seed, last in enumerate((0.2, 0.4, 0.9)):
        write_run(tmp_path, reward="ngu", seed=seed, returns=[0, 0, last * whole], frames=[0, 10_000, 30_100])
    for seed in (0, 1):  # went on after the stage
        later = {"returns": [0, 0.3 * whole, 1], "frames": [0, 30_100, 60_000]}
        write_run(tmp_path, reward="rnd", seed=seed, **later)
    write_run(tmp_path, reward="none", returns=[0, 0], frames=[0, 10_000])
    write_run(tmp_path, env="doorkey_8x8", reward="rnd", returns=[0, 0], frames=[0, 29_990])
    assert success_at.main(str(tmp_path), "30_000") == 0
    assert capsys.readouterr().out.splitlines()[2:] == [
        "| `ngu` | 0.50 (0.20 to 0.90, 3 seeds) |  |",
        "| `rnd` | 0.30, 0.30 | 0.00 |",
    ]
    write_run(tmp_path, reward="rnd", agent="dqn", returns=[0, whole], frames=[0, 30_000])  # a row of its own
    assert success_at.main(str(tmp_path), "30_000") == 0
    rows = capsys.readouterr().out.splitlines()[2:]
    assert len(rows) == 3 and sum("0.30, 0.30" in row for row in rows) == sum("dqn" in row for row in rows) == 1
    assert success_at.main(str(tmp_path), "20_000") == 2
    assert capsys.readouterr().err == f"{tmp_path}: no run was evaluated at 20000 frames\n"


def test_how_runs_ended(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole = 0.95
    late = {0: (0.9, 0.92, 0.93), 1: (0.2, 0.9, 0.91), 2: (0.9, 0.2, 0.95), 3: (1, 1, 1)}
    for seed, successes in late.items():
        returns = [0, *(success * whole for success in successes)]
        write_run(tmp_path, reward="ngu", seed=seed, returns=returns, frames=[0, 1_000_000, 2_000_000, 3_000_000])
    write_run(tmp_path, reward="ngu", seed=4, returns=[0, whole], frames=[0, 1_000_000])
    for seed, seen in enumerate(([9, 9, 2, 3], [9, 9, 4, 6], [9, 9, 6, 7])):
        write_run(
            tmp_path,
            reward="none",
            seed=seed,
            returns=[0] * 4,
            frames=[0, 99_000, 100_000, 200_000],
            evaluated={"cells_mean": seen},
        )
    assert run_ends.main(str(tmp_path)) == 0
    rows = [line.rsplit(" | ", 1)[0].removesuffix(" | ") for line in capsys.readouterr().out.splitlines()[2:]]
    assert set(rows) == {
        "| doorkey_5x5 | `ngu` | 0, 1, 2, 3 | 3.0 | 0.91 to 1.00 | 1.0, 2.0, 1.0; never: 2",
        "| doorkey_5x5 | `ngu` | 4 | 1.0 | 1.00 | never: 4",
        "| doorkey_5x5 | `none` | 0, 1, 2 | 0.2 | 0.00, 0.00, 0.00 | never: 0, 1, 2 | 5.0 (2.5 to 6.5)",
    }
    assert run_ends.main(str(tmp_path), "2_000_000") == 0 and len(capsys.readouterr().out.splitlines()) == 3
    assert run_ends.main(str(tmp_path), "4_000_000") == 2 and "no run was evaluated beyond" in capsys.readouterr().err
    assert run_ends.main(str(tmp_path / "none")) == 2 and "no such folder" in capsys.readouterr().err


def test_what_is_packed_makes_the_same_tables_and_takes_more(tmp_path: Path) -> None:
    results, kept, again = tmp_path / "results", tmp_path / "kept", tmp_path / "again" / "results"
    study(results)
    write_run(results, env="doorkey_6x6", returns=[0.0, 1 / 3], evaluated={"cells_mean": [1.5, 2.0]})
    assert "7 runs of 2 environments" in pack.pack(results, kept) and "1 that have not" in pack.pack(results, kept)
    assert pack.unpack(kept, again).startswith("7 runs unpacked")
    for path in again.rglob("*"):
        if path.suffix == ".csv":
            assert path.read_bytes() == (results / path.relative_to(again)).read_bytes()
        elif path.suffix == ".json":
            assert json.loads(path.read_text()) == json.loads((results / path.relative_to(again)).read_text())
    make(again, out=tmp_path / "second")
    for path in results.glob("runs/*/count"):
        path.rename(tmp_path / "away")
    make(results, out=tmp_path / "first")
    for name in ("sample_efficiency.csv", "evaluations.csv", "curves.csv", "differences.csv"):
        assert (tmp_path / "first" / name).read_bytes() == (tmp_path / "second" / name).read_bytes()

    write_run(again, reward="ngu", returns=[0.0, 0.5])  # a later stage, on another machine
    before = {path.name: path.read_bytes() for path in kept.iterdir()}
    with pytest.raises(ValueError, match="unpack it there first"):
        pack.pack(Path(make_empty(tmp_path / "elsewhere")), kept)
    assert {path.name: path.read_bytes() for path in kept.iterdir()} == before
    assert pack.pack(again, kept).startswith("8 runs")
    assert pack.unpack(kept, results) == "1 runs unpacked; 7 were there already"


def make_empty(folder: Path) -> Path:
    folder.mkdir()
    return folder
