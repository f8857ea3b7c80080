"""AIRL: what is paid and learned, that its reward holds under other dynamics, and what is refused."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from rewardlab.cli import main
from rewardlab.config.composition import compose
from rewardlab.contracts.datasets import made_up, solved
from rewardlab.contracts.made_up_policy import MadeUpPolicy
from rewardlab.contracts.state_laws import new_context
from rewardlab.contracts.worlds import Renderer, worlds, write_script
from rewardlab.datasets.writing import About, Recorded, write_dataset
from rewardlab.errors import UserError
from rewardlab.records import checkpoint
from rewardlab.records.table import read_columns
from rewardlab.rewards.imitation import airl
from rewardlab.run import run
from rewardlab.types import Array, Rollout

SPEC = worlds()["vector"]  # four numbers, three actions
STATES, GAMMA = np.eye(4, dtype=np.float32), 0.9
LEFT_STAY_RIGHT = np.array([[max(s - 1, 0), s, min(s + 1, 3)] for s in range(4)])
OTHERWISE = np.array([[(s + 2) % 4, min(s + 1, 3), max(s - 1, 0)] for s in range(4)])


def scheme(**options: object) -> airl.Scheme:
    demos = {} if "frozen" in options else {"demos": made_up(SPEC)}
    made = airl.Scheme(airl.Config(**{**demos, "plugin": "airl", **options}), new_context(SPEC))
    if made.asks_policy:
        made.take_policy(MadeUpPolicy(SPEC))
    return made


def rollout(seed: int = 0, steps: int = 40) -> Rollout:
    return Renderer(SPEC, seed=1).rollout(write_script(np.random.default_rng(seed), SPEC, steps, 4))


def trained(**options: object) -> airl.Scheme:
    made = scheme(**options)
    for seed in range(3):
        made.compute(rollout(seed))
        made.update(rollout(seed))
    return made


def by_hand(made: airl.Scheme, name: str, *inputs: Array) -> float:
    """A network's output by single matrices."""
    hidden = np.concatenate(inputs)
    layers = [layer for layer in made.judges[name] if hasattr(layer, "weight")]
    for layer in layers[:-1]:
        hidden = np.maximum(layer.weight.detach().numpy() @ hidden + layer.bias.detach().numpy(), 0)
    return float(layers[-1].weight.detach().numpy()[0] @ hidden + layers[-1].bias.detach().numpy()[0])


@pytest.mark.parametrize("actions", [True, False])
def test_steps_are_paid_the_reward_and_its_shaping(actions: bool) -> None:
    """An end by the task takes away the potential of what was reached, and a time limit does not."""
    made, played = trained(actions=actions), rollout(9)
    paid = made.compute(played).streams
    assert played.terminated.any() and played.truncated.any()
    for t in range(played.steps):
        for env in range(4):
            before, after = (entry["vector"][t, env].numpy() for entry in (played.obs, played.next_obs))
            g = by_hand(made, "reward", before, *([np.eye(3)[played.action[t, env]]] if actions else []))
            value = 0.0 if played.terminated[t, env] else by_hand(made, "potential", after)
            expected = g + made.context.gamma * value - by_hand(made, "potential", before)
            assert float(paid["intrinsic"][t, env]) == pytest.approx(expected, abs=1e-4)
    assert torch.equal(paid["task"], played.task_reward)
    assert made.streams[0].coef == 0 and made.assumes == {"demos"}


