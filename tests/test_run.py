"""A run as a whole, read back from its files: what it writes, that it repeats, how it ends and goes on."""

import csv
import errno
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import yaml

from rewardlab.config.composition import Prepared, compose
from rewardlab.errors import UserError
from rewardlab.machine import THREAD_VARIABLES
from rewardlab.records.status import write_status
from rewardlab.report.outcomes import counts
from rewardlab.report.reading.run_folder import read_run
from rewardlab.run import run
from rewardlab.training.loop import Training

TINY = ["env=empty_5x5", "num_envs=4", "frames=1000", "agent.rollout_steps=32", "eval.every=256", "eval.episodes=6"]
WALL_CLOCK = {"wall_seconds", "cpu_seconds", "fps"}
FILES = {"config.yaml", "manifest.json", "status.json", "lock", "train.csv", "eval.csv", "summary.json"}
FILES |= {"checkpoint.pt", "policy.pt"}


def prepare(folder: Path, *overrides: str) -> Prepared:
    return compose([*TINY, *overrides, f"results_dir={folder}"])


def table(path: Path) -> list[dict[str, str]]:
    """A table without its wall-clock columns."""
    with open(path, newline="") as file:
        return [{key: value for key, value in row.items() if key not in WALL_CLOCK} for row in csv.DictReader(file)]


def weights(folder: Path) -> dict[str, torch.Tensor]:
    flat: dict[str, torch.Tensor] = {}

    def walk(prefix: str, node: object) -> None:
        if isinstance(node, torch.Tensor):
            flat[prefix] = node
        elif isinstance(node, dict):
            for key, value in node.items():
                walk(f"{prefix}.{key}", value)

    walk("", torch.load(folder / "policy.pt", weights_only=True))
    return flat


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    prepared = prepare(tmp_path_factory.mktemp("results"), "reward=rnd", "reward.warmup=16", "seed=0")
    assert run(prepared) == 0
    return prepared


def test_writes_the_files_of_a_run(finished: Prepared) -> None:
    folder = finished.folder
    assert {path.name for path in folder.iterdir()} == FILES
    assert json.loads((folder / "status.json").read_text())["state"] == "finished"
    assert yaml.safe_load((folder / "config.yaml").read_text())["reward"]["name"] == "rnd"
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["setting_id"] == finished.setting_id
    assert manifest["seed"] == 0
    assert manifest["labels"]["env"] == "empty_5x5"
    assert manifest["resume"] == "exact"
    summary = json.loads((folder / "summary.json").read_text())
    evaluations = table(folder / "eval.csv")
    assert summary["final_return"] == float(evaluations[-1]["return_mean"])
    assert [int(row["frames"]) for row in evaluations] == [0, 320, 576, 832, 1000]
    assert {row["episodes"] for row in evaluations} == {"6"}


def test_the_budget_is_met_and_the_last_rollout_shortened(finished: Prepared) -> None:
    rows = table(finished.folder / "train.csv")
    assert int(rows[-1]["frames"]) == 1000  # 16 x 4 of warm-up, 7 rollouts of 32 x 4, then 10 x 4
    assert int(rows[-1]["updates"]) > 0
    assert {"reward/task_mean", "reward/intrinsic_mean", "advantage/task_std", "loss/policy"} <= rows[-1].keys()


def test_the_same_seed_gives_the_same_tables_and_weights(finished: Prepared, tmp_path: Path) -> None:
    again = prepare(tmp_path, "reward=rnd", "reward.warmup=16", "seed=0")
    assert run(again) == 0
    assert table(again.folder / "train.csv") == table(finished.folder / "train.csv")
    assert table(again.folder / "eval.csv") == table(finished.folder / "eval.csv")
    first, second = weights(finished.folder), weights(again.folder)
    assert first
    assert all(torch.equal(first[key], second[key]) for key in first)


def test_another_seed_shares_the_setting_and_nothing_else(finished: Prepared, tmp_path: Path) -> None:
    other = prepare(tmp_path, "reward=rnd", "reward.warmup=16", "seed=1")
    assert other.setting_id == finished.setting_id
    assert run(other) == 0
    assert table(other.folder / "train.csv") != table(finished.folder / "train.csv")


