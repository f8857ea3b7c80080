"""Which loggers a run has: one, several, their options, and what is refused."""

from pathlib import Path

import pytest
import yaml
from feeds import USER_LOGGER, sent, wait_until

from rewardlab import discovery
from rewardlab.cli import main
from rewardlab.config import composition, loggers, saved
from rewardlab.config.composition import compose
from rewardlab.config.expansion import valid_jobs
from rewardlab.errors import UserError
from rewardlab.records.loggers import side, tensorboard, wandb
from rewardlab.schemas import check

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.usefixtures("nobody_is_logged_in")


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
