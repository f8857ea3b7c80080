"""VPL: what is paid and shown, in training and in evaluation."""

import json
import math
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch

from rewardlab.cli import main
from rewardlab.config.composition import compose
from rewardlab.contracts.state_laws import NUM_ENVS, new_context
from rewardlab.contracts.worlds import Renderer, worlds, write_script
from rewardlab.maths.user_latent import information_gain
from rewardlab.parts.shown_latents import SHOWN, ShownLatents
from rewardlab.records import checkpoint
from rewardlab.rewards.learned import vpl
from rewardlab.training.build import build
from rewardlab.types import Asked, ObsSpec, Rollout

USERS = ["vector[0]", "-vector[0]"]
ROUND = {
    "feedback_start": 0,
    "feedback_every": 0,
    "sets": 60,
    "epochs": 8,
    "hidden": [16],
    "dim": 2,
    "compared": 20,
    "scaling": "spo",
}
TINY = ["env=pointplane", "reward=vpl", "num_envs=4", "reward.sets=20", "reward.feedback_start=100", "reward.epochs=2"]


def asked_once(**options) -> tuple[vpl.Scheme, Rollout]:
    """A scheme after its round and fit, and a rollout that two latents are shown in."""
    spec = worlds()["vector"]
    scheme = vpl.Scheme(vpl.Config(name="vpl", users=USERS, **ROUND | options), new_context(spec))
    script = write_script(np.random.default_rng(0), spec, 40, NUM_ENVS)
    rollout = Renderer(spec, seed=11).rollout(script)
    latents = torch.tensor([[0.5, -1.0], [2.0, 0.3]])[torch.arange(NUM_ENVS) % 2].expand(40, -1, -1)
    rollout.obs[SHOWN] = rollout.next_obs[SHOWN] = latents
    scheme.update(rollout)
    return scheme, rollout


def test_a_step_is_paid_how_often_its_state_is_better_than_others_for_that_user() -> None:
    scheme, rollout = asked_once()
    paid = scheme.compute(rollout).streams["intrinsic"]
    mean, std = scheme.used.mean, scheme.used.std

    def worth(flat: torch.Tensor, latent: torch.Tensor) -> float:
        return float(scheme.model(flat[None], latent)[0].detach())

    compared = ((scheme.state_dict()["compared"] - mean) / std).clamp(-10, 10)
    for t, n in ((0, 0), (7, 1), (39, 3)):
        latent = rollout.obs[SHOWN][t, n]
        state = ((rollout.next_obs["vector"][t, n] - mean) / std).clamp(-10, 10)
        own = worth(state, latent)
        better = [1 / (1 + math.exp(worth(other, latent) - own)) for other in compared]
        assert float(paid[t, n]) == pytest.approx(sum(better) / 20, abs=1e-5)


def test_users_are_asked_whose_answers_are_their_expressions() -> None:
    scheme, _ = asked_once()
    own = scheme.state_dict()["own"]
    first, second = own["pairs"][..., 0, 0], own["pairs"][..., 1, 0]
    assert own["pairs"].shape == (2, 8, 2, 4)
    assert torch.equal(own["preferred"][0], 0.5 * (1 + torch.sign(first[0] - second[0])))
    assert torch.equal(own["preferred"][1], 0.5 * (1 + torch.sign(second[1] - first[1])))
    turned, _ = asked_once(mistake=1.0)
    wrong = turned.state_dict()["own"]
    first, second = wrong["pairs"][0, :, 0, 0], wrong["pairs"][0, :, 1, 0]
    assert torch.equal(wrong["preferred"][0], 0.5 * (1 + torch.sign(second - first)))


@pytest.mark.parametrize("user", [0, 1])
def test_evaluation_shows_what_the_answers_of_one_user_say(user: int) -> None:
    scheme, _ = asked_once(user=user)
    state = scheme.state_dict()
    pairs = ((state["own"]["pairs"] - scheme.used.mean) / scheme.used.std).clamp(-10, 10)
    expected = scheme.model.posterior(pairs, state["own"]["preferred"])["mean"][user].detach()
    shown = scheme.shown.show(
        scheme.shown.propose(Asked(3, {}, {}, False, np.ones(3, dtype=bool)), torch.Generator()), {}
    )[SHOWN]
    assert np.allclose(shown, expected.numpy(), atol=1e-6) and shown.shape == (3, 2)


