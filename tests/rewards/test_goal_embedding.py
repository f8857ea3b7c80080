"""Goal embeddings: closed forms of what is paid, encoders against plain counting, whole rollouts by hand, refusals."""

from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch

from rewardlab.cli import main
from rewardlab.contracts.datasets import made_up
from rewardlab.contracts.state_laws import GAMMA, new_context
from rewardlab.contracts.worlds import Renderer, worlds, write_script
from rewardlab.datasets.writing import About, Recorded, write_dataset
from rewardlab.errors import UserError
from rewardlab.maths.goal_embedding import contrasted, projected, speed_reward, target_share
from rewardlab.parts.models.frozen_encoders import CellCounts, FrozenConvolutions
from rewardlab.rewards.language import goal_embedding
from rewardlab.types import ObsSpec

SPEC = worlds()["grid"]
X, Y, Z = torch.eye(3)
CELLS = ObsSpec((5, 4, 3), "uint8", 10)


def test_vlm_rm_projects_onto_the_line_through_goal_and_baseline() -> None:
    for alpha, expected in ((0.0, 0.0), (0.5, 0.5625), (1.0, 0.75)):
        assert projected(Z[None], X, Y, alpha).item() == pytest.approx(expected, abs=1e-6)
    rng = torch.Generator().manual_seed(1)
    seen, goal, baseline = (torch.randn(*shape, generator=rng).double() for shape in ((6, 5), (5,), (5,)))
    goal, baseline = goal / goal.norm(), baseline / baseline.norm()
    for alpha in (0.0, 0.3, 1.0):
        ends = projected(torch.stack([goal, baseline]), goal, baseline, alpha)
        assert ends.tolist() == pytest.approx([1.0, float(goal @ baseline)])
        d = goal - baseline
        matrix = alpha * torch.outer(d, d) / (d @ d) + (1 - alpha) * torch.eye(5).double()
        by_matrix = [1 - 0.5 * float(((s - goal) @ matrix).square().sum()) for s in seen]
        assert projected(seen, goal, baseline, alpha).tolist() == pytest.approx(by_matrix)


def test_vlm_rl_by_hand() -> None:
    s = torch.tensor([[0.6, 0.8, 0.0]])
    assert contrasted(s, X, Y, 0.25).item() == pytest.approx(0.25 * 0.6 - 0.75 * 0.8)
    at = np.arctan2(1.0, 1.0) + np.arcsin(0.015 / np.sqrt(2))  # where sin - cos is .015
    s = torch.tensor([[np.cos(at), np.sin(at), 0.0]], dtype=torch.float32)
    share = target_share(s, X, Y, 0.03)
    assert share.item() == pytest.approx(0.5, abs=1e-5)
    assert target_share(torch.stack([X, Y]), X, Y, 0.03).tolist() == [1.0, 0.0]
    assert speed_reward(torch.tensor(10.0), share, 25.0, []).item() == pytest.approx(0.9, abs=1e-5)
    assert speed_reward(torch.tensor(35.0), torch.tensor(0.0), 25.0, []).item() == pytest.approx(-0.4)
    off = [torch.tensor([0.5, 2.0])]
    assert speed_reward(torch.tensor(25.0), torch.tensor(1.0), 25.0, off).tolist() == [0.5, 0.0]


def test_encoders() -> None:
    rng = np.random.default_rng(0)
    pictures = rng.integers(0, 11, size=(3, *CELLS.shape)).astype(np.uint8)
    counted = CellCounts(CELLS)(torch.from_numpy(pictures))
    for row, picture in zip(counted.numpy(), pictures, strict=True):
        cells, times = np.unique(picture.reshape(-1, 3), axis=0, return_counts=True)
        expected = np.zeros(11**3)
        expected[[a * 121 + b * 11 + c for a, b, c in cells.tolist()]] = times / np.linalg.norm(times)
        assert row == pytest.approx(expected, abs=1e-6)
    colours = ObsSpec((40, 40, 3), "uint8", 255)
    for spec in (CELLS, colours):
        some = torch.from_numpy(rng.integers(0, spec.high + 1, size=(2, *spec.shape)).astype(np.uint8))
        one, same, other = (FrozenConvolutions(spec, torch.Generator().manual_seed(k)) for k in (0, 0, 1))
        assert torch.allclose(one(some).norm(dim=1), torch.ones(2))
        assert torch.equal(one(some), same(some)) and not torch.equal(one(some), other(some))


