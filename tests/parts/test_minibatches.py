import torch
from hypothesis import given
from hypothesis import strategies as st

from rewardlab.parts.minibatches import minibatches


@given(st.integers(1, 200), st.integers(1, 64), st.integers(1, 3))
def test_every_item_comes_once_per_epoch_in_even_parts(count: int, size: int, epochs: int) -> None:
    batches = list(minibatches(count, size, epochs, torch.Generator().manual_seed(0)))
    assert sorted(torch.cat(batches).tolist()) == sorted(list(range(count)) * epochs)
    lengths = [len(batch) for batch in batches]
    assert max(lengths) - min(lengths) <= 1
    assert max(lengths) <= 1.5 * size


def test_orders_differ_between_epochs_and_follow_the_generator() -> None:
    one, two = minibatches(50, 50, 2, torch.Generator().manual_seed(3))
    again, _ = minibatches(50, 50, 2, torch.Generator().manual_seed(3))
    assert not torch.equal(one, two)
    assert torch.equal(one, again)
