import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from contextlib import closing
from pathlib import Path

import psutil
import pytest
import yaml

from rewardlab import discovery
from rewardlab.cli import main
from rewardlab.config import composition, loggers, saved
from rewardlab.config.composition import compose
from rewardlab.config.expansion import valid_jobs
from rewardlab.errors import UserError
from rewardlab.records.loggers import none, side, tensorboard, wandb
from rewardlab.records.status import read_status
from rewardlab.records.store import RunStore
from rewardlab.records.table import Table
from rewardlab.schemas import check

ROOT = Path(__file__).parents[2]
TRAIN = ("frames", "return_mean", "loss/policy")
EVAL = ("frames", "return_mean")
SECONDS = 300  # a bound for what takes one or two on an idle machine, a hundred on a crowded one


@pytest.fixture(autouse=True)
def nobody_is_logged_in(monkeypatch, tmp_path_factory):
    for name in [name for name in os.environ if name.startswith("WANDB")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("NETRC", str(tmp_path_factory.mktemp("home") / "netrc"))


def begin(folder: Path, run_id: str = "abc-0-1") -> RunStore:
    store = RunStore(folder)
    labels = {"env": "doorkey", "reward": "rnd", "agent": "ppo"}
    store.write_manifest({"run_id": run_id, "setting_id": "abc", "labels": labels, "seed": 0, "config": {"a.b": 1}})
    store.set_status("running", 0)
    return store


def append(table: Table, *frames: int) -> None:
    for frame in frames:
        table.append({"frames": frame, "return_mean": frame / 1000})


def wait_until(condition, seconds: float = SECONDS) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.05)
    return False


def ended(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def sent(folder: Path) -> list[tuple[str, int, float]]:
    """(tag, step, value) of every number in the event files of a run, in the order of the files."""
    from tensorboard.backend.event_processing.event_file_loader import EventFileLoader

    found = []
    for path in sorted((folder / "tensorboard").glob("events.*"), key=lambda path: path.stat().st_mtime_ns):
        for event in EventFileLoader(str(path)).Load():
            for value in event.summary.value:
                number = value.tensor.float_val[0] if value.HasField("tensor") else value.simple_value
                found.append((value.tag, event.step, round(number, 6)))
    return found


def test_tensorboard_gets_every_row_once_over_two_sessions(tmp_path):
    store = begin(tmp_path)
    with store.lock():
        process = tensorboard.start(tensorboard.Config(), tmp_path)
        train, evaluation = Table(tmp_path / "train.csv", TRAIN), Table(tmp_path / "eval.csv", EVAL)
        append(evaluation, 0)
        append(train, 100)
        train.append({"frames": 200, "return_mean": 0.2, "loss/policy": -1.5})
        kept = train.sync()
        append(train, 300)
        train.close()
        store.set_status("interrupted", 300)
        assert process.finish(SECONDS)
    first = [
        ("eval/return_mean", 0, 0.0),
        ("train/return_mean", 100, 0.1),
        ("train/return_mean", 200, 0.2),
        ("loss/policy", 200, -1.5),
        ("train/return_mean", 300, 0.3),
    ]
    assert sent(tmp_path) == first
    with store.lock():  # continued from row 200
        train = Table(tmp_path / "train.csv", TRAIN, keep_bytes=kept)
        process = tensorboard.start(tensorboard.Config(), tmp_path)
        store.set_status("running", 200)
        append(train, 300, 400)
        append(evaluation, 400)
        store.set_status("finished", 400)
        assert process.finish(SECONDS)
    assert sorted(sent(tmp_path)) == sorted([*first, ("train/return_mean", 400, 0.4), ("eval/return_mean", 400, 0.4)])
    store.clear()  # overwrite=true: a run of another id sends everything anew
    assert not (tmp_path / "tensorboard").exists()


def test_an_overwritten_run_is_sent_anew_even_if_an_old_position_survived(tmp_path):
    store = begin(tmp_path, "abc-0-2")
    (tmp_path / "tensorboard").mkdir()
    (tmp_path / "tensorboard" / "position.json").write_text('{"run_id": "abc-0-1", "train": 900, "eval": 900}')
    with closing(Table(tmp_path / "train.csv", TRAIN)) as train:
        append(train, 100)
    process = tensorboard.start(tensorboard.Config(), tmp_path)
    store.set_status("finished", 100)
    assert process.finish(SECONDS)
    assert sent(tmp_path) == [("train/return_mean", 100, 0.1)]


def test_the_status_alone_ends_a_feed_and_an_earlier_end_does_not(tmp_path):
    store = begin(tmp_path)
    store.set_status("interrupted", 0)
    time.sleep(0.01)
    process = tensorboard.start(tensorboard.Config(), tmp_path)
    with closing(Table(tmp_path / "train.csv", TRAIN)) as train:
        append(train, 100)
        assert wait_until(lambda: (tmp_path / "tensorboard" / "position.json").exists())
        assert not ended(process.pid)
        append(train, 200)
    store.set_status("failed", 200, "error")
    assert wait_until(lambda: ended(process.pid))
    assert [step for _, step, _ in sent(tmp_path)] == [100, 200]


@pytest.mark.parametrize("holder", ["store.lock()", "contextlib.nullcontext()"], ids=["locked", "process only"])
def test_a_feed_ends_when_its_run_was_killed(tmp_path, holder):
    code = """
        import contextlib, os, sys, time
        from pathlib import Path
        from rewardlab.records.loggers import tensorboard
        from rewardlab.records.store import RunStore
        from rewardlab.records.table import Table
        folder = Path(sys.argv[1])
        store = RunStore(folder)
        with HOLDER:
            store.write_manifest({"run_id": "killed"})
            store.set_status("running", 0)
            print(tensorboard.start(tensorboard.Config(), folder).pid, flush=True)
            table = Table(folder / "train.csv", ("frames", "return_mean"))
            table.append({"frames": 1, "return_mean": 0.5})
            while not (folder / "tensorboard" / "position.json").exists():
                time.sleep(0.05)
            table.append({"frames": 2, "return_mean": 0.25})
            os.kill(os.getpid(), 9)
    """
    run = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code).replace("HOLDER", holder), str(tmp_path)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
        timeout=SECONDS,
    )
    assert run.returncode == -signal.SIGKILL
    assert wait_until(lambda: ended(int(run.stdout)))
    assert read_status(tmp_path)[0].state == "running"
    assert sent(tmp_path) == [("train/return_mean", 1, 0.5), ("train/return_mean", 2, 0.25)]


