"""The network of RUDDER that predicts returns: against loops and autograd."""

import numpy as np
import pytest
import torch

from rewardlab.parts.models.return_lstm import ReturnLessons, ReturnLSTM, prediction_errors


def test_the_lstm_neither_forgets_nor_sees_the_step_in_its_gate() -> None:
    network = ReturnLSTM(3, 4, torch.Generator().manual_seed(2))
    inputs, first = torch.randn(6, 2, 3), torch.zeros(6, 2, dtype=torch.bool)
    first[0], first[3, 1] = True, True
    predicted, last = network(network.cell_input(inputs), torch.ones(2, 4), first)
    weights = {name: entry.detach().numpy() for name, entry in network.named_parameters()}
    for env in range(2):
        cells = np.ones(4)
        for t in range(6):
            cells = cells * (not first[t, env])
            gate = 1 / (1 + np.exp(-(weights["gate.weight"] @ cells + weights["gate.bias"])))
            given = weights["cell_input.weight"] @ inputs[t, env].numpy() + weights["cell_input.bias"]
            cells = cells + gate * np.tanh(given)
            expected = weights["head.weight"][0] @ cells + weights["head.bias"][0]
            assert predicted[t, env].item() == pytest.approx(expected, abs=1e-5)
        assert last[env].detach().numpy() == pytest.approx(cells, abs=1e-5)


def test_compiled_passes_of_the_lstm_are_those_of_autograd() -> None:
    network, found = ReturnLSTM(3, 4, torch.Generator().manual_seed(2)), []
    given, state, weights = torch.randn(2, 6, 4).transpose(0, 1), torch.randn(2, 4), torch.randn(6, 2)
    first = torch.zeros(6, 2, dtype=torch.bool)
    first[0, 0], first[3, 1] = True, True
    for dtype in (torch.float32, torch.float64):  # the second goes step by step
        network = network.to(dtype)
        begun, cells = given.to(dtype).requires_grad_(), state.to(dtype).requires_grad_()
        predicted, last = network(begun, cells, first)
        loss = (predicted * weights).sum() + last.square().sum()
        wanted = [begun, cells, network.gate.weight, network.gate.bias, network.head.weight]
        found.append([predicted, last, *torch.autograd.grad(loss, wanted)])
    for compiled, plain in zip(*found, strict=True):
        assert torch.allclose(compiled.double(), plain, atol=1e-5)


def test_a_compiled_lesson_is_the_step_of_autograd() -> None:
    inputs, place, lengths = torch.randn(9, 5), torch.randint(9, (40,)), torch.tensor([10, 1, 29])
    returns, ends = torch.randn(3), []
    for dtype in (torch.float32, torch.float64):  # the second goes by autograd
        network = ReturnLSTM(5, 4, torch.Generator().manual_seed(2)).to(dtype)
        lessons = ReturnLessons(network, 1e-2, decay=0.1, every=0.5)
        told = [lessons.take(inputs.to(dtype), place, lengths, returns.to(dtype)) for _ in range(5)]
        ends.append([torch.tensor(told), *(weight.detach() for weight in network.parameters())])
    for compiled, plain in zip(*ends, strict=True):
        assert torch.allclose(compiled.double(), plain.double(), atol=1e-5)


def test_the_lstms_error_is_that_after_the_last_step_and_half_the_mean_of_all() -> None:
    predicted, returns, lengths = torch.randn(5, 2), torch.tensor([1.0, -2.0]), torch.tensor([3, 5])
    errors = [[(float(predicted[t, m] - returns[m])) ** 2 for t in range(n)] for m, n in enumerate((3, 5))]
    last, loss = prediction_errors(predicted, returns, lengths, 0.5)
    ends = (errors[0][-1] + errors[1][-1]) / 2
    assert float(last) == pytest.approx(ends, rel=1e-5)
    assert float(loss) == pytest.approx(ends + 0.5 * sum(map(sum, errors)) / 8, rel=1e-5)
