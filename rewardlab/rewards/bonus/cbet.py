"""C-BET: rarely seen states and rarely seen changes pay more, 1 / (visits of the state + occurrences of the change).

Paper: Parisi et al. 2021, Interesting object, curious agent: learning task-agnostic exploration
Assumes: nothing with change=view, privileged with change=panorama or key=state

The bonus of a step is 1 / (N(s') + N(c)), c being what the step changed, both counts with this step included.
With probability `reset_probability` after each step the counts are forgotten, states and changes independently, so
that the bonus does not fade for good. Published: coef 0.005, probability 0.001 where the bonus is the only reward; the
code learns a task with reset_probability=0.

- change=panorama, shared=false: s is the agent's view, c the difference of what it could see turning around on the
  spot, so that turning changes nothing; a table for each of 40 actors. The paper's and its code's.
- change=view: c is the difference of the views. The default: it asks nothing of the environment but the view.
- key=state: s is the full state, hashed; change=state: c is the pair of full states.
"""

from dataclasses import dataclass

import numpy as np
import torch

from rewardlab.facts import PANORAMA, STATE_HASH
from rewardlab.maths.counting import Keys, combine_keys, hash_rows
from rewardlab.parts.memories.visit_counts import VisitCounts
from rewardlab.rewards.base import BonusConfig, BonusScheme
from rewardlab.schemas import option
from rewardlab.types import Array, BuildContext, Metrics, Rollout, State

VERSION = 1


@dataclass
class Config(BonusConfig):
    coef: float = option(0.005, "weight of the bonus", minimum=0)
    key: str = option("view", "what a state is: the agent's view, or the full state", choices=("view", "state"))
    change: str = option(
        "view",
        "where changes are looked for: in views, panoramas or full states",
        choices=("view", PANORAMA, "state"),
    )
    reset_probability: float = option(0.001, "chance to forget all counts after a step", minimum=0, maximum=1)
    shared: bool = option(True, "one table for all environments, or one each")

    def privileged(self) -> tuple[str, ...]:
        facts = (STATE_HASH,) if "state" in (self.key, self.change) else ()
        return (*facts, PANORAMA) if self.change == PANORAMA else facts


class Scheme(BonusScheme):
    """Counts whole time steps at once, so that the order of the environments does not matter."""

    metrics = ("explore/states", "explore/changes")
    stateful = ("states", "changes")

    def __init__(self, config: Config, context: BuildContext) -> None:
        self.reads = ("image",) if "view" in (config.key, config.change) else ()
        super().__init__(config, context)
        self.config = config
        self._tables = 1 if config.shared else context.num_envs
        self.states, self.changes = ForgetfulCounts(self._tables), ForgetfulCounts(self._tables)

    def bonus(self, rollout: Rollout) -> torch.Tensor:
        visits = self.states.add(self._state_keys(rollout), self._resets(rollout))
        occurrences = self.changes.add(self._change_keys(rollout), self._resets(rollout))
        return torch.from_numpy((1.0 / (visits + occurrences)).astype(np.float32)).to(rollout.task_reward.device)

    def update(self, rollout: Rollout) -> Metrics:
        return {"explore/states": float(self.states.distinct), "explore/changes": float(self.changes.distinct)}

    def _resets(self, rollout: Rollout) -> Array:
        """bool [T, tables]: whether the counts of a table are forgotten after the step."""
        drawn: Array = self.context.numpy_rng.random((rollout.steps, self._tables)) < self.config.reset_probability
        return drawn

    def _state_keys(self, rollout: Rollout) -> Keys:
        if self.config.key == "state":
            return _hashes(rollout.privileged[STATE_HASH])
        return hash_rows(rollout.next_obs["image"].flatten(2).cpu().numpy())

    def _change_keys(self, rollout: Rollout) -> Keys:
        if self.config.change == "state":
            before, after = rollout.current_privileged[STATE_HASH], rollout.privileged[STATE_HASH]
            return combine_keys(_hashes(before), _hashes(after))
        if self.config.change == PANORAMA:
            before, after = rollout.current_privileged[PANORAMA], rollout.privileged[PANORAMA]
        else:
            before, after = rollout.obs["image"], rollout.next_obs["image"]
        return hash_rows((after.short() - before.short()).flatten(2).cpu().numpy())


class ForgetfulCounts:
    """Visit counts that are forgotten now and then: in one table for all environments, or in one for each."""

    def __init__(self, tables: int) -> None:
        self._tables = [VisitCounts() for _ in range(tables)]

    @property
    def distinct(self) -> int:
        """Keys since the counts were last forgotten, summed over the tables."""
        return sum(len(table) for table in self._tables)

    def add(self, keys: Keys, resets: Array) -> Array:
        """Take keys [T, N] in: the count of each after its own step, [T, N].

        Args:
            resets: bool [T, tables], after which steps a table is forgotten.
        """
        columns = np.split(keys, len(self._tables), axis=1)
        return np.concatenate([self._add(i, columns[i], resets[:, i]) for i in range(len(self._tables))], axis=1)

    def _add(self, table: int, keys: Keys, resets: Array) -> Array:
        counts: list[Array] = []
        for stretch in np.split(keys, np.flatnonzero(resets) + 1):
            if counts:
                self._tables[table] = VisitCounts()
            if stretch.size:  # none after a reset by the last step
                counts.append(self._tables[table].add(stretch))
        return np.concatenate(counts)

    def state_dict(self) -> State:
        return {"tables": [table.state_dict() for table in self._tables]}

    def load_state_dict(self, state: State) -> None:
        for table, saved in zip(self._tables, state["tables"], strict=True):
            table.load_state_dict(saved)


def _hashes(facts: torch.Tensor) -> Keys:
    keys: Keys = facts.cpu().numpy().astype(np.int64, copy=False)
    return keys