def test_evaluation_cadence_leaves_training_alone(finished: Prepared, tmp_path: Path) -> None:
    rarely = prepare(tmp_path, "reward=rnd", "reward.warmup=16", "seed=0", "eval.every=1000")
    assert run(rarely) == 0
    assert table(rarely.folder / "train.csv") == table(finished.folder / "train.csv")


def test_a_finished_run_is_skipped(finished: Prepared, capsys: pytest.CaptureFixture[str]) -> None:
    before = (finished.folder / "train.csv").stat().st_mtime_ns
    assert run(finished) == 0
    assert "finished already" in capsys.readouterr().out
    assert (finished.folder / "train.csv").stat().st_mtime_ns == before


def test_overwrite_starts_anew(tmp_path: Path) -> None:
    prepared = prepare(tmp_path)
    assert run(prepared) == 0
    manifest = json.loads((prepared.folder / "manifest.json").read_text())
    assert run(prepare(tmp_path, "overwrite=true")) == 0
    assert json.loads((prepared.folder / "manifest.json").read_text())["run_id"] != manifest["run_id"]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_interrupts_and_the_same_command_continues(tmp_path: Path, number: int, code: int) -> None:
    prepared = prepare(tmp_path, "frames=40_000", "reward=count")
    train = prepared.folder / "train.csv"

    def interrupt() -> None:
        while not train.exists() or len(train.read_text().splitlines()) < 4:
            time.sleep(0.01)
        os.kill(os.getpid(), number)

    thread = threading.Thread(target=interrupt)
    thread.start()
    assert run(prepared) == code
    thread.join()
    status = json.loads((prepared.folder / "status.json").read_text())
    assert status["state"] == "interrupted"
    assert 0 < status["frames"] < 40_000
    rows_before = table(train)
    states_before = float(rows_before[-1]["explore/states"])

    assert run(prepare(tmp_path, "frames=40_000", "reward=count")) == 0
    rows = table(train)
    assert rows[: len(rows_before)] == rows_before  # nothing lost, nothing twice
    frames = [int(row["frames"]) for row in rows]
    assert frames == sorted(set(frames))
    assert frames[-1] == 40_000
    assert int(rows[len(rows_before)]["updates"]) > int(rows_before[-1]["updates"])  # the counters go on
    assert float(rows[len(rows_before)]["explore/states"]) >= states_before  # and so do the scheme's
    assert json.loads((prepared.folder / "manifest.json").read_text())["resume"] == "exact"


def test_a_paused_run_goes_on_as_if_it_had_not_been(finished: Prepared, tmp_path: Path) -> None:
    tiny = ("reward=rnd", "reward.warmup=16", "seed=0")
    paused = prepare(tmp_path, *tiny, "pause_at=512")
    assert paused.folder.relative_to(tmp_path) == finished.folder.relative_to(finished.folder.parents[4])
    for _ in range(2):  # the second time there is nothing to do
        assert run(paused) == 0
        status = json.loads((paused.folder / "status.json").read_text())
        assert (status["state"], 512 <= status["frames"] < 640) == ("paused", True)
    known = read_run(paused.folder, tmp_path)
    assert (known.budget, known.evaluations.frames[-1], counts(known)) == (512, status["frames"], True)

    assert run(prepare(tmp_path, *tiny, "pause_at=600")) == 0
    assert run(prepare(tmp_path, *tiny)) == 0
    for name in ("train.csv", "eval.csv"):
        assert table(paused.folder / name) == table(finished.folder / name)
    assert json.loads((paused.folder / "manifest.json").read_text())["resume"] == "exact"
    assert json.loads((paused.folder / "status.json").read_text())["state"] == "finished"


def test_not_a_number_in_a_loss_is_divergence(tmp_path: Path) -> None:
    prepared = prepare(tmp_path, "agent.learning_rate=1e30", "agent.max_grad_norm=1e30")
    assert run(prepared) == 1
    status = json.loads((prepared.folder / "status.json").read_text())
    assert status["state"] == "diverged"
    assert "frame" in status["error"]
    assert run(prepared) == 1  # a result: left alone