def test_the_discriminator_subtracts_what_the_policy_says_of_both_kinds(tmp_path: Path) -> None:
    """One demonstrated step that ends the task and one that was played and runs into a time limit: the loss by hand."""
    shown, reached = np.array([1, 0, 2, 0.5], np.float32), np.array([0, 3, 0, 1], np.float32)
    write(
        tmp_path,
        [Recorded(0, {"vector": np.stack([shown, reached])}, np.array([2]), np.ones(1, np.float32), True, False, True)],
    )
    made = scheme(demos=str(tmp_path / "demos"), updates=1)
    played = steps_of(np.tile(reached, (8, 1)), np.full(8, 1), np.tile(shown, (8, 1)))
    says = MadeUpPolicy(SPEC, slope=0.7)  # -1 - 0.7 times the action
    made.take_policy(says)

    def f(before: Array, action: int, after: float) -> float:
        return by_hand(made, "reward", before, np.eye(3)[action]) + after - by_hand(made, "potential", before)

    demonstrated = f(shown, 2, 0.0) + 1 + 0.7 * 2
    own = f(reached, 1, made.context.gamma * by_hand(made, "potential", shown)) + 1 + 0.7 * 1
    expected = 0.5 * (np.log1p(np.exp(-demonstrated)) + np.log1p(np.exp(own)))
    assert made.update(played)["loss/airl_discriminator"] == pytest.approx(expected, rel=1e-4)
    assert says.asked == 1


