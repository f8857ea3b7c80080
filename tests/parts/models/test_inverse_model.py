"""The inverse and forward models' losses and shapes, for both kinds of actions."""

import torch

from rewardlab.contracts.worlds import worlds
from rewardlab.parts.models.inverse_model import ForwardModel, InverseModel, distinct_actions, encode_action


def test_discrete_actions_are_guessed_by_cross_entropy() -> None:
    spec, generator = worlds()["grid"], torch.Generator().manual_seed(0)
    model = InverseModel(spec, 16, 8, generator)
    features, after = torch.rand(2, 6, 8, generator=generator)
    action = torch.tensor([0, 1, 2, 3, 4, 6])
    logits = model.head(torch.cat([features, after], dim=1)).double()
    expected = -(logits.exp() / logits.exp().sum(dim=1, keepdim=True)).log()[range(6), action].mean()
    torch.testing.assert_close(model.loss(features, after, action), expected.float())


def test_continuous_actions_are_guessed_by_squared_error() -> None:
    spec, generator = worlds()["continuous"], torch.Generator().manual_seed(0)
    model = InverseModel(spec, 16, 8, generator)
    features, after = torch.rand(2, 6, 8, generator=generator)
    action = torch.rand(6, 2, generator=generator)
    guess = model.head(torch.cat([features, after], dim=1))
    torch.testing.assert_close(model.loss(features, after, action), ((guess - action) ** 2).mean())


def test_the_forward_model_sees_the_action() -> None:
    spec, generator = worlds()["grid"], torch.Generator().manual_seed(0)
    model = ForwardModel(spec.action, 8, 16, generator)
    features = torch.rand(5, 3, 8, generator=generator)
    left, right = (model(features, torch.full((5, 3), action)) for action in (0, 1))
    assert left.shape == (5, 3, 8)
    assert not torch.allclose(left, right)
    assert encode_action(torch.tensor([2]), spec.action).tolist() == [[0, 0, 1, 0, 0, 0, 0]]


def test_numbered_actions_are_the_encoded_ones() -> None:
    generator = torch.Generator().manual_seed(0)
    taken = {
        "grid": torch.randint(7, (3, 4), generator=generator),
        "continuous": torch.rand(3, 4, 2, generator=generator),
    }
    for name, action in taken.items():
        spec = worlds()[name].action
        rows, which = distinct_actions(action, spec)
        assert which.shape == (3, 4)
        torch.testing.assert_close(rows[which], encode_action(action, spec))
