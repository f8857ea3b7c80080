"""RAPID's scores and buffer against the walk of the paper through whole episodes."""

from collections import Counter

import numpy as np
import pytest
import torch
from made_up import case, rollouts

from rewardlab.errors import UserError
from rewardlab.types import Judgement


def walk(rolled):
    """The episodes that ended in each rollout: views, actions and return."""
    begun, ended = [[] for _ in range(4)], []
    for rollout in rolled:
        ended.append([])
        for t in range(rollout.steps):
            for env in range(4):
                if rollout.first[t, env]:
                    begun[env] = []
                view = rollout.obs["image"][t, env].numpy().tobytes()
                begun[env].append((view, int(rollout.action[t, env]), float(rollout.task_reward[t, env])))
                if rollout.done[t, env]:
                    ended[-1].append(begun[env])
                    begun[env] = []
    return ended


def test_scores_are_those_of_the_paper_at_every_rollout():
    a_case = case("rapid", return_weight=1.0, local_weight=0.1, global_weight=0.05)
    scheme, _ = a_case.build()
    rolled = rollouts(a_case, 20, 7, 40)
    visits, seen = Counter(), []
    for rollout, episodes in zip(rolled, walk(rolled), strict=True):
        scheme.compute(rollout)
        for episode in episodes:
            visits.update(view for view, _, _ in episode)
        seen += episodes
        expected = []
        for episode in seen:
            views = [view for view, _, _ in episode]
            local = len(set(views)) / len(views)
            rarity = sum(visits[view] ** -0.5 for view in views) / len(views)
            expected.append(sum(paid for *_, paid in episode) + 0.1 * local + 0.05 * rarity)
        np.testing.assert_allclose(sorted(scheme.best.scores), sorted(expected), rtol=1e-6)
        metrics = scheme.update(rollout)
        assert metrics["explore/states"] == len(visits)
        assert metrics["explore/rapid_score"] == pytest.approx(np.mean(expected))


def test_what_is_imitated_is_of_the_best_episodes():
    a_case = case("rapid", buffer_size=12, updates=3, batch_size=500)
    scheme, _ = a_case.build()
    rolled = rollouts(a_case, 60)
    scheme.compute(rolled[0])
    episodes = walk(rolled)[0]
    assert len(episodes) > 6
    scores = [
        sum(paid for *_, paid in episode) + 0.1 * len({view for view, *_ in episode}) / len(episode)
        for episode in episodes
    ]
    best = []
    for index in np.argsort(scores)[::-1]:
        best += [(view, action) for view, action, _ in episodes[index]]
        if len(best) >= 12:
            break
    (loss,) = scheme.aux_losses()
    batches = list(loss.batches())
    assert len(batches) == 3
    for batch in batches:
        drawn = {(obs.numpy().tobytes(), int(a)) for obs, a in zip(batch.obs["image"], batch.action, strict=True)}
        assert drawn <= set(best)
    assert len(scheme.best) == 12


def test_the_loss_is_the_mean_negative_log_probability():
    scheme, _ = case("rapid").build()
    log_prob = torch.tensor([-1.0, -3.0])
    assert float(scheme.loss(None, Judgement(log_prob, log_prob, log_prob))) == 2.0


def test_updates_after_each_episode_are_as_many_as_episodes_ended():
    a_case = case("rapid", updates=2, updates_per="episode")
    scheme, _ = a_case.build()
    for rollout in rollouts(a_case, 30, 1, 30):
        scheme.compute(rollout)
        (loss,) = scheme.aux_losses()
        assert len(list(loss.batches())) == 2 * int(rollout.done.sum())


def test_before_the_first_episode_there_is_nothing_to_imitate():
    a_case = case("rapid")
    scheme, _ = a_case.build()
    rollout = rollouts(a_case, 6)[0]
    rollout.terminated[:] = False
    rollout.truncated[:] = False
    scheme.compute(rollout)
    assert list(scheme.aux_losses()[0].batches()) == []
    assert set(scheme.update(rollout)) == {"explore/states"}


def test_imitation_gets_rarer_and_ends():
    a_case = case("rapid", until=400, updates=1)  # 10 rollouts of 10 steps x 4 environments
    scheme, _ = a_case.build()
    turns = []
    for number, rollout in enumerate(rollouts(a_case, *[10] * 12), start=1):
        scheme.compute(rollout)
        if list(scheme.aux_losses()[0].batches()):
            turns.append(number)
    # The rule of the code: after turn u the next is int(1 / (1 - u / 10)) later; from frame 400 on there is none.
    assert turns == [1, 2, 3, 4, 5, 7]


def test_continuous_observations_are_scored_by_their_spread():
    a_case = case("rapid", world="vector", score="spread")
    scheme, _ = a_case.build()
    rollout = rollouts(a_case, 40)[0]
    scheme.compute(rollout)
    env = int(rollout.done.any(dim=0).nonzero()[0])
    end = int(rollout.done[:, env].nonzero()[0])
    seen = rollout.obs["vector"][: end + 1, env].numpy()
    spread = np.sqrt(((seen - seen.mean(axis=0)) ** 2).sum(axis=1)).mean()
    paid = float(rollout.task_reward[: end + 1, env].sum())
    assert np.isclose(scheme.best.scores, paid + 0.1 * spread, rtol=1e-5).any()


def test_vectors_have_no_distinct_views():
    with pytest.raises(UserError, match="reward=rapid: reads the image"):
        case("rapid", world="vector").build()
