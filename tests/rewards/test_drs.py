"""DrS: what stages are paid, what its discriminators learn from, their use by other runs, and what is refused."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch

from rewardlab.cli import main
from rewardlab.contracts.datasets import made_up
from rewardlab.contracts.state_laws import new_context
from rewardlab.contracts.worlds import Renderer, worlds, write_script
from rewardlab.datasets.demonstrations import DemonstrationFile
from rewardlab.datasets.folders import fingerprint
from rewardlab.errors import UserError
from rewardlab.parts.models.stage_discriminators import WINDOW, StageDiscriminators
from rewardlab.records import checkpoint
from rewardlab.rewards.imitation import drs
from rewardlab.types import Rollout, Transitions

SPEC = worlds()["vector"]
STAGES = ["vector[0] > 0.5", "vector[1] > 0"]


def scheme(**options: object) -> drs.Scheme:
    return drs.Scheme(drs.Config(**{"stages": STAGES, "plugin": "drs", **options}), new_context(SPEC))


def rollout(seed: int = 0, steps: int = 40) -> Rollout:
    return Renderer(SPEC, seed=1).rollout(write_script(np.random.default_rng(seed), SPEC, steps, 4))


def trained(**options: object) -> drs.Scheme:
    made = scheme(**options)
    for seed in range(3):
        made.compute(rollout(seed))
        made.update(rollout(seed))
    assert all(made.judges.trained)
    return made


def stage_of(played: Rollout, t: int, env: int) -> int:
    if played.success[t, env]:
        return 3
    reached = played.next_obs["vector"][t, env]
    return 2 if reached[1] > 0 else int(reached[0] > 0.5)


def logit(made: drs.Scheme, k: int, vector: torch.Tensor) -> float:
    """D_k's by single matrices."""
    first, last = (layer for layer in made.judges.judges[k] if hasattr(layer, "weight"))
    hidden = np.tanh(first.weight.detach().numpy() @ vector.numpy() + first.bias.detach().numpy())
    return float(last.weight.detach().numpy()[0] @ hidden + last.bias.detach().numpy()[0])


def test_steps_are_paid_by_stage_and_discriminator() -> None:
    played = rollout(9)
    for made, learned in ((scheme(), False), (trained(), True)):
        paid = made.compute(played).streams
        for t in range(played.steps):
            for env in range(4):
                k = stage_of(played, t, env)
                told = logit(made, k, played.next_obs["vector"][t, env]) if learned and k < 3 else 0.0
                by_hand = (3 * k + np.tanh(told)) / 9 - 2
                assert float(paid["intrinsic"][t, env]) == pytest.approx(by_hand, abs=1e-4)
        assert torch.equal(paid["task"], played.task_reward)
    assert made.streams[0].coef == 0
    flat = {"vector": played.next_obs["vector"].flatten(0, 1)}
    extra = {"discount": (~played.terminated).float().flatten(), "task_reward": played.task_reward.flatten()}
    steps = Transitions({}, played.action.flatten(), extra, flat)
    assert torch.allclose(made.rewards_of(steps)["intrinsic"], paid["intrinsic"].flatten(), atol=1e-5)


def test_the_reward_grows_with_the_stage_whatever_the_networks_say() -> None:
    made = trained()
    for judge in made.judges.judges:
        for weight in judge.parameters():
            weight.data = 100 * torch.randn(weight.shape, generator=torch.Generator().manual_seed(1))
    played = rollout(4, steps=120)
    paid = made.compute(played).streams["intrinsic"]
    stages = torch.tensor([[stage_of(played, t, env) for env in range(4)] for t in range(played.steps)])
    spans = [(float(paid[stages == k].min()), float(paid[stages == k].max())) for k in range(4)]
    assert all(below[1] < above[0] for below, above in pairwise(spans)), spans


def discriminators(memory: int = 500) -> StageDiscriminators:
    return StageDiscriminators(new_context(SPEC), 2, hidden=16, learning_rate=0.02, memory=memory)


def states(*first: float) -> dict[str, torch.Tensor]:
    return {"vector": torch.tensor([[x, 0.0, 0.0, 0.0] for x in first])}


def test_episodes_count_up_to_the_last_step_in_their_best_stage() -> None:
    made = discriminators()
    made.keep(states(0, 1, 2, 3, 4, 5), torch.tensor([0, 1, 0, 1, 0, 0]))
    made.keep(states(6, 7), torch.tensor([0, 0]))
    made.keep(states(8, 9), torch.tensor([1, 2]))
    assert made.counts == [2, 4, 2]
    kept = made.state_dict()["kept"][1]["steps"]["obs.vector"]
    assert kept[:, 0].tolist() == [0, 1, 2, 3]