def test_a_failure_is_written_down_with_its_place_and_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    prepared = prepare(tmp_path)

    def update(*_: object) -> None:
        1 / 0  # noqa: B018

    line = update.__code__.co_firstlineno + 1
    monkeypatch.setattr("rewardlab.agents.on_policy.ppo.Agent.update", update)
    assert run(prepared) == 1
    status = json.loads((prepared.folder / "status.json").read_text())
    assert (status["state"], status["error"]) == ("failed", f"test_run.py:{line}: ZeroDivisionError: division by zero")
    assert capsys.readouterr().err.endswith(f"division by zero; traceback in {prepared.folder}/run.log\n")
    assert "Traceback" in (prepared.folder / "run.log").read_text()
    monkeypatch.undo()
    assert run(prepared) == 0


@pytest.mark.parametrize("damage", ["table", "key", "unreadable"])
def test_what_cannot_be_continued_is_kept_and_says_what_to_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], damage: str
) -> None:
    prepared = prepare(tmp_path)
    assert run(prepared) == 0
    folder = prepared.folder
    write_status(folder, "interrupted", 1000)
    if damage == "table":
        (folder / "train.csv").unlink()
    elif damage == "key":
        state = torch.load(folder / "checkpoint.pt", weights_only=True)
        del state["state"]["agent"]
        torch.save(state, folder / "checkpoint.pt")
    else:
        torch.save({"format": 99, "state": {}}, folder / "checkpoint.pt")
    evaluations = (folder / "eval.csv").read_text()
    capsys.readouterr()
    assert run(prepared) == 1
    assert "overwrite=true starts anew" in "".join(capsys.readouterr())
    assert (folder / "eval.csv").read_text() == evaluations
    assert run(prepare(tmp_path, "overwrite=true")) == 0


DQN = ["agent=dqn", "agent.hidden=[16]", "agent.learning_starts=64", "agent.batch_size=16", "agent.buffer_size=500"]


def interrupted(folder: Path) -> Path:
    """A run on replay that stands at its last checkpoint, frame 512, with a row more than that counts."""
    prepared = prepare_replay(folder)
    write_row = Training._write_row

    def die(self: Training) -> None:
        write_row(self)
        if self.frames > 520:
            raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Training, "_write_row", die)
        assert run(prepared) == 1
    return prepared.folder


def prepare_replay(folder: Path, *overrides: str) -> Prepared:
    return compose(
        ["env=empty_5x5", "num_envs=4", "frames=1000", "eval.every=256", "eval.episodes=4", *DQN, *overrides,
         f"results_dir={folder}"]
    )  # fmt: skip


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.suffix in (".csv", ".pt", ".yaml")}


