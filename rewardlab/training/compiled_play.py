"""What lets compiled passes (`play_kernel`) play the environments of a run: its buffers, levels, missions, weights."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch

from rewardlab.envs.batched import BatchedEnv, Engine, arrived
from rewardlab.gridworld.constants import NUM_MISSION
from rewardlab.kernel_cache import compile_for
from rewardlab.maths.distinct import weights_of
from rewardlab.networks.row_policy import RowPolicy
from rewardlab.training import play_kernel
from rewardlab.training.play_kernel import STUCK, Episodes, Steps, Views
from rewardlab.types import Agent, Array, Obs, VecEnv


class CompiledPlay:
    """Passes of at most T steps of one vector of environments, with the policy of one agent.

    Attributes:
        steps: what the latest pass wrote; the next one writes there again.
        views: the distinct views of all passes since `forget`.
        headings: whether the agent sees its heading; the numbers of missions are those of headings then.
    """

    def __init__(self, engine: Engine, policy: RowPolicy, most: int, memory: int, keeps: bool) -> None:
        self._engine, self._policy, self._vector = engine, policy, engine.vector
        num_envs, look = self._vector.num_envs, self._vector.look
        self._missions = np.zeros((0, NUM_MISSION), dtype=np.int32)
        # What is seen of each mission, or else of each heading.
        self.headings = len(engine.headings) > 0
        self._tokens = engine.headings if self.headings else np.zeros((0, engine.mission_length), dtype=np.int64)
        world = self._vector.world
        self.steps = _steps(most, num_envs, look.shape, (world.cells, world.facts) if keeps else ())
        self.views = _views(memory * (2 * most + 1) * num_envs, math.prod(look.shape), policy)
        self._ended = np.zeros((most * num_envs, 4))
        self.forget()
        self._kernel = self._vector.kernel(play_kernel.play, "play")
        numbers, counts = np.zeros(num_envs), np.zeros(num_envs, dtype=np.int64)
        nobody = Episodes(numbers, counts, counts, self._ended, counts[:1])
        none = np.zeros((0, num_envs), dtype=np.float32)
        arguments = (self._vector.world.arrays(), self._weights, self._missions, self.views, self._rows(0), nobody)
        compile_for(self._kernel, (*arguments, none, 0, False, False), f"the play of {self._vector.task.family}")

    @staticmethod
    def of(
        env: VecEnv, agent: Agent, most: int, memory: int = 1, unread: Collection[str] | None = None
    ) -> CompiledPlay | None:
        """None where it cannot play: other worlds, noise, facts that no array of states tells, another policy.

        Args:
            memory: passes that find room for their views if all of them are new.
            unread: the facts that nobody asks for; None: all are, and `facts` tells them.
        """
        if not isinstance(env, BatchedEnv) or env.engine is None or agent.row_policy is None:
            return None
        facts = env.engine.facts
        if not set(facts) <= set(env.engine.measurable if unread is None else unread):
            return None
        return CompiledPlay(env.engine, agent.row_policy, most, memory, bool(facts) and unread is None)

    def facts(self, count: int, current: Obs) -> tuple[Obs, Obs, Obs]:
        """Full-state facts of the first so many steps of the latest pass.

        Args:
            current: those of the states before its first step, each [N, ...].

        Returns:
            Those of the states acted on and of the true successors, each [T, N, ...], and those of the states after the
            pass, each [N, ...].
        """
        steps = self._rows(count)
        ended = steps.terminated | steps.truncated
        cells, facts = (
            np.concatenate([rows.reshape(-1, rows.shape[-1]), begun[ended]])
            for rows, begun in ((steps.cells, steps.begun_cells), (steps.facts, steps.begun_facts))
        )
        found = self._engine.measure(cells, facts)
        reached = {name: entry[: ended.size].reshape(*ended.shape, *entry.shape[1:]) for name, entry in found.items()}
        after: Obs = {}
        for name, entry in reached.items():
            after[name] = entry.copy()
            after[name][ended] = found[name][ended.size :]
        reached = arrived(reached, steps.success)
        acted_on = {name: np.concatenate([current[name][None], entry[:-1]]) for name, entry in after.items()}
        return acted_on, reached, {name: entry[-1].copy() for name, entry in after.items()}

    def forget(self) -> None:
        """Begin anew with the policy as it is now: before the first pass with other weights."""
        self._weights = self._policy.weights(torch.from_numpy(self._tokens))
        self.views.found[0] = 0
        self.views.slots.fill(-1)

    @contextmanager
    def on(self, lists: Sequence[Sequence[int]], seeds: Sequence[int]) -> Iterator[None]:
        """Passes over lists of level seeds, one list for each environment: begins them all."""
        longest = max(map(len, lists))
        rows = [[*levels, *[0] * (longest - len(levels))] for levels in lists]  # nobody plays what they are filled with
        self.forget()
        self._vector.set_levels(np.array(rows, dtype=np.int64))
        try:
            self.steps.images[0] = self._vector.reset(seed=seeds)[0]["image"]
            yield
        finally:
            self._vector.set_levels(np.zeros((len(lists), 0), dtype=np.int64))

    def tokens(self, missions: Array) -> Array:
        """Of missions or headings by number, int64 [...] -> [..., L]."""
        return self._tokens[missions]

    def play(
        self, uniform: torch.Tensor, returns: Array, lengths: Array, left: Array | None = None, greedy: bool = False
    ) -> Array:
        """As many steps as `uniform`, [T, N] in [0, 1), has rows, from the views in row 0 of `steps.images`.

        Args:
            returns, lengths: of the running episodes, float64 and int64 [N]; brought up to date.
            left: episodes that each environment still plays, int64 [N], brought up to date; None: without end.
            greedy: the likeliest action instead of a random one.

        Returns:
            Float64 [E, 4]: return, length, success and distinct cells of each episode that ended, in order.

        Raises:
            RuntimeError: a level could not be drawn, with less than one chance in a billion.
        """
        vector, levels, steps = self._vector, self._engine.levels, self._rows(len(uniform))
        if len(self.views.rows) < self.views.found[0] + (2 * len(uniform) + 1) * vector.num_envs:
            self.forget()
        endless = np.full(vector.num_envs, np.iinfo(np.int64).max)
        episodes = Episodes(returns, lengths, endless if left is None else left, self._ended, np.zeros(1, int))
        world = levels.lend(vector.world)
        begin, unknown = 0, np.arange(vector.num_envs)
        while len(unknown):
            self._meet(unknown)
            begin = self._kernel(
                world.arrays(),
                self._weights,
                self._missions,
                self.views,
                steps,
                episodes,
                uniform.numpy(),
                begin,
                greedy,
                self.headings,
            )
            if begin == STUCK:
                raise RuntimeError(f"{vector.task.env_id}: a level could not be drawn (Farama's raises RecursionError)")
            unknown = np.flatnonzero(steps.missions[begin] < 0)
        levels.take_back(world)
        if self._engine.mission_length:
            vector.moved()
        return self._ended[: episodes.finished[0]].copy()

    def _meet(self, where: Array) -> None:
        """Number the missions of environments that are not known yet."""
        if self.headings or not self._tokens.shape[1]:
            return
        known = set(map(tuple, self._missions.tolist()))
        new = sorted(set(map(tuple, self._vector.mission_numbers[where].tolist())) - known)
        if new:
            tokens = [self._engine.tokens(numbers) for numbers in new]
            self._missions = np.concatenate([self._missions, np.array(new, dtype=np.int32)])
            self._tokens = np.concatenate([self._tokens, np.array(tokens)])
            self._weights = self._policy.weights(torch.from_numpy(self._tokens))

    def _rows(self, count: int) -> Steps:
        """The arrays of the first so many steps."""
        return Steps(*(rows[: count + len(rows) - len(self.steps.action)] for rows in self.steps))


def _steps(most: int, num_envs: int, shape: Sequence[int], kept: Sequence[Array]) -> Steps:
    """`kept`: the arrays [N, ...] whose rows are kept of each step."""

    def rows(dtype: type, count: int = most, shape: Sequence[int] = ()) -> Array:
        return np.zeros((count, num_envs, *shape), dtype=dtype)

    images, successors = rows(np.uint8, most + 1, shape), rows(np.uint8, most, shape)
    like = kept or (np.zeros((0, 0), np.uint32), np.zeros((0, 0), np.int32))
    cells, facts, begun_cells, begun_facts = (
        np.zeros((most if kept else 0, *entry.shape), dtype=entry.dtype) for _ in range(2) for entry in like
    )
    return Steps(
        images,
        successors,
        images.reshape(most + 1, num_envs, -1),
        successors.reshape(most, num_envs, -1),
        rows(np.int64, most + 1),
        rows(np.int64, most + 1),
        rows(np.int64),
        rows(np.int64),
        rows(np.float32),
        rows(np.bool_),
        rows(np.bool_),
        rows(np.bool_),
        cells,
        facts,
        begun_cells,
        begun_facts,
    )


def _views(most: int, size: int, policy: RowPolicy) -> Views:
    logits, below = np.empty((2, most, policy.num_actions), dtype=np.float32)
    return Views(
        np.empty((most, size), dtype=np.uint8),
        np.empty(most, dtype=np.int64),
        logits,
        below,
        np.full(1 << (2 * most).bit_length(), -1, dtype=np.int32),
        weights_of(size),
        np.zeros(1, dtype=np.int64),
        np.empty((policy.depth + 1, policy.widest + 1), dtype=np.float32),
        np.empty(policy.widest + 4, dtype=np.int64),
    )