def test_a_feed_ends_when_the_lock_is_free_though_its_process_lives(tmp_path):
    store = begin(tmp_path)
    with store.lock():
        process = tensorboard.start(tensorboard.Config(), tmp_path)
        assert wait_until(lambda: "sending" in (tmp_path / "tensorboard" / "feed.log").read_text())
        time.sleep(1.5)
        assert not ended(process.pid)
    assert wait_until(lambda: ended(process.pid))


def test_a_feed_lives_apart_from_its_run(tmp_path):
    store = begin(tmp_path)
    process = tensorboard.start(tensorboard.Config(), tmp_path)
    found = psutil.Process(process.pid)
    assert os.getsid(process.pid) == process.pid != os.getsid(0)
    assert wait_until(lambda: found.nice() > psutil.Process().nice() or found.nice() == 19)
    store.set_status("finished", 0)
    assert process.finish(SECONDS)


def test_a_later_feed_takes_over(tmp_path):
    store = begin(tmp_path)
    with closing(Table(tmp_path / "train.csv", TRAIN)) as train:
        append(train, 100)
    old = tensorboard.start(tensorboard.Config(), tmp_path)
    assert wait_until(lambda: (tmp_path / "tensorboard" / "position.json").exists())
    new = tensorboard.start(tensorboard.Config(), tmp_path)
    assert wait_until(lambda: ended(old.pid))
    assert not ended(new.pid)
    store.set_status("finished", 100)
    assert new.finish(SECONDS)
    assert sent(tmp_path) == [("train/return_mean", 100, 0.1)]