def scheme(**options: object) -> goal_embedding.Scheme:
    options = {"sees": "image", "encoder": "counts", "name": "goal_embedding", **options}
    config = goal_embedding.Config(**options)
    config.validate()
    return goal_embedding.Scheme(config, new_context(replace(SPEC, privileged=config.privileged())))


def rollout(seed: int = 0):
    return Renderer(SPEC, seed=3).rollout(write_script(np.random.default_rng(seed), SPEC, 20, 4))


def planted(folder: Path, ends: torch.Tensor) -> str:
    """Demonstrations [K, 2, 7, 7, 3] of one step."""
    none = np.zeros(1, np.float32)
    episodes = (
        Recorded(k, {"image": shown.numpy()}, np.zeros(1, np.int64), none, True, False, True)
        for k, shown in enumerate(ends)
    )
    write_dataset(folder, episodes, SPEC, About("", "nobody", {}))
    return str(folder)


def test_a_rollout_is_paid_by_hand_directly_and_as_potential(tmp_path: Path) -> None:
    played = rollout()
    six = torch.unique(played.obs["image"].flatten(0, 1), dim=0)[:6]
    looks, others = six[:4], six[4:]
    demos = planted(tmp_path / "goal", torch.stack([looks[:2], looks[2:]]))
    beside = planted(tmp_path / "baseline", others[None])
    counts = CellCounts(SPEC.obs["image"])
    ends = {"s": played.obs["image"], "t": played.next_obs["image"]}
    unit = {name: counts(entry.flatten(0, 1)).numpy() for name, entry in ends.items()}
    goal, first = (counts(looks[at]).mean(dim=0).numpy() for at in ([1, 3], [0, 2]))
    for options, baseline in (
        ({}, first),
        ({"baseline_demos": beside}, counts(others)[0].numpy()),
        ({"baseline_demos": beside, "baseline_at": "last"}, counts(others)[1].numpy()),
    ):
        d = (goal - baseline) / np.linalg.norm(goal - baseline)
        matrix = 0.5 * np.outer(d, d) + 0.5 * np.eye(len(d))
        of = {name: 1 - 0.5 * (((rows - goal) @ matrix) ** 2).sum(axis=1) for name, rows in unit.items()}
        direct = scheme(demos=demos, pay="direct", **options).compute(played).streams["embedding"]
        assert direct.flatten().numpy() == pytest.approx(of["t"], abs=1e-5)
        shaped = scheme(demos=demos, **options).compute(played).streams["embedding"]
        by_hand = GAMMA * np.where(played.terminated.flatten(), 0.0, of["t"]) - of["s"]
        assert shaped.flatten().numpy() == pytest.approx(by_hand, abs=1e-5)
    near = scheme(demos=demos, pay="direct", form="contrast")
    paid, told = near.compute(played).streams["embedding"], near.update(played)
    assert told["embedding/reward"] == pytest.approx(float(paid.mean()), abs=1e-6)
    assert float(paid.mean()) == pytest.approx((told["embedding/goal"] - told["embedding/baseline"]) / 2, abs=1e-5)
    assert {"demos"} == near.assumes