def test_discriminators_tell_what_leads_beyond_their_stage() -> None:
    made = discriminators()
    assert made.learn(3, 32) is None
    made.keep(states(-1, -1.2), torch.tensor([0, 0]))
    made.keep(states(0, 0.1), torch.tensor([0, 1]))
    for _ in range(40):
        made.learn(5, 32)
    assert made.trained == [True, False], "no episode got beyond stage 1"
    assert made.told(states(0.5))[0, 1:].tolist() == [0, 0]
    made.keep(states(1, 1.2), torch.tensor([1, 2]))
    for _ in range(80):
        made.learn(5, 32)
    told = made.told(states(-1.1, 0.05, 1.1))
    assert told[:, 0].sign().tolist() == [-1, 1, 1]
    assert told[:, 1].sign().tolist() == [-1, -1, 1]
    assert told[:, 2].tolist() == [0, 0, 0]


def test_sides_are_drawn_in_proportion_to_their_sizes() -> None:
    made = discriminators()
    for stage, count in ((0, 10), (1, 30)):
        made.keep(states(*[float(stage)] * count), torch.full((count,), stage))
    drawn = made._drawn(made._kept[:2], 4000)
    assert float(drawn[:, 0].mean()) == pytest.approx(0.75, abs=0.03)


def test_a_discriminator_is_done_once_nearly_all_get_beyond_its_stage() -> None:
    made = discriminators()
    made.keep(states(-1.0), torch.tensor([0]))
    made.keep(states(1.0), torch.tensor([2]))
    for number in range(WINDOW):
        assert made.done == [False, False]
        made.count(0 if number < 5 else 1)
    assert made.done == [False, False], "95 % are not more than that"
    made.count(1)
    assert made.done == [True, False]
    for _ in range(WINDOW):
        made.count(0)
    assert made.done == [True, False]
    before = [weight.clone() for weight in made.judges[0].parameters()]
    assert made.learn(2, 8) is not None
    assert all(torch.equal(old, new) for old, new in zip(before, made.judges[0].parameters(), strict=True))


def test_demonstrations_are_successes_from_the_beginning() -> None:
    made = scheme(demos=made_up(SPEC))
    assert "demos" in made.assumes
    made.compute(rollout(steps=1))
    made.update(rollout(steps=1))
    frames = DemonstrationFile("", made_up(SPEC), SPEC).read().frames
    assert made.judges.counts[3] in range(frames, frames + 5)


def test_another_run_pays_by_what_was_learned(tmp_path: Path) -> None:
    made, played = trained(), rollout(9)
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        checkpoint.save(tmp_path / name / "checkpoint.pt", {"scheme": made.state_dict()})
    again = scheme(frozen=str(tmp_path / "a"))
    expected = made.compute(played).streams["intrinsic"]
    for _ in range(2):
        assert torch.equal(again.compute(played).streams["intrinsic"], expected)
        again.update(played)
    assert again.judges.counts == [0, 0, 0, 0]
    assert fingerprint(str(tmp_path / "a")) == fingerprint(str(tmp_path / "b")) != str(tmp_path / "a")
    with pytest.raises(UserError, match=r"reward\.frozen=.* has 3 stages, success included, and here are 2"):
        scheme(frozen=str(tmp_path / "a"), stages=STAGES[:1])
    with pytest.raises(UserError, match="other observations or another"):
        scheme(frozen=str(tmp_path / "a"), hidden=8)
    checkpoint.save(tmp_path / "b" / "checkpoint.pt", {"scheme": scheme().state_dict()})
    with pytest.raises(UserError, match="none of its discriminators has learned"):
        scheme(frozen=str(tmp_path / "b"))
    checkpoint.save(tmp_path / "b" / "checkpoint.pt", {"scheme": {}})
    with pytest.raises(UserError, match="its reward is not drs"):
        scheme(frozen=str(tmp_path / "b"))


def test_only_success_is_the_last_stage() -> None:
    """An end without success, as in lava, is a step like others."""
    made, played = scheme(), rollout(2)
    failed = replace(played, success=torch.zeros_like(played.success))
    assert played.terminated.any()
    ends = played.terminated
    assert (made.compute(played).streams["intrinsic"][ends] == -1).all()
    assert (scheme().compute(failed).streams["intrinsic"][ends] < -1).all()


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("reward=drs reward.frozen=nowhere", ["reward.frozen=nowhere", "no checkpoint.pt"]),
        ("reward=drs reward.stages=['2+']", ["reward.stages", "no expression"]),
        ("reward=drs reward.stages=['1>0']", ["reward.stages", "name a fact"]),
        ("reward=drs reward.stages=['agent_pos>0']", ["reward.stages", "agent_pos[0]"]),
        ("reward=drs reward.stages=['doors_opn>0']", ["doors_opn", "doors_open"]),
        ("reward=drs reward.frozen=x reward.demos=y", ["reward.frozen=x", "demos=y"]),
    ],
)
def test_what_does_not_work_is_refused(
    line: str, said: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", "env=doorkey_5x5", *line.split(), f"results_dir={tmp_path}"]) == 2
    (told,) = capsys.readouterr().err.strip().splitlines()
    assert all(part in told for part in said), told
    assert not list(tmp_path.iterdir())
