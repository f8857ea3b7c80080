"""Perceptual steps: what is paid of planted demonstrations, on the agent's steps and from the buffer; and refusals."""

from pathlib import Path

import numpy as np
import pytest
import torch

from rewardlab.contracts.datasets import made_up
from rewardlab.contracts.state_laws import new_context
from rewardlab.contracts.worlds import Renderer, worlds, write_script
from rewardlab.datasets.writing import About, Recorded, write_dataset
from rewardlab.errors import UserError
from rewardlab.rewards.imitation import perceptual_steps
from rewardlab.types import Transitions

SPEC = worlds()["vector"]
PLACES = np.array([[3.0, 0.0, 0.0, 0.0], [0.0, 3.0, 0.0, 0.0], [0.0, 0.0, 3.0, 0.0]], dtype=np.float32)


def scheme(demos: str | None, **options: object) -> perceptual_steps.Scheme:
    config = perceptual_steps.Config(demos=demos, plugin="perceptual_steps", **options)
    return perceptual_steps.Scheme(config, new_context(SPEC))


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Five demonstrations that stay around one place, then another, then a third, each as long as it likes."""
    folder, rng = tmp_path_factory.mktemp("demos") / "planted", np.random.default_rng(0)

    def episodes():
        for number in range(5):
            where = np.repeat(np.arange(3), rng.integers(4, 12, size=3))
            shown = (PLACES[where] + 0.2 * rng.normal(size=(len(where), 4))).astype(np.float32)
            action, reward = np.zeros(len(where) - 1, dtype=np.int64), np.zeros(len(where) - 1, dtype=np.float32)
            yield Recorded(number, {"vector": shown}, action, reward, True, False, True)

    write_dataset(folder, episodes(), SPEC, About("", "nobody", {}))
    return str(folder)


def test_later_places_pay_more(planted: str) -> None:
    """2 p_2 + 4 p_3 - 12, of which p_2 and p_3 are not 1 at once here."""
    made = scheme(planted)
    steps = Transitions({}, torch.zeros(3, dtype=torch.int64), {}, {"vector": torch.from_numpy(PLACES)})
    paid = made.rewards_of(steps)["intrinsic"]
    assert paid.tolist() == pytest.approx([-12.0, -10.0, -8.0], abs=0.2)
    assert torch.equal(scheme(planted, offset=0.0).rewards_of(steps)["intrinsic"], paid + 12)
    assert "demos" in made.assumes


def test_replayed_steps_are_paid_as_when_they_were_played(planted: str) -> None:
    made = scheme(planted)
    played = Renderer(SPEC, seed=1).rollout(write_script(np.random.default_rng(0), SPEC, 20, 4))
    paid = made.compute(played).streams["intrinsic"]
    flat = Transitions({}, played.action.flatten(), {}, {"vector": played.next_obs["vector"].flatten(0, 1)})
    assert torch.allclose(made.rewards_of(flat)["intrinsic"], paid.flatten(), atol=1e-5)
    other = scheme(planted)
    other.encoder.requires_grad_(True)
    for weight in other.encoder.parameters():
        weight.data = weight.data + 1.0
    other.compute(played)
    other.load_state_dict(made.state_dict())
    assert torch.allclose(other.compute(played).streams["intrinsic"], paid, atol=1e-5)


def test_what_does_not_work_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"needs demonstrations.*reward\.demos=DIR"):
        scheme(None)
    played = Renderer(SPEC, seed=1).rollout(write_script(np.random.default_rng(0), SPEC, 2, 4))
    with pytest.raises(UserError, match=r"reward\.steps=11: a demonstration of .* has 10 steps"):
        scheme(made_up(SPEC), steps=11).compute(played)
