"""GCSL and SMORe on a chain that was walked at random: goals of hindsight, greedy steps, scores that rise to goals."""

import numpy as np
import pytest
import torch

from rewardlab.agents.offline import gcsl, smore
from rewardlab.agents.offline.goals import later
from rewardlab.datasets.steps import StoredSteps
from rewardlab.errors import UserError
from rewardlab.maths.offline import goal_scores
from rewardlab.seeding import numpy_rng, torch_rng
from rewardlab.types import ActionSpec, BuildContext, EnvSpec, ObsSpec, StreamSpec

CELLS, LENGTH, EPISODES, GAMMA = 5, 20, 60, 0.9
WIDER = {"target_rate": 0.02, "hidden": [64, 64]}
STREAMS = (StreamSpec("task", GAMMA),)


def walked() -> StoredSteps:
    """Action 2 goes right, 1 stays, 0 goes left; episodes are cut off; the goals that were pursued are of no use."""
    rng, eye = np.random.default_rng(0), torch.eye(CELLS)
    rows, actions = [], []
    for _ in range(EPISODES):
        at = int(rng.integers(CELLS))
        rows.append(at)
        for action in rng.integers(3, size=LENGTH):
            at = int(np.clip(at + action - 1, 0, CELLS - 1))
            rows.append(at)
            actions.append(action)
    shown = eye[torch.tensor(rows)]
    obs = {"vector": shown, "achieved": shown, "goal": eye[torch.zeros(len(rows), dtype=torch.int64)]}
    count = EPISODES * LENGTH
    starts = np.arange(EPISODES + 1) * LENGTH
    return StoredSteps(
        obs, torch.tensor(actions), torch.zeros(count), torch.zeros(count, dtype=torch.bool), starts, GAMMA
    )


def make(module, goals: bool = True, streams: tuple[StreamSpec, ...] = STREAMS, **options):
    cell = ObsSpec((CELLS,), "float32")
    spec = EnvSpec("chain", dict.fromkeys(("vector", "goal", "achieved"), cell), ActionSpec(n=3), LENGTH, goals=goals)
    context = BuildContext(spec, 1, torch.device("cpu"), torch_rng(0, "a"), numpy_rng(0, "a"), GAMMA)
    return module.Agent(
        module.Config(**{"hidden": [32], "gamma": GAMMA, "learning_rate": 3e-3} | options), context, streams
    )


def test_goals_are_what_was_achieved_later() -> None:
    data, rng = walked(), np.random.default_rng(1)
    steps = np.repeat([0, LENGTH - 1, LENGTH, len(data) - 1], 500)
    found = later(data, steps, rng).reshape(4, -1)
    first, last, second, end = (set(rows.tolist()) for rows in found)
    assert first == set(range(1, LENGTH + 1))  # row 0 is what was acted on
    assert last == {LENGTH}
    assert second == set(range(LENGTH + 2, 2 * LENGTH + 2))  # row LENGTH + 1 begins the second episode
    assert end == {len(data) + EPISODES - 1}

    agent = make(smore, hindsight=0.5)
    batch = agent.draw(data, 401, rng)
    goal, reached = batch.obs["goal"], batch.next_obs["achieved"]
    assert torch.equal(goal, batch.next_obs["goal"])
    assert torch.equal(goal[201:], reached[201:])  # half of them, less one, reach their goal
    pursued = (goal[:201] == torch.eye(CELLS)[0]).all(dim=-1).float().mean()
    assert 0.4 < pursued < 0.75  # half of the others, and some that came to cell 0


@pytest.mark.parametrize(
    ("module", "options", "steps"),
    [(gcsl, {}, 400), (smore, WIDER, 800), (smore, {**WIDER, "loss": "dual"}, 600)],
)
def test_a_chain(module, options, steps) -> None:
    """Greedy is right everywhere, and SMORe's V rises to the goal."""
    agent, data, rng = make(module, **options), walked(), np.random.default_rng(2)
    agent.begin(data)
    for step in range(steps):
        agent.learn(agent.draw(data, 256, rng), step / steps)
    here, goal = torch.meshgrid(torch.arange(CELLS), torch.arange(CELLS), indexing="ij")
    eye = torch.eye(CELLS)
    obs = {"vector": eye[here.flatten()], "goal": eye[goal.flatten()], "achieved": eye[here.flatten()]}
    first = torch.zeros(CELLS**2, dtype=torch.bool)
    action = agent.act(obs, None, first, "greedy", torch_rng(0, "act")).action.view(CELLS, CELLS)
    away = here != goal
    assert torch.equal(action[away], (2 * (goal > here))[away])
    if module is smore:
        value = agent._value.predict(agent._value.inputs(obs)).view(CELLS, CELLS)
        for target in range(CELLS):
            assert (value[:target, target].diff() > 0).all()  # to stay at the goal is as good as to enter it
            assert (value[target + 1 :, target].diff() < 0).all()


def test_slopes_of_scores() -> None:
    rng = torch.Generator().manual_seed(3)
    later_ones, targets, reaching = (5 * torch.randn(4, generator=rng, dtype=torch.float64) for _ in range(3))
    for dual in (False, True):
        ends = later_ones.clone().requires_grad_(), reaching.clone().requires_grad_()
        loss, *slopes = goal_scores(ends[0], targets, ends[1], 0.9, dual)
        for slope, wanted in zip(slopes, torch.autograd.grad(loss, ends), strict=True):
            assert torch.allclose(slope, wanted)
    exact = goal_scores(targets - 2.0, targets, torch.full((4,), 20.0, dtype=torch.float64), 0.9, False)
    assert float(exact[0]) == pytest.approx(1e-5 * float((targets - 2.0).square().mean()))  # nothing but the bound


@pytest.mark.parametrize("module", [gcsl, smore])
def test_what_is_refused(module) -> None:
    with pytest.raises(UserError, match=r"needs goals, which chain has not; use env=.*goalgrid"):
        make(module, goals=False)
    with pytest.raises(UserError, match="not from what is paid; use reward=none"):
        make(module, streams=(*STREAMS, StreamSpec("intrinsic", 0.9)))