def test_wandb_writes_offline_files_and_keeps_its_id_when_continued(tmp_path):
    store = begin(tmp_path)
    identity = wandb.wandb_id(store.manifest(), tmp_path)
    for session, frames in enumerate(((123, 234), (234, 345))):
        with store.lock():
            store.set_status("running", 0)
            process = wandb.start(wandb.Config(project="p", tags=["tagged"]), tmp_path)
            with closing(Table(tmp_path / "train.csv", TRAIN)) as train:
                append(train, *frames)
            store.write_summary({"final_return": 0.75, "frames_to_90": None})
            store.set_status("interrupted" if session == 0 else "finished", frames[-1])
            assert process.finish(SECONDS), (tmp_path / "wandb" / "feed.log").read_text()
        time.sleep(1)  # wandb names its folders by the second
    first, second = (path.read_bytes() for path in sorted(tmp_path.glob(f"wandb/offline-run-*-{identity}/run-*.wandb")))
    for content in (first, second):
        for text in (b"train/return_mean", b"doorkey/rnd/ppo/seed0", b"tagged", b"final_return", b"a.b"):
            assert text in content
    assert [number in first for number in (b"0.123", b"0.234", b"0.345")] == [True, True, False]
    assert [number in second for number in (b"0.123", b"0.234", b"0.345")] == [False, False, True]
    position = json.loads((tmp_path / "wandb" / "position.json").read_text())
    assert position == {"run_id": "abc-0-1", "train": 345, "eval": -1}


def test_a_run_that_is_overwritten_gets_another_wandb_id(tmp_path):
    ids = {wandb.wandb_id({"run_id": run_id}, tmp_path) for run_id in ("abc-0-1", "abc-0-2", "abc-1-1")}
    assert len(ids) == 3
    assert all(len(identity) == 16 and identity.isalnum() for identity in ids)


def test_wandb_is_online_only_for_who_is_logged_in(monkeypatch, tmp_path):
    assert wandb.resolve_mode("auto") == "offline"
    assert wandb.resolve_mode("online") == "online"
    netrc = tmp_path / "netrc"
    monkeypatch.setenv("NETRC", str(netrc))
    netrc.write_text("machine elsewhere.org login user password secret\n")
    assert wandb.resolve_mode("auto") == "offline"
    netrc.write_text("machine api.wandb.ai login user password secret\n")
    assert wandb.resolve_mode("auto") == "online"
    monkeypatch.setenv("WANDB_BASE_URL", "https://wandb.example.org:8080/")
    assert wandb.resolve_mode("auto") == "offline"
    netrc.write_text("this is no netrc file\n")
    assert wandb.resolve_mode("auto") == "offline"
    monkeypatch.setenv("WANDB_API_KEY", "key")
    assert wandb.resolve_mode("auto") == "online"
    monkeypatch.setenv("WANDB_MODE", "disabled")
    assert wandb.resolve_mode("auto") == "disabled"
    assert wandb.start(wandb.Config(), tmp_path) is None
    assert list(tmp_path.iterdir()) == [netrc]


USER_LOGGER = '''
"""A user's own."""
import time
from dataclasses import dataclass
from rewardlab.records.loggers.side import launch
from rewardlab.schemas import LoggerConfig

@dataclass
class Config(LoggerConfig):
    send_seconds: float = 1.0
    hang: bool = False

def start(config, folder):
    return launch("mine", config, folder)

class Sink:
    def __init__(self, options, manifest, folder):
        self.hang = options["hang"]

    def write(self, table, row):
        if self.hang:
            time.sleep(3600)
        raise ConnectionError("the service is gone")
'''


@pytest.mark.parametrize("hang", [False, True])
def test_a_service_that_fails_or_hangs_never_touches_the_run(tmp_path, monkeypatch, hang):
    loggers = tmp_path / "user" / "records" / "loggers"
    loggers.mkdir(parents=True)
    (loggers / "mine.py").write_text(USER_LOGGER)
    monkeypatch.setenv("REWARDLAB_PATH", str(tmp_path / "user"))
    module = discovery.load("logger", "mine")
    folder = tmp_path / "run"
    store = begin(folder)
    with store.lock():
        process = module.start(module.Config(hang=hang), folder)
        with closing(Table(folder / "train.csv", TRAIN)) as train:
            append(train, 100)
        assert wait_until(lambda: "sending" in (folder / "mine" / "feed.log").read_text())
        store.set_status("finished", 100)
        started = time.monotonic()
        assert not process.finish(0.2 if hang else SECONDS)
        assert not hang or time.monotonic() - started < 5
    assert wait_until(lambda: ended(process.pid))
    log = (folder / "mine" / "feed.log").read_text()
    assert ("given up" if hang else "ConnectionError: the service is gone") in log
    assert read_status(store.folder)[0].state == "finished"