def test_its_reward_keeps_its_best_policy_when_the_dynamics_change(tmp_path: Path) -> None:
    """A chain of four states whose third pays, played as maximum entropy has it: g comes to be the reward.

    All steps end by a time limit. So much is known in closed form: f = log pi, of which g and h are the only parts, up
    to a constant.
    """
    reward = np.array([0.0, 0.0, 1.0, 0.0])
    values = np.zeros(4)
    for _ in range(300):
        q = reward[:, None] + GAMMA * values[LEFT_STAY_RIGHT]
        values = np.log(np.exp(q).sum(axis=1))
    log_pi = q - values[:, None]
    pairs = [(s, a) for s in range(4) for a in range(3) for _ in range(max(1, round(40 * np.exp(log_pi[s, a]))))]
    pairs = pairs[: len(pairs) // 4 * 4]
    one = np.ones(1, np.float32)
    write(
        tmp_path,
        (
            Recorded(0, {"vector": STATES[[s, LEFT_STAY_RIGHT[s, a]]]}, np.array([a]), 0 * one, False, True, False)
            for s, a in pairs
        ),
    )
    made = scheme(demos=str(tmp_path / "demos"), actions=False, updates=200, gamma=GAMMA, batch_size=160)
    made.take_policy(lambda obs, a: torch.from_numpy(log_pi)[obs["vector"].argmax(dim=1), a].float())
    place, action = (np.array(column) for column in zip(*pairs, strict=True))
    played = steps_of(STATES[place], action, STATES[LEFT_STAY_RIGHT[place, action]])
    for rate in (0.02, 0.005, 0.001):
        made.optimiser.learning_rate = rate
        made.update(played)
    paid = made.compute(played).streams["intrinsic"].flatten().numpy()
    assert paid == pytest.approx(log_pi[place, action], abs=0.1)
    g = np.array([by_hand(made, "reward", state) for state in STATES])
    assert g - g.mean() == pytest.approx(reward - reward.mean(), abs=0.2)
    assert worth(best(g, OTHERWISE), reward, OTHERWISE) == pytest.approx(
        worth(best(reward, OTHERWISE), reward, OTHERWISE), abs=1e-6
    )


def best(reward: Array, leads_to: Array) -> Array:
    """The best action of each state."""
    values = np.zeros(4)
    for _ in range(400):
        q = reward[:, None] + GAMMA * values[leads_to]
        values = q.max(axis=1)
    return q.argmax(axis=1)


def worth(policy: Array, reward: Array, leads_to: Array) -> Array:
    moves = np.eye(4)[leads_to[np.arange(4), policy]]
    found: Array = np.linalg.solve(np.eye(4) - GAMMA * moves, reward)
    return found


def write(folder: Path, episodes: Iterator[Recorded] | list[Recorded]) -> None:
    write_dataset(folder / "demos", iter(episodes), SPEC, About("", "nobody", {}))


def steps_of(before: Array, action: Array, after: Array) -> Rollout:
    """Episodes of one step each, cut off by a time limit."""
    shape = (len(action) // 4, 4)
    obs, reached = ({"vector": torch.from_numpy(entry).view(*shape, 4)} for entry in (before, after))
    always, nothing = torch.ones(shape, dtype=torch.bool), torch.zeros(shape)
    return Rollout(
        obs, reached, torch.from_numpy(action).view(shape), nothing, ~always, always, ~always, always,
        {"vector": obs["vector"][0]}, always[0], None,
    )  # fmt: skip


def test_beyond_a_box_both_networks_and_the_policy_judge_what_is_executed() -> None:
    box = worlds()["continuous"]
    played = Renderer(box, seed=1).rollout(write_script(np.random.default_rng(0), box, 40, 4))
    told = []
    for action in (3 * played.action, (3 * played.action).clip(-1, 1)):
        made = airl.Scheme(airl.Config(demos=made_up(box), plugin="airl"), new_context(box))
        made.take_policy(MadeUpPolicy(box))
        acted = replace(played, action=action)
        told.append((made.compute(acted).streams["intrinsic"], made.update(acted)))
    assert torch.equal(told[0][0], told[1][0])
    assert told[0][1] == pytest.approx(told[1][1])


def test_another_run_pays_the_reward_alone(tmp_path: Path) -> None:
    made, played = trained(), rollout(9)
    for name in "ab":
        (tmp_path / name).mkdir()
        checkpoint.save(tmp_path / name / "checkpoint.pt", {"scheme": made.state_dict()})
    again = scheme(frozen=str(tmp_path / "a"))
    assert not again.asks_policy and "demos" not in again.assumes
    for _ in range(2):
        paid = again.compute(played).streams["intrinsic"]
        for t, env in ((0, 0), (7, 2), *played.done.nonzero().tolist()):
            before, action = played.obs["vector"][t, env].numpy(), np.eye(3)[played.action[t, env]]
            assert float(paid[t, env]) == pytest.approx(by_hand(made, "reward", before, action), abs=1e-4)
        assert again.update(played) == {}
    for options in ({"actions": False}, {"hidden": 8}):
        with pytest.raises(UserError, match=r"reward\.frozen=.*another reward\.hidden or reward\.actions"):
            scheme(frozen=str(tmp_path / "a"), **options)
    checkpoint.save(tmp_path / "b" / "checkpoint.pt", {"scheme": {"judges": {"trained": [True]}}})
    with pytest.raises(UserError, match="its reward is not airl"):
        scheme(frozen=str(tmp_path / "b"))


def test_a_run_hands_its_policy_over_through_mixes_and_transforms(tmp_path: Path) -> None:
    demos = f"reward.schemes.airl.demos={solved('env=doorkey_5x5')}"
    line = [
        "reward=mix",
        "reward.schemes.rnd=null",
        "+reward@reward.schemes.airl=airl",
        demos,
        "reward.schemes.airl.transform=[clip:0.5]",
    ]
    assert run(compose(["env=doorkey_5x5", *line, "frames=2_000", f"results_dir={tmp_path}"])) == 0
    (folder,) = tmp_path.glob("runs/*/*/*/*")
    told = read_columns(folder / "train.csv")
    (losses,) = (column for name, column in told.items() if "airl_discriminator" in name)
    assert 0 < losses[-1] < 10


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("reward=airl", ["reward=airl", "reward.demos=DIR"]),
        ("reward=airl reward.demos=nowhere", ["reward.demos=nowhere", "no dataset there"]),
        ("reward=airl reward.frozen=nowhere", ["reward.frozen=nowhere", "no checkpoint.pt"]),
        ("reward=airl reward.frozen=x reward.demos=y", ["frozen=x", "demos=y"]),
        ("reward=airl reward.demos=DEMOS agent=dqn", ["reward=airl agent=dqn", "use agent=ppo agent.memory=none"]),
        ("reward=airl reward.demos=DEMOS agent.memory=gru", ["reward=airl agent=ppo", "agent.memory=none"]),
    ],
)
def test_what_does_not_work_is_refused(
    line: str, said: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = line.replace("DEMOS", solved("env=doorkey_5x5")).split()
    assert main(["run", "env=doorkey_5x5", *words, f"results_dir={tmp_path}"]) == 2
    (told,) = capsys.readouterr().err.strip().splitlines()
    assert all(part in told for part in said), told
    assert not list(tmp_path.iterdir())
