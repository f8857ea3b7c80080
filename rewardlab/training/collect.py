"""Collect rollouts: the agent acts, the environments step, the task's return is counted before any bonus."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
import torch

from rewardlab.errors import CannotRestore
from rewardlab.facts import GAP
from rewardlab.maths.returns import paid_at_ends
from rewardlab.training.compiled_play import CompiledPlay
from rewardlab.training.play_kernel import Steps
from rewardlab.training.showing import require_finite, require_finite_step
from rewardlab.types import (
    Agent,
    Array,
    DesignableEnv,
    DistinctObservations,
    Obs,
    Rollout,
    State,
    StepBatch,
    TensorObs,
    VecEnv,
)

EPISODE_WINDOW = 100  # return_mean in train.csv is the mean of this many latest episodes


class EpisodeStatistics:
    """Returns, lengths and successes of finished episodes, on the task's own reward.

    Args:
        counted: names of facts, 0 or 1, of which all episodes' last states are counted.

    Attributes:
        regret: what all steps so far have cost, the sum of `facts.GAP`; None where the environments do not tell.
    """

    def __init__(self, num_envs: int, counted: Sequence[str] = ()) -> None:
        self.episodes = 0
        self.regret: float | None = None
        self._counts = dict.fromkeys(counted, 0)
        self._return = np.zeros(num_envs)
        self._length = np.zeros(num_envs, dtype=np.int64)
        self._finished = np.zeros(num_envs, dtype=bool)
        self._latest: deque[tuple[float, int, bool]] = deque(maxlen=EPISODE_WINDOW)

    def add(self, batch: StepBatch) -> None:
        self._return += batch.task_reward
        self._length += 1
        if GAP in batch.privileged:
            self.regret = (self.regret or 0.0) + float(batch.privileged[GAP].sum())
        for i in np.flatnonzero(batch.terminated | batch.truncated):
            self._latest.append((float(self._return[i]), int(self._length[i]), bool(batch.success[i])))
            self._return[i], self._length[i], self._finished[i] = 0.0, 0, True
            self.episodes += 1
            for name in self._counts:
                self._counts[name] += int(batch.privileged[name][i])

    def means(self) -> tuple[float, float, float] | None:
        """Mean return, success rate and length, or None until every environment has finished an episode.

        Before that, only the short episodes have finished: their mean would mislead.
        """
        if not self._finished.all():
            return None
        returns, lengths, successes = zip(*self._latest, strict=True)
        return float(np.mean(returns)), float(np.mean(successes)), float(np.mean(lengths))

    def shares(self) -> dict[str, float]:
        """Of each counted fact the share of all episodes so far; none before the first."""
        return {name: count / self.episodes for name, count in self._counts.items()} if self.episodes else {}

    @property
    def running(self) -> tuple[Array, Array]:
        """Return and length of each running episode, float64 and int64 [N]: a compiled pass writes there."""
        return self._return, self._length

    def add_ended(self, ended: Array, finished: Array) -> None:
        """What a compiled pass played: return, length and success of episodes, [E, 3 or more], in order.

        Args:
            finished: bool [N], the environments that they ended in.
        """
        self._latest.extend((row[0], int(row[1]), bool(row[2])) for row in ended[-EPISODE_WINDOW:].tolist())
        self._finished |= finished
        self.episodes += len(ended)

    def state_dict(self) -> State:
        return {
            "episodes": self.episodes,
            "return": torch.from_numpy(self._return.copy()),
            "length": torch.from_numpy(self._length.copy()),
            "finished": torch.from_numpy(self._finished.copy()),
            "latest": [list(item) for item in self._latest],
            **({"counts": dict(self._counts)} if self._counts else {}),
            **({} if self.regret is None else {"regret": self.regret}),
        }

    def load_state_dict(self, state: State) -> None:
        self.episodes = state["episodes"]
        self._return, self._length = state["return"].numpy().copy(), state["length"].numpy().copy()
        self._finished = state["finished"].numpy().copy()
        self._latest.clear()
        self._latest.extend((item[0], item[1], item[2]) for item in state["latest"])
        self._counts |= state.get("counts", {})
        self.regret = state.get("regret")

    def abandon(self) -> None:
        """The running episodes will not go on: nothing of them counts."""
        self._return[:], self._length[:] = 0.0, 0


@dataclass
class _Buffers:
    """Preallocated storage of one rollout: numpy arrays and the tensors that share their memory."""

    obs: Obs
    next_obs: Obs
    task_reward: Array
    terminated: Array
    truncated: Array
    success: Array
    first: Array
    privileged: Obs
    current_privileged: Obs


class Collector:
    """Steps one vector environment with an agent. A rollout's tensors are valid until the next `collect`.

    Args:
        delayed: whether a rollout pays the task's reward at the end of each episode, summed up. Statistics are of what
            the environments pay.
        counted: names of facts that the statistics count, which the environments give.
        clipped: whether what it pays for a step is cut to within -1 and 1 first.
    """

    def __init__(
        self,
        env: VecEnv,
        agent: Agent,
        seeds: list[int],
        steps: int,
        device: torch.device,
        delayed: bool = False,
        *,
        counted: Sequence[str] = (),
        clipped: bool = False,
    ) -> None:
        self.env, self.agent, self.device = env, agent, device
        self.statistics = EpisodeStatistics(env.num_envs, counted)
        self._obs: Obs = {}
        self._first: Array = np.ones(env.num_envs, dtype=bool)
        self._state: torch.Tensor | None = None
        self._privileged: Obs = {}
        self._owed = np.zeros(env.num_envs) if delayed else None  # of what the running episodes were not paid yet
        self._clipped = clipped
        self._earned = torch.empty(0)  # of the latest rollout, where it pays something else
        self._begin(seeds)
        self._buffers = _allocate(steps, self._obs, self._privileged)
        self._compiled = CompiledPlay.of(env, agent, steps)
        if self._compiled is not None:
            _write_to(self._buffers, self._compiled.steps)

    @torch.no_grad()
    def collect(self, steps: int, rng: torch.Generator) -> Rollout:
        """Step every environment `steps` times; at most the number that the collector was built for.

        Raises:
            NotFinite: an environment shows NaN or infinity.
        """
        if self._compiled is not None:
            return self._pass(self._compiled, steps, rng)
        buffers = self._buffers
        actions: list[torch.Tensor] = []
        agent_state0 = self._state
        end_states: list[torch.Tensor] = []
        judged = []
        for t in range(steps):
            _store(buffers.obs, t, self._obs)
            _store(buffers.current_privileged, t, self._privileged)
            buffers.first[t] = self._first
            output = self.agent.act(self._tensors(self._obs), self._state, self._tensor(self._first), "explore", rng)
            self._state = output.state
            if output.judged is not None:
                judged.append(output.judged)
            batch = self.env.step(output.action.cpu().numpy())
            require_finite_step(self.env.spec, batch)
            actions.append(output.action)
            _store(buffers.next_obs, t, batch.next_obs)
            _store(buffers.privileged, t, batch.privileged)
            buffers.task_reward[t] = batch.task_reward
            buffers.terminated[t], buffers.truncated[t] = batch.terminated, batch.truncated
            buffers.success[t] = batch.success
            self.statistics.add(batch)
            self._obs, self._first = batch.obs, batch.terminated | batch.truncated
            ended = np.flatnonzero(self._first)
            self._privileged = self.env.privileged() if ended.size else batch.privileged
            if ended.size and self._state is not None:
                end_states.append(self._state[torch.from_numpy(ended).to(self.device)])
        _store(buffers.obs, steps, self._obs)
        buffers.first[steps] = self._first
        rollout = self._rollout(steps, torch.stack(actions), agent_state0)
        rollout.end_states = torch.cat(end_states) if end_states else None
        rollout.judged = judged
        return rollout

    def _pass(self, compiled: CompiledPlay, steps: int, rng: torch.Generator) -> Rollout:
        """`collect` in one compiled pass, which tells equal observations apart on the way."""
        buffers, played = self._buffers, compiled.steps
        compiled.forget()
        played.images[0], buffers.first[0] = self._obs["image"], self._first
        ended = compiled.play(torch.rand(steps, self.env.num_envs, generator=rng), *self.statistics.running)
        over: Array = buffers.terminated[:steps] | buffers.truncated[:steps]
        buffers.first[1 : steps + 1] = over
        self.statistics.add_ended(ended, np.logical_or.reduce(over))
        if self._privileged:
            acted_on, reached, self._privileged = compiled.facts(steps, self._privileged)
            for name in reached:
                buffers.current_privileged[name][:steps], buffers.privileged[name][:steps] = (
                    acted_on[name],
                    reached[name],
                )
        rows = {"image": compiled.views.rows[: compiled.views.found[0]].reshape(-1, *played.images.shape[2:])}
        if "mission" in buffers.obs:
            buffers.obs["mission"][: steps + 1] = compiled.tokens(played.missions[: steps + 1])
            buffers.next_obs["mission"][:steps] = buffers.obs["mission"][:steps]
            rows["mission"] = compiled.tokens(compiled.views.missions[: len(rows["image"])])
        if compiled.headings:
            turned = compiled.views.missions
            buffers.obs["vector"][: steps + 1] = compiled.tokens(turned[played.here[: steps + 1]])
            buffers.next_obs["vector"][:steps] = compiled.tokens(turned[played.there[:steps]])
            rows["vector"] = compiled.tokens(turned[: len(rows["image"])])
        self._obs = {name: entry[steps].copy() for name, entry in buffers.obs.items()}
        self._first = over[-1]
        rollout = self._rollout(steps, self._tensor(played.action[:steps].copy()), None)
        here, there = self._tensor(played.here[: steps + 1]), self._tensor(played.there[:steps])
        logits = self._tensor(compiled.views.logits[: len(rows["image"])])
        rollout.distinct = DistinctObservations(self._tensors(rows), here, there, logits)
        return rollout

    def earned(self, rollout: Rollout) -> torch.Tensor:
        """What the environments paid for the steps of the latest rollout, uncut and undelayed, float32 [T, N]."""
        return rollout.task_reward if self._owed is None and not self._clipped else self._earned

    def _rollout(self, steps: int, action: torch.Tensor, agent_state0: torch.Tensor | None) -> Rollout:
        """What the buffers hold."""
        buffers = self._buffers
        if self._clipped or self._owed is not None:
            self._earned = self._tensor(buffers.task_reward[:steps].copy())
        if self._clipped:
            buffers.task_reward[:steps].clip(-1.0, 1.0, out=buffers.task_reward[:steps])
        if self._owed is not None:
            ended: Array = buffers.terminated[:steps] | buffers.truncated[:steps]
            buffers.task_reward[:steps] = paid_at_ends(buffers.task_reward[:steps], ended, self._owed)
        obs, first = self._rows(buffers.obs, steps + 1), self._tensor(buffers.first[: steps + 1])
        return Rollout(
            obs={key: value[:steps] for key, value in obs.items()},
            next_obs=self._rows(buffers.next_obs, steps),
            action=action,
            task_reward=self._tensor(buffers.task_reward[:steps]),
            terminated=self._tensor(buffers.terminated[:steps]),
            truncated=self._tensor(buffers.truncated[:steps]),
            success=self._tensor(buffers.success[:steps]),
            first=first[:steps],
            last_obs={key: value[steps] for key, value in obs.items()},
            last_first=first[steps],
            agent_state0=agent_state0,
            privileged=self._rows(buffers.privileged, steps),
            current_privileged=self._rows(buffers.current_privileged, steps),
        )

    def state_dict(self) -> State:
        """Where the running episodes stand. `env` is None where the environments cannot be put back."""
        spec = self.env.spec
        owed = {} if self._owed is None else {"owed": torch.from_numpy(self._owed.copy())}
        return {
            "backend": spec.backend,
            "env": self.env.get_state() if spec.restorable else None,
            "obs": {key: torch.from_numpy(value.copy()) for key, value in self._obs.items()},
            "first": torch.from_numpy(self._first.copy()),
            "state": None if self._state is None else self._state.clone(),
            "statistics": self.statistics.state_dict(),
        } | owed

    def load_state_dict(self, state: State, seeds: list[int]) -> bool:
        """Go on from what `state_dict` returned.

        Args:
            seeds: of new episodes, where the running ones cannot be put back.

        Returns:
            Whether the running episodes go on.
        """
        self.statistics.load_state_dict(state["statistics"])
        if not self._put_back(state):
            self.statistics.abandon()
            self._begin(seeds)
            return False
        self._obs = {key: value.cpu().numpy().copy() for key, value in state["obs"].items()}
        self._first = state["first"].cpu().numpy().copy()
        self._state = None if state["state"] is None else state["state"].to(self.device)
        self._privileged = self.env.privileged()
        if self._owed is not None:
            self._owed = state["owed"].cpu().numpy().copy()
        return True

    def _put_back(self, state: State) -> bool:
        spec = self.env.spec
        if state["env"] is None or state["backend"] != spec.backend or not spec.restorable:
            return False
        try:
            self.env.set_state(state["env"])
        except CannotRestore:
            return False
        return True

    def begin_on(self, places: Obs) -> None:
        """Begin an episode in these states, [N, ...], and all later ones too; nothing counts of those that run."""
        self.statistics.abandon()
        self._started(cast(DesignableEnv, self.env).hold_places(places))

    def _begin(self, seeds: list[int]) -> None:
        """The first frames of new episodes in every environment."""
        self._started(self.env.reset(seeds))

    def _started(self, obs: Obs) -> None:
        self._obs = obs
        require_finite(self.env.spec, self._obs, "after a reset")
        self._first = np.ones(self.env.num_envs, dtype=bool)
        self._state = self.agent.initial_state(self.env.num_envs)
        self._privileged = self.env.privileged()
        if self._owed is not None:
            self._owed[:] = 0.0

    def _tensor(self, array: Array) -> torch.Tensor:
        return torch.from_numpy(array).to(self.device)

    def _tensors(self, obs: Obs) -> TensorObs:
        return {key: self._tensor(value) for key, value in obs.items()}

    def _rows(self, buffers: Obs, steps: int) -> TensorObs:
        return {key: self._tensor(value[:steps]) for key, value in buffers.items()}


def _allocate(steps: int, obs: Obs, privileged: Obs) -> _Buffers:
    num_envs = len(next(iter(obs.values())))

    def rows(like: Obs, count: int) -> Obs:
        return {key: np.zeros((count, *value.shape), dtype=value.dtype) for key, value in like.items()}

    def flags(count: int = steps) -> Array:
        return np.zeros((count, num_envs), dtype=bool)

    return _Buffers(
        obs=rows(obs, steps + 1),
        next_obs=rows(obs, steps),
        task_reward=np.zeros((steps, num_envs), dtype=np.float32),
        terminated=flags(),
        truncated=flags(),
        success=flags(),
        first=flags(steps + 1),
        privileged=rows(privileged, steps),
        current_privileged=rows(privileged, steps),
    )


def _write_to(buffers: _Buffers, steps: Steps) -> None:
    """Let the storage of a rollout be where compiled passes write."""
    buffers.obs["image"], buffers.next_obs["image"] = steps.images, steps.successors
    buffers.task_reward, buffers.success = steps.reward, steps.success
    buffers.terminated, buffers.truncated = steps.terminated, steps.truncated


def _store(buffers: Obs, t: int, values: Obs) -> None:
    for key, buffer in buffers.items():
        buffer[t] = values[key]
