"""The GRU with resets against torch's own, values and gradients."""

import copy

import torch
from torch import nn

from rewardlab.networks.memory import Memory, gru_step, unroll


def memory_and_reference(inputs=3, size=4):
    memory = Memory(inputs, size, torch.Generator().manual_seed(0)).double()
    reference = nn.GRU(inputs, size).double()
    with torch.no_grad():
        for name, parameter in memory.cell.named_parameters():
            if name.startswith("bias"):
                parameter.normal_(generator=torch.Generator().manual_seed(1))
            getattr(reference, f"{name}_l0").copy_(parameter)
    return memory, reference


def data(steps=6, num_envs=5):
    generator = torch.Generator().manual_seed(2)
    features = torch.randn(steps, num_envs, 3, generator=generator, dtype=torch.float64)
    state = torch.randn(num_envs, 4, generator=generator, dtype=torch.float64)
    return features, state, torch.rand(steps, num_envs, generator=generator) < 0.3


def test_without_resets_it_is_torchs_gru():
    memory, reference = memory_and_reference()
    features, state, first = data()
    outputs, last = memory(features, state, torch.zeros_like(first))
    expected, expected_last = reference(features, state.unsqueeze(0))
    torch.testing.assert_close(outputs, expected)
    torch.testing.assert_close(last, expected_last[0])


def test_with_resets_each_episode_is_a_sequence_of_its_own():
    memory, reference = memory_and_reference()
    features, state, first = data()
    assert first.any()
    outputs, _ = memory(features, state, first)
    for env in range(features.shape[1]):
        carried = state[env].view(1, 1, -1)
        for step in range(features.shape[0]):
            if first[step, env]:
                carried = torch.zeros_like(carried)
            expected, carried = reference(features[step, env].view(1, 1, -1), carried)
            torch.testing.assert_close(outputs[step, env], expected[0, 0])


def test_gradients_are_those_of_finite_differences():
    memory, _ = memory_and_reference()
    features, state, first = data(steps=4, num_envs=2)
    names = [name for name, _ in memory.named_parameters()]

    def run(features, *parameters):
        return torch.func.functional_call(memory, dict(zip(names, parameters, strict=True)), (features, state, first))

    parameters = [p.detach().clone().requires_grad_() for p in memory.parameters()]
    assert torch.autograd.gradcheck(run, (features.requires_grad_(), *parameters))


def test_the_compiled_loops_are_the_formulas() -> None:
    """float32 on a CPU runs compiled, float64 does not: values and gradients of scan and step."""
    memory, _ = memory_and_reference(size=32)
    compiled = copy.deepcopy(memory).float()
    features, state, first = data(steps=9, num_envs=7)
    state = torch.randn(7, 32, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    found = []
    for net in (compiled, memory):
        dtype = next(net.parameters()).dtype
        inputs = features.to(dtype).requires_grad_()
        outputs, _ = net(inputs, state.to(dtype), first)
        steps = gru_step(net.cell, inputs[:3], outputs[-1])  # three candidates for each of seven states
        loss = (outputs.square().sum() + steps.sin().sum()) / 10
        gradients = torch.autograd.grad(loss, [inputs, *net.parameters()])
        found.append([outputs, steps, *gradients])
        expected = net.cell(inputs[:3].flatten(0, 1), outputs[-1].repeat(3, 1)).view(3, 7, 32)
        torch.testing.assert_close(steps, expected, rtol=1e-5, atol=1e-6)
    for ours, theirs in zip(*found, strict=True):
        torch.testing.assert_close(ours.double(), theirs, rtol=1e-4, atol=1e-5)


def test_an_unrolled_cell_is_the_cell_step_by_step() -> None:
    """Inputs by number, some of them never and some of them often: values and all gradients, compiled and not."""
    memory, _ = memory_and_reference(size=8)
    generator = torch.Generator().manual_seed(4)
    rows = torch.randn(5, 3, generator=generator, dtype=torch.float64)
    state = torch.randn(7, 8, generator=generator, dtype=torch.float64)
    which = torch.randint(4, (6, 7), generator=generator)  # never the fifth
    weights = torch.randn(6, 7, 8, generator=generator, dtype=torch.float64)
    for dtype, close in ((torch.float64, {}), (torch.float32, {"rtol": 1e-4, "atol": 1e-5})):
        cell = copy.deepcopy(memory.cell).to(dtype)
        given = [tensor.to(dtype).requires_grad_() for tensor in (rows, state)]
        found = unroll(cell, given[0], which, given[1])
        expected, carried = [], given[1]
        for step in which:
            carried = cell(given[0][step], carried)
            expected.append(carried)
        torch.testing.assert_close(found, torch.stack(expected), **close)
        wanted = [*given, *cell.parameters()]
        gradients = [torch.autograd.grad((t * weights).sum(), wanted) for t in (found, torch.stack(expected))]
        for ours, theirs in zip(*gradients, strict=True):
            torch.testing.assert_close(ours, theirs, **close)
