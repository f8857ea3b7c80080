"""Oscillators against Euler steps one by one, and their published check."""

import numpy as np
import pytest

from rewardlab.envs.arrays import mountaincar
from rewardlab.envs.levels import Levels
from rewardlab.errors import UserError
from rewardlab.networks.oscillators import Feedback, Oscillators
from rewardlab.types import ActionSpec, ObsSpec

VECTOR = {"vector": ObsSpec((7,), "float32")}
BOX = ActionSpec(shape=(3,), low=(-1.0, -2.0, 0.0), high=(1.0, 2.0, 4.0))
PD = Feedback((1, 2, 0), (4, 5, 6), 3.0, 0.25)


@pytest.mark.parametrize("feedback", [None, PD])
def test_phases_run_as_by_euler_steps(feedback: Feedback | None) -> None:
    """Two lives of each of 20 individuals, the second begun a while before the first."""
    genome, rng = Oscillators(VECTOR, BOX, 0.05, 2.0, feedback), np.random.default_rng(0)
    assert genome.size == 10 and genome.begin(3).tolist() == np.zeros((3, 3)).tolist()
    genomes = rng.normal(0, 0.5, (20, 10)).astype(np.float32)
    genomes[0, :2], genomes[1, 0] = -0.5, 9.0  # frequencies of 0, and the highest
    state = genome.begin(40)
    theta = np.zeros((20, 2, 3))  # radians
    for step in range(60):
        if step == 20:
            state[::2], theta[:, 0] = 0.0, 0.0
        seen = rng.normal(size=(40, 7)).astype(np.float32)
        outputs, state = genome.outputs(genomes, genome.inputs({"vector": seen}).reshape(20, 2, -1), state)
        actions = genome.actions(outputs.reshape(40, 3), None).reshape(20, 2, 3)
        for p in range(20):
            a, b = genomes[p, 2:5].astype(float), genomes[p, 5:8].astype(float)
            phi = 2 * np.pi * np.array([0, *genomes[p, 8:].astype(float)])
            for e in range(2):
                q = a * np.sin(theta[p, e] + phi) + b
                if feedback is None:
                    expected = np.clip([q[0], 2 * q[1], 2 + 2 * q[2]], BOX.low, BOX.high)
                else:
                    row = seen[2 * p + e]
                    expected = np.clip(3.0 * (q - row[[1, 2, 0]]) - 0.25 * row[[4, 5, 6]], BOX.low, BOX.high)
                assert np.allclose(actions[p, e], expected, atol=1e-4)
        for _ in range(50):
            above = np.sin(theta + 2 * np.pi * np.pad(genomes[:, None, 8:].astype(float), ((0, 0), (0, 0), (1, 0)))) > 0
            speeds = 2 * np.pi * np.clip(2.0 * (0.5 + genomes[:, :2].astype(float)), 0, 2.0)
            theta += 0.001 * np.where(above, speeds[:, :1, None], speeds[:, 1:, None])
    assert actions.dtype == np.float32 and state.shape == (40, 3)
    turns = (state.reshape(20, 2, 3) - theta / (2 * np.pi) + 0.5) % 1 - 0.5
    assert np.abs(turns).max() < 1e-6
    assert len(np.unique(state.round(6))) > 50  # or they would have stood still


@pytest.mark.parametrize("speed", [0.051, 0.06, 0.07, 0.086])  # radians a step
def test_every_phase_swings_the_car_up(speed: float) -> None:
    env = mountaincar.make(mountaincar.Config(), Levels(16))
    genome = Oscillators(env.spec.obs, env.spec.action, 1.0, 0.02)
    frequency = speed / (2 * np.pi) / 0.02 - 0.5
    obs = env.reset(range(16))
    env.arrays["state"][:] = -0.5, 0.0  # type: ignore[attr-defined]
    state, solved = np.arange(16)[:, None] / 16, np.zeros(16, dtype=bool)
    genomes = np.array([[frequency, frequency, 1.0, 0.0]], np.float32)
    for _ in range(999):
        outputs, state = genome.outputs(genomes, genome.inputs(obs)[None], state)
        batch = env.step(genome.actions(outputs[0], None))
        solved |= batch.success
        obs = batch.obs
    assert solved.all()


@pytest.mark.parametrize(
    ("obs", "action", "feedback", "said"),
    [
        (VECTOR, ActionSpec(n=3), None, "oscillators need continuous actions with bounds"),
        (VECTOR, ActionSpec(shape=(1,), low=(-np.inf,), high=(1.0,)), None, "continuous actions with bounds"),
        ({"image": ObsSpec((2, 2, 3), "uint8", 255)}, BOX, PD, "needs an observation named vector; there is image"),
        (
            VECTOR,
            BOX,
            Feedback((1, 2), (4, 5, 6), 1, 1),
            "joints=[1, 2]: one place in vector for each of the 3 actions",
        ),
        (VECTOR, BOX, Feedback((1, 2, 0), (4, 5, 7), 1, 1), "velocities=[4, 5, 7]: vector has the places 0 to 6"),
    ],
)
def test_what_cannot_be_moved_is_refused(obs, action, feedback, said: str) -> None:
    with pytest.raises(UserError) as refusal:
        Oscillators(obs, action, 0.05, 2.0, feedback)
    assert said in str(refusal.value)