def test_a_feed_that_cannot_be_started_is_no_error(tmp_path, monkeypatch):
    store = begin(tmp_path)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "missing"))
    assert tensorboard.start(tensorboard.Config(), tmp_path) is None
    assert read_status(store.folder)[0].state == "running"


def test_none_starts_nothing(tmp_path):
    assert none.start(none.Config(), tmp_path) is None
    assert side.logger_folders(tmp_path) == [] and list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", sorted(path.stem for path in (ROOT / "conf" / "logger").glob("*.yaml")))
def test_every_choice_composes_and_is_checked(name):
    assert discovery.header(ROOT / "conf" / "logger" / f"{name}.yaml").summary
    config = compose([f"logger={name}"]).config.logger
    assert isinstance(config, discovery.config_class("logger", config.plugin))
    assert (config.name, config.plugin, loggers.apart(config)) == (name, name, {name: config})


class TestSeveral:
    """`logger=[tensorboard,wandb]`."""

    def test_each_gets_its_options_and_the_setting_stays(self):
        prepared = compose(["logger=[tensorboard,wandb]", "logger.mode=offline", "logger.tags=[a,b]"])
        apart = loggers.apart(prepared.config.logger)
        assert [type(each) for each in apart.values()] == [tensorboard.Config, wandb.Config]
        assert (apart["wandb"].mode, apart["wandb"].tags, apart["wandb"].send_seconds) == ("offline", ["a", "b"], 600.0)
        assert apart["wandb"].plugin == "wandb" and apart["tensorboard"].plugin == "tensorboard"
        assert (prepared.folder, prepared.setting_id) == (compose([]).folder, compose([]).setting_id)
        assert loggers.apart(compose(["logger=[wandb]"]).config.logger) == loggers.apart(
            compose(["logger=wandb"]).config.logger
        )

    def test_a_yaml_of_the_user_chooses_them_too(self, tmp_path):
        (tmp_path / "experiment").mkdir()
        (tmp_path / "experiment" / "mine.yaml").write_text(
            "# @package _global_\ndefaults: [{override /logger: [wandb, tensorboard]}]\nlogger: {project: mine}\n"
        )
        apart = loggers.apart(compose(["+experiment=mine"], str(tmp_path)).config.logger)
        assert list(apart) == ["wandb", "tensorboard"] and apart["wandb"].project == "mine"
        alone = loggers.apart(compose(["+experiment=mine", "logger=wandb"], str(tmp_path)).config.logger)
        assert list(alone) == ["wandb"] and alone["wandb"].project == "mine"

    def test_a_sweep_composes_them_as_a_run_does(self):
        chosen = ["logger=[tensorboard,wandb]", "logger.project=p"]
        with composition.many(), composition.session():
            swept = [compose([*chosen, f"seed={seed}"]) for seed in (0, 1)]
        assert [each.resolved["logger"] for each in swept] == [compose(chosen).resolved["logger"]] * 2

    def test_a_sweep_over_loggers_keeps_its_meaning(self):
        """A run is the same under every logger, so of several jobs the first does it."""
        for choices, first in (
            ("tensorboard,wandb", "tensorboard"),
            ("[tensorboard,wandb],none", "[tensorboard,wandb]"),
        ):
            jobs, dropped = valid_jobs([f"logger={choices}", "seed=0"], None, lambda config: None)
            assert (jobs, dropped) == ([[f"logger={first}", "seed=0"]], [])

    def test_a_saved_run_is_repeated_with_them(self, tmp_path):
        prepared = compose(["logger=[tensorboard,wandb]", "logger.mode=offline"])
        (tmp_path / "config.yaml").write_text(yaml.safe_dump(prepared.resolved))
        again = saved.repeat(str(tmp_path), [])
        assert "logger=[tensorboard,wandb]" in again and "logger.mode='offline'" in again
        assert compose(again).resolved["logger"] == prepared.resolved["logger"]

    @pytest.mark.parametrize(
        ("line", "told"),
        [
            (["logger=[tensorboard,wnadb]"], r"logger=wnadb: no such logger; did you mean wandb\? \(allowed: none, te"),
            (["logger=[wandb,wandb]"], r"logger=\[wandb,wandb\]: wandb is named twice$"),
            (["logger=[]"], r"logger=\[\]: names none; write logger=none"),
            (["logger=[tensorboard,wandb]", "logger.mod=offline"], r"logger.mod: no such key; did you mean mode\?"),
            (["logger=[tensorboard,wandb]", "+logger.mod=offline"], r"logger.mod: no such key; did you mean mode\?"),
            (
                ["logger=[tensorboard,wandb]", "logger.mode=onlin"],
                r"logger.mode=onlin: no such option; did you mean on",
            ),
            (
                ["logger=[tensorboard,wandb]", "logger.send_seconds=0"],
                r"logger.send_seconds=0.0: must be greater than 0",
            ),
            (["logger=[tensorboard,wandb]", "logger.send_seconds=abc"], r"logger.send_seconds=abc: must be a number"),
            (["logger=wandb", "logger.send_seconds=abc"], r"logger.send_seconds=abc: must be a number"),
            (["logger=tensorboard", "logger.mode=offline"], r"logger.mode: no such key"),
            (["logger=[tensorboard,none]", "logger.mode=offline"], r"logger.mode: no such key"),
        ],
    )
    def test_what_is_wrong_is_refused(self, line, told):
        with pytest.raises(UserError, match=told):
            compose(line)

    def test_options_of_one_name_and_other_defaults_do_not_go_together(self, tmp_path, monkeypatch):
        folder = tmp_path / "records" / "loggers"
        folder.mkdir(parents=True)
        (folder / "mine.py").write_text(USER_LOGGER)
        monkeypatch.setenv("REWARDLAB_PATH", str(tmp_path))
        assert list(loggers.apart(compose(["logger=[mine,tensorboard]", "logger.hang=true"]).config.logger)) == [
            "mine", "tensorboard"
        ]  # fmt: skip
        with pytest.raises(UserError, match=r"send_seconds, by default 600\.0 and 1\.0: they do not go together"):
            compose(["logger=[wandb,mine]"])

    def test_two_presets_of_one_plugin_do_not_go_together(self, tmp_path):
        (tmp_path / "logger").mkdir()
        (tmp_path / "logger" / "team.yaml").write_text("defaults: [wandb_schema, _self_]\nproject: team\n")
        apart = loggers.apart(compose(["logger=[tensorboard,team]"], str(tmp_path)).config.logger)
        assert apart["wandb"].project == "team"
        with pytest.raises(UserError, match="two of the choices are wandb"):
            compose(["logger=[wandb,tensorboard,team]"], str(tmp_path))

    def test_a_run_feeds_both(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        line = ["env=empty_5x5", "frames=64", "num_envs=2", "eval.episodes=1", "agent.rollout_steps=32"]
        assert main(["run", *line, "logger=[tensorboard,wandb]", "logger.mode=offline"]) == 0
        (run,) = (path.parent for path in tmp_path.rglob("summary.json"))
        for name in ("tensorboard", "wandb"):
            log = run / name / "feed.log"
            assert wait_until(lambda log=log: "everything sent" in log.read_text()), log.read_text()
        assert ("eval/return_mean", 64) in [(tag, step) for tag, step, _ in sent(run)]
        assert len(list(run.glob("wandb/offline-run-*"))) == 1
        assert {path.name for path in side.logger_folders(run)} == {"tensorboard", "wandb"}


def test_a_wrong_mode_is_refused():
    with pytest.raises(UserError, match=r"logger\.mode=onlin: no such option; did you mean online"):
        check(wandb.Config(mode="onlin"), "logger.")


@pytest.mark.parametrize("module", [tensorboard, wandb])
def test_a_missing_package_is_refused_at_composition(module, monkeypatch):
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    with pytest.raises(UserError, match="pip install"):
        check(module.Config(), "logger.")
