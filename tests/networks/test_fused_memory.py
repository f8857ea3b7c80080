"""A GRU without autograd against the same cell with it, over more states than a compiled pass takes at once."""

import copy

import pytest
import torch

from rewardlab.networks.adam import Adam
from rewardlab.networks.fused_memory import FusedGRU
from rewardlab.networks.init import seeded_gru

STEPS, STATES, INPUTS, SIZE = 4, 600, 5, 8  # more than two blocks of states
CLOSE = {"rtol": 1e-4, "atol": 1e-4}


def cell_and_fused() -> tuple[torch.nn.GRUCell, torch.nn.GRUCell, FusedGRU]:
    """The cell, its copy in double precision, and the fused one on the cell's weights."""
    cell = seeded_gru(3, SIZE, torch.Generator().manual_seed(0))
    _, places = Adam(cell.parameters(), 1e-3).gradients()
    return cell, copy.deepcopy(cell).double(), FusedGRU(cell, places)


def given() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Distinct inputs [R, 3], which of them comes when [T, B], states before [B, H]."""
    generator = torch.Generator().manual_seed(1)
    rows, state = torch.randn(INPUTS, 3, generator=generator), torch.randn(STATES, SIZE, generator=generator)
    return rows, torch.randint(INPUTS, (STEPS, STATES), generator=generator), state


@pytest.mark.parametrize("begins", [False, True])
def test_a_scan_and_its_gradients_are_those_of_autograd(begins: bool) -> None:
    _, exact, fused = cell_and_fused()
    rows, which, state = given()
    first = torch.rand(STEPS, STATES, generator=torch.Generator().manual_seed(2)) < 0.3
    slopes = torch.randn(STEPS, STATES, SIZE, generator=torch.Generator().manual_seed(3))

    chain = fused.scan(fused.gates(rows), which, state, first if begins else None)
    of_gates, of_state = fused.backward(slopes.clone())
    of_rows = fused.gates_back(of_gates, rows)

    inputs, carried = rows.double().requires_grad_(), state.double().requires_grad_()
    expected = [carried]
    for step in range(STEPS):
        before = expected[-1] * ~first[step].unsqueeze(-1) if begins else expected[-1]
        expected.append(exact(inputs[which[step]], before))
    torch.testing.assert_close(chain.double(), torch.stack(expected), **CLOSE)
    (torch.stack(expected[1:]) * slopes).sum().backward()
    torch.testing.assert_close(of_rows.double(), inputs.grad, **CLOSE)
    torch.testing.assert_close(of_state.double(), carried.grad, **CLOSE)
    found = fused.of_weight_ih, fused.of_bias_ih, *fused.of_recurrent
    wanted = exact.weight_ih, exact.bias_ih, exact.weight_hh, exact.bias_hh
    for ours, theirs in zip(found, wanted, strict=True):
        torch.testing.assert_close(ours.double(), theirs.grad, **CLOSE)


def test_a_step_is_the_cells() -> None:
    cell, _, fused = cell_and_fused()
    rows, which, state = given()
    with torch.no_grad():
        torch.testing.assert_close(
            fused.step(fused.gates(rows), which[0], state), cell(rows[which[0]], state), rtol=1e-5, atol=1e-6
        )
