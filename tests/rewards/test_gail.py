"""GAIL and SQIL: what is paid, that imitation without the task's reward solves a task, and what is refused."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from rewardlab.cli import main
from rewardlab.commands.demos import record
from rewardlab.config.composition import compose
from rewardlab.contracts.datasets import made_up
from rewardlab.contracts.state_laws import new_context
from rewardlab.contracts.worlds import Renderer, worlds, write_script
from rewardlab.datasets.demonstrations import DemonstrationFile
from rewardlab.records.table import read_columns
from rewardlab.rewards.imitation import gail, sqil
from rewardlab.run import run
from rewardlab.training.recorder import Recording
from rewardlab.types import EnvSpec, Transitions

SPEC = worlds()["vector"]


@pytest.fixture(scope="module")
def demos(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("demos") / "empty"
    assert record(["env=empty_5x5"], str(folder), Recording(episodes=20)) == 0
    return str(folder)


def scheme(**options) -> gail.Scheme:
    return gail.Scheme(gail.Config(demos=made_up(SPEC), plugin="gail", **options), new_context(SPEC))


def rollout(seed: int = 0):
    return Renderer(SPEC, seed=1).rollout(write_script(np.random.default_rng(seed), SPEC, 40, 4))


def logits(made: gail.Scheme, vectors: torch.Tensor, action: torch.Tensor) -> np.ndarray:
    """D's logits by single matrices."""
    hidden = np.concatenate([vectors.numpy(), np.eye(3)[action.numpy()]], axis=-1)
    layers = [layer for layer in made.judge if hasattr(layer, "weight")]
    for layer in layers[:-1]:
        hidden = np.tanh(hidden @ layer.weight.detach().numpy().T + layer.bias.detach().numpy())
    return (hidden @ layers[-1].weight.detach().numpy().T + layers[-1].bias.detach().numpy())[..., 0]


@pytest.mark.parametrize("form", ["logit", "positive", "negative"])
def test_it_pays_what_its_discriminator_says(form: str) -> None:
    made, played = scheme(form=form), rollout()
    made.compute(played)
    made.update(played)
    found = logits(made, played.obs["vector"], played.action)
    probability = 1 / (1 + np.exp(-found))
    expected = {"logit": found, "positive": -np.log(1 - probability), "negative": np.log(probability)}[form]
    paid = made.compute(played).streams
    assert paid["intrinsic"].numpy() == pytest.approx(expected, rel=1e-3, abs=1e-4)
    assert torch.equal(paid["task"], played.task_reward)
    assert made.streams[0].coef == 0


def test_beyond_a_box_it_judges_what_is_executed() -> None:
    box = worlds()["continuous"]
    made = made_anew(box)
    played = Renderer(box, seed=1).rollout(write_script(np.random.default_rng(0), box, 40, 4))
    asked, done = (replace(played, action=actions) for actions in (3 * played.action, (3 * played.action).clip(-1, 1)))
    assert torch.equal(made.compute(asked).streams["intrinsic"], made.compute(done).streams["intrinsic"])
    assert made.update(asked) == pytest.approx(made_anew(box).update(done))
    assert not torch.equal(asked.action, done.action), "the learner keeps what it asked for"


def made_anew(spec: EnvSpec) -> gail.Scheme:
    return gail.Scheme(gail.Config(demos=made_up(spec), plugin="gail"), new_context(spec))


def test_its_discriminator_learns_to_tell_them_apart() -> None:
    made, played = scheme(gradient_penalty=1.0, samples_per_step=8.0, learning_rate=0.01), rollout()
    first = made.update(played)
    for _ in range(60):
        told = made.update(played)
    assert first["explore/gail_told_apart"] < 0.75 < 0.95 < told["explore/gail_told_apart"]
    steps = DemonstrationFile("reward.demos", made_up(SPEC), SPEC).read().transitions(0.99)
    shown = made.rewards_of(steps)["intrinsic"].mean()
    assert shown > made.compute(played).streams["intrinsic"].mean() + 1