@pytest.mark.parametrize(
    ("name", "damage", "words"),
    [
        ("checkpoint.pt", lambda content: content[: len(content) // 2], "checkpoint.pt is damaged"),
        ("checkpoint.pt", lambda content: b"", "checkpoint.pt is damaged"),
        ("checkpoint.pt", lambda content: b"rubbish" * 100, "checkpoint.pt is damaged"),
        ("checkpoint.pt", lambda content: content[:3000] + b"x" * 500 + content[3500:], "checkpoint.pt cannot be read"),
        ("replay-*.pt", lambda content: content[: len(content) // 2], "replay-512.pt cannot be read"),
        ("replay-*.pt", None, "no replay-512.pt"),
        ("train.csv", lambda content: content[: len(content) // 2], "train.csv has"),
        ("train.csv", None, "train.csv is missing"),
        ("eval.csv", lambda content: content[:-20], "eval.csv has"),
    ],
)
def test_a_damaged_part_is_named_and_nothing_is_lost(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    name: str,
    damage: Callable[[bytes], bytes] | None,
    words: str,
) -> None:
    folder = interrupted(tmp_path)
    (path,) = folder.glob(name)
    if damage is None:
        path.unlink()
    else:
        path.write_bytes(damage(path.read_bytes()))
    before = contents(folder)
    for _ in range(2):  # the second time it is no better
        capsys.readouterr()
        assert run(prepare_replay(tmp_path)) == 1
        said = "".join(capsys.readouterr())
        assert said.count("\n") == 1 and words in said and "overwrite=true starts anew" in said
        assert words in (folder / "run.log").read_text()
        assert contents(folder) == before
    assert run(prepare_replay(tmp_path, "overwrite=true")) == 0
    assert {key: (folder / "damaged-1" / key).read_bytes() for key in before} == before
    assert "damaged-1/" in "".join(capsys.readouterr()) and "damaged-1/" in (folder / "run.log").read_text()
    assert run(prepare_replay(tmp_path)) == 0  # finished


@pytest.mark.parametrize("name", ["status.json", "manifest.json"])
@pytest.mark.parametrize("content", [b"", b"{rubbish"])
def test_a_run_goes_on_without_a_file_that_can_be_made_anew_and_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, content: bytes
) -> None:
    folder = interrupted(tmp_path / "broken")
    (folder / name).write_bytes(content)
    capsys.readouterr()
    assert run(prepare_replay(tmp_path / "broken")) == 0
    assert f"{name} is not valid JSON" in capsys.readouterr().err
    assert f"{name} is not valid JSON" in (folder / "run.log").read_text()
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["resume"] == ("approximate" if name == "manifest.json" else "exact")
    whole = prepare_replay(tmp_path / "whole")
    assert run(whole) == 0
    assert table(folder / "train.csv") == table(whole.folder / "train.csv")


def test_tables_of_a_lost_checkpoint_are_kept_aside(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = interrupted(tmp_path)
    (folder / "checkpoint.pt").unlink()
    before = contents(folder)
    assert run(prepare_replay(tmp_path)) == 0
    assert "left no checkpoint: starts anew; what was there is kept in damaged-1/" in capsys.readouterr().err
    assert contents(folder / "damaged-1") == before


def test_a_warm_up_that_leaves_nothing_to_train_on_is_refused(tmp_path: Path) -> None:
    said = r"frames=1000.*warms up for 256 steps of 4 environments first \(reward.warmup\), 1024 frames"
    with pytest.raises(UserError, match=said):
        run(prepare(tmp_path, "reward=rnd", "reward.warmup=256"))
    assert not any(tmp_path.iterdir())


def test_parts_that_do_not_fit_are_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(UserError):
        run(prepare(tmp_path, "agent=random", "reward=rnd"))
    assert not any(tmp_path.iterdir())


def test_one_frame(tmp_path: Path) -> None:
    prepared = prepare(tmp_path, "frames=1")
    assert run(prepared) == 0
    assert int(table(prepared.folder / "train.csv")[-1]["frames"]) == 4  # one step of all environments


def test_training_levels_can_be_evaluated(tmp_path: Path) -> None:
    prepared = prepare(tmp_path, "env.levels=3", "eval.levels=train", "frames=256")
    assert run(prepared) == 0
    with pytest.raises(UserError, match=r"eval\.levels=train"):
        run(prepare(tmp_path, "eval.levels=train"))


HEAVY = (
    *("wandb", "tensorboard", "matplotlib", "plotly", "pandas", "jinja2", "rich", "ray", "submitit", "IPython"),
    *("torch._dynamo", "torch.onnx"),
)


def test_a_run_from_python_computes_with_one_thread(tmp_path: Path) -> None:
    code = (
        "import sys\nfrom pathlib import Path\nimport numpy, torch, threadpoolctl\n"
        "from rewardlab.config.composition import compose\nfrom rewardlab.run import run\n"
        "assert run(compose(sys.argv[1:])) == 0\n"
        "blas = [pool['num_threads'] for pool in threadpoolctl.threadpool_info() if pool['user_api'] == 'blas']\n"
        "print({*blas, torch.get_num_threads()})"
    )
    several = {name: "2" for name in THREAD_VARIABLES}
    done = subprocess.run(
        [sys.executable, "-c", code, *TINY, f"results_dir={tmp_path}"],
        capture_output=True, text=True, check=True, env={**os.environ, **several},
    )  # fmt: skip
    assert done.stdout.splitlines()[-1] == "{1}"


def test_a_run_imports_nothing_that_it_does_not_need(tmp_path: Path) -> None:
    code = (
        "import sys\nfrom rewardlab.cli import main\nassert main(sys.argv[1:]) == 0\n"
        f"print([name for name in {HEAVY} if name in sys.modules])"
    )
    command = ["run", "env=doorkey_5x5", "frames=64", "eval.episodes=2", f"results_dir={tmp_path}"]
    done = subprocess.run([sys.executable, "-c", code, *command], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
