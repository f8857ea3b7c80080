"""Learning from a data set alone: no step is played, it goes on exactly, and what cannot be is refused in one line."""

from pathlib import Path

import numpy as np
import pytest
import torch

from rewardlab.commands.demos import record
from rewardlab.config.composition import compose
from rewardlab.contracts.state_laws import require_equal
from rewardlab.errors import UserError
from rewardlab.records import checkpoint
from rewardlab.records.table import read_columns
from rewardlab.run import run
from rewardlab.training.build import build
from rewardlab.training.learning.offline import Learning
from rewardlab.training.recorder import Recording

SMALL = ["env=doorkey_5x5", "frames=1024", "eval.every=512", "eval.episodes=4", "agent.hidden=[16]",
         "agent.batch_size=32"]  # fmt: skip


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "mixed"
    parts = Recording(episodes=6, noise=0.2), Recording("random", episodes=2, keep="all", part=1)
    assert record(["env=doorkey_5x5"], str(folder), *parts) == 0
    return folder


def composed(data: Path, tmp_path: Path, *more: str):
    return compose([*SMALL, f"agent.data={data}", f"results_dir={tmp_path}", *more])


def test_frames_are_gradient_steps_times_the_batch(data: Path, tmp_path: Path) -> None:
    prepared = composed(data, tmp_path, "agent=iql")
    assert run(prepared) == 0
    train, evaluated = (read_columns(prepared.folder / name) for name in ("train.csv", "eval.csv"))
    assert train["frames"][-1] == 1024 and train["updates"][-1] == 1024 / 32
    assert np.isnan(train["episodes"][-1]) and evaluated["frames"] == [0, 512, 1024]


def test_an_interrupted_run_goes_on_exactly(data: Path, tmp_path: Path) -> None:
    whole, cut = (composed(data, tmp_path / name, "agent=iql") for name in ("whole", "cut"))
    assert run(whole) == 0
    learned, iterate = [], Learning.iterate

    def until(self, spent):
        if spent >= 544 and not learned:
            learned.append(spent)
            raise KeyboardInterrupt
        return iterate(self, spent)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Learning, "iterate", until)
        assert run(cut) == 130
    assert run(cut) == 0 and learned
    one, other = (checkpoint.load(prepared.folder / checkpoint.CHECKPOINT)[0] for prepared in (whole, cut))
    require_equal(one["agent"], other["agent"], "the agent")
    require_equal(one["streams"], other["streams"], "what is drawn next")
    tables = [read_columns(prepared.folder / "train.csv") for prepared in (whole, cut)]
    for name in ("frames", "loss/policy", "reward/task_mean"):
        assert tables[0][name] == tables[1][name]


def test_what_is_not_played_does_not_make_another_setting(data: Path, tmp_path: Path) -> None:
    base = composed(data, tmp_path, "agent=iql")
    assert composed(data, tmp_path, "agent=iql", "num_envs=7").setting_id == base.setting_id
    assert composed(data, tmp_path, "agent=iql", "agent.expectile=0.9").setting_id != base.setting_id
    copied = tmp_path / "elsewhere"
    copied.symlink_to(data)
    assert composed(copied, tmp_path, "agent=iql").setting_id == base.setting_id
    metadata = (data / "data" / "metadata.json").read_text()
    other = tmp_path / "other" / "data"
    other.mkdir(parents=True)
    (other / "metadata.json").write_text(metadata + " ")
    (other / "main_data.hdf5").write_bytes((data / "data" / "main_data.hdf5").read_bytes())
    assert composed(other.parent, tmp_path, "agent=iql").setting_id != base.setting_id


def test_otr_labels_a_data_set_as_it_pays_play(data: Path, tmp_path: Path) -> None:
    prepared = composed(data, tmp_path, "agent=iql", "reward=otr", f"reward.demos={data}")
    assert prepared.config.agent.reward_scale == "returns"
    parts = build(prepared.config)
    learning = Learning(prepared.config, parts)
    assert float(np.ptp(learning.data.returns)) == pytest.approx(1000.0)
    plain = composed(data, tmp_path, "agent=iql", "reward=otr", f"reward.demos={data}", "agent.reward_scale=none")
    unscaled = Learning(plain.config, build(plain.config)).data
    file = plain.config.agent.stored(parts.env.spec)
    episode = next(iter(file.each()))[0]
    expected = 0.01 * parts.scheme.of_episode(episode)["otr"]  # coef; one function for both
    assert torch.allclose(unscaled.reward[: len(episode)], expected)
    assert float(unscaled.reward.max()) <= 0.0


@pytest.mark.parametrize(
    ("more", "line"),
    [
        (["agent=td3_bc"], "agent=td3_bc: needs continuous actions"),
        (["agent=iql", "reward=rnd"], "nothing is played offline; use one of none, otr"),
        (["agent=iql", "reward=pbrs"], "reads full-state facts, which a data set lacks"),
        (["agent=iql", "curriculum=backplay"], "nothing is practised offline"),
        (["agent=bc", "reward=otr", "reward.demos=DATA"], "use reward=none"),
        (["agent=iql", "agent.data=null"], "learns from a data set alone: agent.data=DIR"),
        (["agent=iql", "frames=20"], "this is less than one"),
        (["agent=iql", "env=bitflip"], "its observations hold image; BitFlip"),
        (["agent=iql", "agent.data=nowhere"], "no dataset there"),
        (["agent=iql", "agent.data_episodes=9"], "9 episodes asked for, and it has 8"),
    ],
)
def test_what_cannot_be_learned_is_refused(data: Path, tmp_path: Path, more: list[str], line: str) -> None:
    with pytest.raises(UserError) as told:
        build(composed(data, tmp_path, *(text.replace("DATA", str(data)) for text in more)).config)
    assert line in str(told.value) and "\n" not in str(told.value)