def test_a_share_of_the_budget_after_which_it_stays_as_it_is() -> None:
    made, played = scheme(fit_share=0.5), rollout()
    assert made.update(played)  # at the budget's beginning
    before = made.compute(played).streams["intrinsic"]
    played.progress = 0.5
    assert made.update(played) == {}
    assert torch.equal(made.compute(played).streams["intrinsic"], before)
    played.progress = 0.49
    assert made.update(played)
    assert not torch.equal(made.compute(played).streams["intrinsic"], before)


def test_the_penalty_keeps_its_slope_near_one() -> None:
    slopes = []
    for weight in (0.0, 10.0):
        made, played = scheme(gradient_penalty=weight, samples_per_step=8.0, learning_rate=0.01), rollout()
        for _ in range(60):
            made.update(played)
        shown = DemonstrationFile("reward.demos", made_up(SPEC), SPEC).read().transitions(0.99)
        inputs = made._inputs(shown.obs, shown.action).requires_grad_(True)
        (slope,) = torch.autograd.grad(made._logits(inputs).sum(), inputs)
        slopes.append(float(slope.norm(dim=-1).mean()))
    assert slopes[0] > 3
    assert slopes[1] == pytest.approx(1, abs=0.5)


def test_sqil_pays_demonstrated_steps_only() -> None:
    made = sqil.Scheme(sqil.Config(plugin="sqil"), new_context(SPEC))
    extra = {"demonstrated": torch.tensor([True, False, True, False]), "discount": torch.tensor([0.9, 0.9, 0.0, 0.0])}
    steps = Transitions({"vector": torch.zeros(4, 4)}, torch.zeros(4, dtype=torch.int64), extra)
    forever = 1 / (1 - made.context.gamma)
    assert made.rewards_of(steps)["intrinsic"].tolist() == pytest.approx([1.0, 0.0, forever, 0.0])
    assert not made.compute(rollout()).streams["intrinsic"].any()
    assert "demos" in made.assumes


def test_imitation_alone_solves_a_task(demos: str, tmp_path: Path) -> None:
    """The task's reward counts nothing; the return is still the task's. Imitation does not stay: one evaluation of it
    is enough, which all of seeds 0 to 7 reached within 100,000 frames.
    """
    told = ["reward=gail", f"reward.demos={demos}", "frames=80_000", "eval.every=5_000"]
    assert run(compose(["env=empty_5x5", *told, f"results_dir={tmp_path}"])) == 0
    (folder,) = tmp_path.glob("runs/*/*/*/*")
    assert max(read_columns(folder / "eval.csv")["return_mean"]) > 0.9


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("reward=gail", ["reward=gail", "reward.demos=DIR"]),
        ("reward=gail reward.demos=nowhere", ["reward.demos=nowhere", "no dataset there"]),
        ("reward=sqil", ["reward=sqil agent=ppo", "agent=dqn"]),
        ("reward=sqil agent=dqn", ["reward=sqil", "agent.demos=DIR"]),
        ("agent=dqn agent.demos=nowhere", ["agent.demos=nowhere", "no dataset there"]),
        ("agent=dqn agent.demos_pretrain=3", ["demos_pretrain=3", "demos=DIR"]),
        ("agent=dqn agent.demos=x agent.demos_share=1 agent.prioritised=true", ["demos_share=1", "prioritised=false"]),
        ("agent=dqn agent.margin_coef=1", ["margin_coef=1", "demos=DIR"]),
    ],
)
def test_what_lacks_demonstrations_is_refused(
    line: str, said: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", "env=empty_5x5", *line.split(), f"results_dir={tmp_path}"]) == 2
    (told,) = capsys.readouterr().err.strip().splitlines()
    assert all(part in told for part in said), told
    assert not list(tmp_path.iterdir())


def test_demonstrations_of_another_world_are_refused(demos: str) -> None:
    config = gail.Config(demos=demos, plugin="gail")
    with pytest.raises(Exception, match=r"reward\.demos=.*vector"):
        gail.Scheme(config, replace(new_context(SPEC)))