def test_in_training_a_latent_of_the_prior_stays_for_some_episodes() -> None:
    shown, rng = ShownLatents(2, episodes=3), torch.Generator().manual_seed(0)
    shown.tell({"mean": torch.tensor([5.0, -5.0]), "log_std": torch.tensor([0.0, -2.0])}, torch.zeros(2))
    goals, seen = shown.propose(Asked(4000, {}, {}, True, np.ones(4000, dtype=bool)), rng), []
    for _ in range(7):
        seen.append(goals["latent"].copy())
        goals = shown.propose(Asked(4000, {}, goals, True, np.ones(4000, dtype=bool)), rng)
    same = [bool((a == b).all()) for a, b in pairwise(seen)]
    assert same == [True, True, False, True, True, False]
    assert np.allclose(seen[0].mean(axis=0), [5, -5], atol=0.06)
    assert np.allclose(seen[0].std(axis=0), [1, np.exp(-2)], rtol=0.05)


def test_what_is_asked_of_whom_to_please_tells_more_than_other_questions() -> None:
    """All users answer the same set, which leaves less unknown than sets drawn alike, by any way of answering."""
    scheme, _ = asked_once(query="informative")
    own = scheme.state_dict()["own"]
    assert torch.equal(own["pairs"][0], own["pairs"][1]) and torch.equal(own["preferred"][0], 1 - own["preferred"][1])
    ways = torch.randint(2, (50, 8), generator=torch.Generator().manual_seed(0)).float()
    drawn = scheme._questions(torch.zeros(40, dtype=torch.int64), 8)["pairs"]
    sets = ((torch.cat([own["pairs"][:1], drawn]) - scheme.used.mean) / scheme.used.std).clamp(-10, 10)
    left = torch.stack([scheme.model.posterior(sets, way.expand(41, -1))["log_std"] for way in ways])
    gain = information_gain(left.detach())
    assert float(gain[0]) > float(gain[1:].quantile(0.9))


def test_one_reward_for_all_users_shows_nothing() -> None:
    config = compose([*TINY, "reward.dim=0"]).config
    parts = build(config)
    assert parts.conditioner is None and parts.env.spec.obs.keys() == {"vector"}
    parts.env.close()
    parts = build(compose([*TINY, "reward.dim=5"]).config)
    assert parts.env.spec.obs[SHOWN] == ObsSpec((5,), "float32")
    parts.env.close()


@pytest.mark.parametrize("agent", [["agent=ppo"], ["agent=sac", "agent.bonus=replayed", "agent.learning_starts=200"]])
def test_agents_learn_from_it_and_its_latent_is_kept(agent: list[str], tmp_path: Path) -> None:
    given = [*TINY, *agent, "frames=300", "eval.every=300", "eval.episodes=2", f"results_dir={tmp_path}"]
    assert main(["run", *given]) == 0
    (manifest,) = tmp_path.glob("runs/*/*/*/*/manifest.json")
    assert "comparisons" in json.loads(manifest.read_text())["assumes"]
    saved, _ = checkpoint.load(manifest.parent / "checkpoint.pt")
    assert saved["conditioner"]["known"].abs().sum() > 0
    header, *rows = (manifest.parent / "train.csv").read_text().splitlines()
    column = header.split(",").index("explore/vpl_accuracy")
    assert any(row.split(",")[column] for row in rows)


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        ([*TINY[:2], "reward.users=[]"], "needs one at least"),
        ([*TINY[:2], "reward.pooled=categorical"], "set dim=0"),
        ([*TINY[:2], "reward.query=informative", "reward.dim=0"], "dim=0 has none"),
        ([*TINY[:2], "reward.user=2"], "there are 2 users, 0 to 1"),
        ([*TINY[:2], "reward.users=['action[0]']"], "users compare states, which have no action"),
        ([*TINY[:2], "reward.users=['vector[0']"], "users=vector[0"),
        ([*TINY[:2], "reward.users=[carrying]"], "cannot give carrying"),
        (["env=goalgrid_empty_8x8", "reward=vpl", "reward.users=['agent_pos[0]']"], "shows the agent its own goals"),
        ([*TINY[:1], "reward=mix", "reward@reward.schemes.count=vpl"], "shows the agent something of its own"),
    ],
)
def test_what_does_not_fit_is_refused(overrides: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "--dry-run", *overrides]) == 2
    *_, line = capsys.readouterr().err.strip().splitlines()  # kernels may have been compiled before
    assert said in line