def test_speeds_and_what_the_task_punishes() -> None:
    played = rollout()
    played.privileged = {"lava_beside": torch.randint(0, 3, played.task_reward.shape)}
    played.task_reward[2, 1] = -10.0
    made = scheme(
        demos=made_up(SPEC), form="target", pay="direct", speed="10 * lava_beside", factors=["lava_beside / 4"]
    )
    paid = made.compute(played).streams["embedding"]
    share = (
        scheme(demos=made_up(SPEC), form="target", pay="direct", speed="25", top_speed=25.0)
        .compute(played)
        .streams["embedding"]
    )
    speed = 10.0 * played.privileged["lava_beside"]
    expected = (1 - (speed - 25 * share).abs() / 25) * (1 - speed / 40)
    expected[2, 1] = -10.0
    assert torch.allclose(paid, expected, atol=1e-5) and "privileged" in made.assumes


def test_weights_from_a_file_and_from_a_checkpoint(tmp_path: Path) -> None:
    made = scheme(demos=made_up(SPEC), encoder="random")
    other = FrozenConvolutions(SPEC.obs["image"], torch.Generator().manual_seed(5))
    torch.save(other.network.state_dict(), tmp_path / "weights.pt")
    read = scheme(demos=made_up(SPEC), encoder="file", file=str(tmp_path / "weights.pt"))
    paid = [each.compute(rollout()).streams["embedding"] for each in (made, read)]
    assert not torch.allclose(*paid)
    made.load_state_dict(read.state_dict())
    assert torch.equal(made.compute(rollout()).streams["embedding"], paid[1])
    torch.save({"parts.image.convolutions.layers.0.weight": torch.zeros(2)}, tmp_path / "other.pt")
    (tmp_path / "none.pt").write_bytes(b"no weights")
    other_shape = r"has parts\.image\S+ of shape .* has it as \(2,\)"
    for file, match in (("other.pt", other_shape), ("none.pt", "can't be read"), ("no.pt", "can't be read")):
        with pytest.raises(UserError, match=match):
            scheme(demos=made_up(SPEC), encoder="file", file=str(tmp_path / file))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "needs a goal: reward.demos=DIR"),
        (["reward.encoder=file"], "needs its weights: reward.file=FILE"),
        (["reward.file=x"], "encoder=random: reads no file"),
        (["reward.goal=[a door]"], "goal and baseline go together"),
        (["reward.goal=[a door]", "reward.baseline=[a wall]"], "encoder=random reads no words"),
        (["reward.form=target"], "pay=potential: form=target pays steps"),
        (["reward.form=target", "reward.pay=direct", "reward.speed='nothing +'"], "speed=nothing +: "),
        (["reward.task_coef=0"], "nothing is left to learn from"),
        (["reward.encoder=count"], "did you mean counts?"),
        (["reward.encoder=open_clip", "reward.file=x"], "needs a goal: in words, by reward.goal and reward.baseline"),
        (["reward.encoder=open_clip", "reward.file=x", "reward.goal=[a]", "reward.baseline=[b]"], "[clip]"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_one_line(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    if "[clip]" in said:
        said = "open_clip's weights are not downloaded" if find_spec("open_clip") else said
    assert (
        main(["run", "env=empty_5x5", "reward=goal_embedding", "frames=100", *words, "results_dir=/nonexistent"]) == 2
    )
    line = capsys.readouterr().err
    assert said in line and len(line.splitlines()) == 1


def test_what_looks_the_same_is_refused() -> None:
    vector = worlds()["vector"]
    with pytest.raises(UserError, match="reads the image"):
        goal_embedding.Scheme(goal_embedding.Config(sees="image", name="goal_embedding"), new_context(vector))
    with pytest.raises(UserError, match="counts the cells of a grid"):
        CellCounts(ObsSpec((40, 40, 3), "uint8", 255))
    with pytest.raises(UserError, match="is too small"):
        FrozenConvolutions(ObsSpec((3, 3, 3), "uint8", 10), torch.Generator())


def test_goal_and_baseline_must_differ(tmp_path: Path) -> None:
    played = rollout()
    same = played.obs["image"][0, :1].expand(2, 7, 7, 3)
    with pytest.raises(UserError, match="look the same"):
        scheme(demos=planted(tmp_path / "same", same[None])).compute(played)
