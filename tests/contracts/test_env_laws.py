"""Each law of environments is broken on purpose."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from rewardlab.contracts import check
from rewardlab.contracts.checking import check_env
from rewardlab.contracts.env_laws import LAWS
from rewardlab.envs.arrays import bitflip, deepsea
from rewardlab.envs.arrays.bitflip import BitFlip, Config
from rewardlab.envs.levels import Levels
from rewardlab.types import MASK, Array, EnvSpec, Obs, ObsSpec, State, StepBatch


def maker(broken: type[BitFlip]):
    """`bitflip.make`, but of another class."""

    def make(config: Config, levels: Levels, privileged: Any = ()) -> BitFlip:
        spec = bitflip.make(config, Levels(1)).spec
        return broken(config, spec, levels, privileged)

    return make


class WideRewards(BitFlip):
    def step(self, action: Array) -> StepBatch:
        batch = super().step(action)
        return replace(batch, task_reward=batch.task_reward.astype(np.float64))


class GlobalRandomness(BitFlip):
    def begin(self, i: int, stream: np.random.Generator) -> None:
        super().begin(i, np.random.default_rng())


class LooksAtItsNeighbours(BitFlip):
    def step(self, action: Array) -> StepBatch:
        return super().step(np.where(np.arange(self.num_envs) == 0, action, action[0]))


class ReusesItsBuffers(BitFlip):
    buffer: Array | None = None

    def observe(self) -> Obs:
        shown = super().observe()
        if self.buffer is None:
            self.buffer = shown["vector"]
        self.buffer[:] = shown["vector"]
        return shown | {"vector": self.buffer}


class ShowsTheResetFrame(BitFlip):
    def step(self, action: Array) -> StepBatch:
        batch = super().step(action)
        return replace(batch, next_obs=batch.obs)


class EndsLate(BitFlip):
    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._limit += 1


class SucceedsEarly(BitFlip):
    def step(self, action: Array) -> StepBatch:
        return replace(super().step(action), success=np.ones(self.num_envs, dtype=bool))


class IgnoresLevels(BitFlip):
    def begin(self, i: int, stream: np.random.Generator) -> None:
        super().begin(i, np.random.default_rng([i, int(self.arrays["bits"].sum())]))


class ForgetsItsStreams(BitFlip):
    def set_state(self, state: State) -> None:
        kept = [stream.bit_generator.state for stream in self.streams]
        super().set_state(state)
        for stream, words in zip(self.streams, kept, strict=True):
            stream.bit_generator.state = words


class WithholdsFacts(BitFlip):
    def step(self, action: Array) -> StepBatch:
        return replace(super().step(action), privileged={})


class PaysOtherwise(BitFlip):
    def step(self, action: Array) -> StepBatch:
        batch = super().step(action)
        return replace(batch, task_reward=batch.task_reward + np.float32(0.01))


class PlaysAnotherTask(BitFlip):
    """A tenth of the price that the facts state."""

    def goal_outcome(self, achieved: Array, desired: Array) -> tuple[Array, Array]:
        reward, reached = super().goal_outcome(achieved, desired)
        return reward / np.float32(10), reached


class DoesWhatIsForbidden(BitFlip):
    """It forbids its first action, and does it all the same."""

    def __init__(self, config: Config, spec: EnvSpec, *arguments: Any) -> None:
        shown = {**spec.obs, MASK: ObsSpec((config.n,), "uint8", 1)}
        super().__init__(config, replace(spec, obs=shown), *arguments)

    def observe(self) -> Obs:
        mask = np.arange(self.spec.action.n or 0) > 0
        return super().observe() | {MASK: mask[None].repeat(self.num_envs, axis=0).astype(np.uint8)}


BROKEN = [
    (DoesWhatIsForbidden, "forbidden_actions_are_refused", "does action 0, which mask does not allow"),
    (WideRewards, "observations_fit_the_spec", "task_reward is float64"),
    (GlobalRandomness, "same_seeds_same_episodes", "a second time"),
    (LooksAtItsNeighbours, "environments_are_independent", "in another order"),
    (ReusesItsBuffers, "batches_stay_as_they_are", "kept for later"),
    (ShowsTheResetFrame, "ends_show_both_frames", "first frame of the next episode"),
    (EndsLate, "episodes_end_in_time", "truncated after"),
    (SucceedsEarly, "success_is_told_at_ends", "success before the end"),
    (IgnoresLevels, "levels_fix_episodes", "one level begins with different"),
    (ForgetsItsStreams, "state_round_trips", "from a saved state"),
    (WithholdsFacts, "facts_are_given", "offered and not given"),
    (PaysOtherwise, "goals_decide", "pays otherwise"),
    (PlaysAnotherTask, "random_play_is_as_stated", "random play returns"),
]


@pytest.mark.parametrize(("broken", "law", "message"), BROKEN, ids=[broken.__name__ for broken, *_ in BROKEN])
def test_a_broken_environment_fails_its_law(broken: type[BitFlip], law: str, message: str) -> None:
    results = {result.law: result for result in check_env(maker(broken), Config(n=6))}
    assert not results[law].passed
    assert message in results[law].message
    assert "\n" not in results[law].message


def test_every_law_can_be_broken() -> None:
    assert {law.__name__ for law in LAWS} == {law for _, law, _ in BROKEN}


def test_sound_environments_pass_every_law() -> None:
    assert all(result.passed for result in check_env(maker(BitFlip), Config(n=6)))
    assert all(result.passed for result in check("env", "deepsea", deepsea.Config(plugin="deepsea")))
