"""TopoNav: a graph of places grows while the agent plays; a meta-controller picks nodes of it as subgoals

Paper: Hossain et al. 2024, TopoNav: topological navigation for efficient exploration in sparse reward environments
(arXiv:2402.04061v3)
Assumes: privileged

The agent is the sub-controller: it sees the node chosen as the entry `goal`, and is paid 1 for coming to that node and
-step_cost for every step, in the stream `subgoal`. Options are the neighbours of the node where it is and the task's
own goal, shown as zeros. An attempt ends with the arrival at any other node, after `patience` steps, or with the
episode; what the agent learns of an attempt ends there, too.

Graph: a place is a new node where its feature is farther than `threshold` from all nodes'; an edge is where one node
was left for another, with how often and in how many steps. feature=room: which room of the grid it is, the nearest to
the episode's beginning first; shown is how many cells ahead and to the right one comes into the room. feature=view: a
fixed random projection of the observation, which assumes nothing; then nodes are kinds of views, and shown are the
features of the node chosen and of the one where it was.

Meta-controller: values of a table (`parts/option_values.py`) by the SMDP target, of the task's reward and
1 / sqrt(visits) for each node come to. In training it takes the option of the best score novelty / sqrt(visits) +
directedness * value, among those that seldom ended in a loss (safety comes first), subgoals before the task's goal
among equals; in evaluation novelty counts for nothing, and the graph stays as it is. The value of an option stands for
the paper's goal-directedness, a table for its network, and nodes for the landmarks that its vision modules find.

graph=false lets it choose any node, whether an edge leads there or not, and pursue it through others; choice=random
lets it take any option, in evaluations too.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from rewardlab.errors import UserError
from rewardlab.facts import GRID, SEEN
from rewardlab.maths.goals import agent_places, offsets
from rewardlab.maths.rooms import rooms_of, way_in
from rewardlab.maths.topology import candidate_scores, preferred
from rewardlab.parts.conditioner import BaseConditioner
from rewardlab.parts.memories.topological_graph import UNKNOWN, TopologicalGraph
from rewardlab.parts.option_values import OptionValues
from rewardlab.parts.state import load_state, state_of
from rewardlab.schemas import CurriculumConfig, option
from rewardlab.types import (
    Array,
    Asked,
    Attempts,
    BuildContext,
    Metrics,
    Obs,
    ObsSpec,
    Rollout,
    State,
    StreamSpec,
)

VERSION = 1

_SCALE = 0.1  # of what is shown in cells
_ROOMS = 16  # farther ones count as the last
_VIEW = 16  # numbers of a projected view
_PROJECTION = 20_240_206  # its seed, the same in all runs
_TRIES = 5  # attempts before an option may count as unsafe
_METRICS = (
    "graph/nodes", "graph/edges", "subgoals/reached", "subgoals/chosen", "subgoals/steps", "loss/option_values",
)  # fmt: skip


@dataclass
class Config(CurriculumConfig):
    feature: str = option(
        "room",
        "what tells places apart: rooms of the grid, or a random projection of the view",
        choices=("room", "view"),
    )
    threshold: float = option(0.5, "a feature farther than this from all nodes' is a new node", minimum=0)
    max_nodes: int = option(64, "nodes at most; then each place is the nearest one", above=0, maximum=1024)
    patience: int = option(30, "steps after which an attempt is given up", above=0)
    coef: float = option(0.2, "weight of the stream; at 1 a node is worth as much as the task's goal", minimum=0)
    step_cost: float = option(0.01, "what each step costs the agent in that stream", minimum=0)
    novelty: float = option(1.0, "w1: weight of 1 / sqrt(visits) of a candidate", minimum=0)
    directedness: float = option(1.0, "w2: weight of a candidate's value", minimum=0)
    novelty_reward: float = option(1.0, "weight of 1 / sqrt(visits) in the meta-controller's reward", minimum=0)
    rate: float = option(0.1, "how far the meta-controller's values move with an attempt", above=0, maximum=1)
    danger: float = option(0.5, "options of which more ended in a loss are the last choice", minimum=0, maximum=1)
    graph: bool = option(True, "whether only nodes beside the one it is at may be chosen; false: any node")
    choice: str = option("score", "how options are chosen: by score, or at random", choices=("score", "random"))

    def privileged(self) -> tuple[str, ...]:
        return (GRID,) if self.feature == "room" else ()


class Conditioner(BaseConditioner):
    """The graph and the meta-controller.

    A goal has `option`, int64 [B], a node, or the most nodes M for the task's own goal; `here`, int64 [B], the node
    where it was chosen; `been` and `searched`, bool [B, M + 1], the nodes where it was in the episode, and those where
    the task's goal was looked for in vain; `begins`, bool [B], whether the episode began with it. Where rooms are the
    features: `rooms`, int16 [B, W * H], and `cell`, int64 [B], by which one comes into the room chosen.
    """

    metrics = _METRICS
    ends_values = True

    def __init__(self, config: Config, context: BuildContext) -> None:
        """Raises:
        UserError: the environment has no grid to find rooms in.
        """
        if config.feature == "room" and GRID not in context.spec.privileged:
            raise UserError(
                f"curriculum={config.name or config.plugin} curriculum.feature=room: {context.spec.id} has no grid; use"
                " a MiniGrid task, or curriculum.feature=view"
            )
        self.config, self._most, self._gamma = config, config.max_nodes, context.gamma
        self.patience = config.patience
        self.assumes = frozenset({"privileged"} if config.feature == "room" else ())
        self._by_room = config.feature == "room"
        if not self._by_room:
            self._shown = dict(context.spec.obs)
            self.reads = tuple(self._shown)
            width = sum(int(np.prod(entry.shape)) for entry in self._shown.values())
            self._projection = np.random.default_rng(_PROJECTION).normal(size=(width, _VIEW)) / np.sqrt(_VIEW)
        self._size = _ROOMS if self._by_room else _VIEW
        self.obs = {"goal": ObsSpec((3 if self._by_room else 2 * self._size,), "float32")}
        self.streams = (StreamSpec("subgoal", context.gamma, config.coef),)
        self.map = TopologicalGraph(self._size, self._most, config.threshold)
        self._values = OptionValues(self._most, config.rate, context.gamma)
        self._tries, self._lost = (np.zeros((self._most, self._most + 1), dtype=np.int64) for _ in range(2))
        self._ended: list[Attempts] = []

    def propose(self, asked: Asked, rng: torch.Generator) -> Obs:
        count, before, most = asked.count, asked.before, self._most
        goal: Obs = {
            "option": np.full(count, most),
            "begins": asked.begins.copy(),
        }
        for name in ("been", "searched"):
            goal[name] = before[name].copy() if before else np.zeros((count, most + 1), dtype=bool)
            goal[name][asked.begins] = False
        if before:
            vain = (before["option"] == most) & (before["here"] != UNKNOWN) & ~asked.begins
            goal["searched"][vain, before["here"][vain]] = True
        if self._by_room:
            grids = asked.facts[GRID]
            rooms = before["rooms"].copy() if before else np.empty((count, grids[0, ..., 0].size), dtype=np.int16)
            for i in np.flatnonzero(asked.begins):
                rooms[i] = rooms_of(grids[i])
            goal["rooms"] = rooms
        goal["here"] = self.map.place(self._features(goal, asked.facts))
        edges = self.map.edges()
        for i in np.flatnonzero(goal["here"] != UNKNOWN):
            here = int(goal["here"][i])
            goal["been"][i, here] = True
            searched = bool(goal["searched"][i, here])
            goal["option"][i] = self._chosen(here, searched, goal["been"][i], edges, asked.training, rng)
        if self._by_room:
            goal["cell"] = np.zeros(count, dtype=np.int64)
            for i in np.flatnonzero(goal["option"] != most):
                room = int(self.map.features[goal["option"][i]].argmax())
                goal["cell"][i] = way_in(asked.facts[GRID][i], goal["rooms"][i], room)
        return goal

    def show(self, goal: Obs, facts: Obs) -> Obs:
        if self._by_room:
            sought = goal["option"] != self._most
            away = np.concatenate([offsets(facts[GRID], goal["cell"]) * _SCALE, np.ones((len(sought), 1))], axis=1)
            return {"goal": np.where(sought[:, None], away, 0.0).astype(np.float32)}
        known = np.concatenate([self.map.features, np.zeros((self._most + 1 - len(self.map), self._size), np.float32)])
        return {"goal": np.concatenate([known[goal["option"]], known[goal["here"]]], axis=1)}  # UNKNOWN is the last one

    def reached(self, goal: Obs, start: Obs, facts: Obs) -> Array:
        found: Array = self.map.place(self._features(goal, facts)) == goal["option"]
        return found

    def past(self, goal: Obs, start: Obs, facts: Obs) -> Array | None:
        if not self.config.graph:
            return None
        return self.map.apart(self._features(goal, start), self._features(goal, facts))

    def take_in(self, attempts: Attempts) -> None:
        self._ended.append(attempts)

    def compute(self, rollout: Rollout) -> dict[str, torch.Tensor]:
        return {"subgoal": rollout.privileged["goal_reached"].float() - self.config.step_cost}

    def update(self) -> Metrics:
        """Put what was walked on the map, and learn what options are worth, in the order in which attempts ended."""
        ended, self._ended = self._ended, []
        errors = [error for attempts in ended for error in self._learn(attempts)]
        edges = int(self.map.edges().sum()) // 2
        told = {"graph/nodes": float(len(self.map)), "graph/edges": float(edges)}
        if not ended:
            return told
        options, reached, steps = (
            np.concatenate(column)
            for column in zip(*((each.goal["option"], each.reached, each.steps) for each in ended), strict=True)
        )
        sought = options != self._most
        told |= {"subgoals/chosen": float(sought.mean())}
        told |= {"subgoals/reached": float(reached[sought].mean())} if sought.any() else {}
        told |= {"subgoals/steps": float(steps[reached].mean())} if reached.any() else {}
        return told | ({"loss/option_values": float(np.square(errors).mean())} if errors else {})

    def state_dict(self) -> State:
        counts = {"tries": torch.from_numpy(self._tries.copy()), "lost": torch.from_numpy(self._lost.copy())}
        return state_of({"map": self.map, "values": self._values}) | counts

    def load_state_dict(self, state: State) -> None:
        load_state({"map": self.map, "values": self._values}, state)
        self._tries, self._lost = (state[name].cpu().numpy().copy() for name in ("tries", "lost"))

    def _chosen(
        self, here: int, searched: bool, been: Array, edges: Array, training: bool, rng: torch.Generator
    ) -> int:
        """A node, or M for the task's own goal, which is the last among equals."""
        options = self._options(here, edges)
        if self.config.choice == "random":
            return int(options[int(torch.randint(len(options), (1,), generator=rng))])
        nodes = options[:-1]
        visits = np.append(self.map.visits[nodes], self._tries[here, -1])
        values = self._values.of(here, options, searched, been)
        novelty = self.config.novelty if training else 0.0
        scores = candidate_scores(visits, values, novelty, self.config.directedness if training else 1.0)
        tries = self._tries[here, options]
        safe = (tries < _TRIES) | (self._lost[here, options] <= self.config.danger * tries)
        return int(options[preferred(scores, safe)])

    def _options(self, here: int, edges: Array) -> Array:
        """The nodes that may be chosen at one, then M: int64 [K]."""
        beside = edges[here] if self.config.graph else np.arange(len(self.map)) != here
        return np.append(np.flatnonzero(beside), self._most)

    def _learn(self, attempts: Attempts) -> list[float]:
        """The errors of the meta-controller."""
        goal, errors = attempts.goal, []
        starts, ends = self._features(goal, attempts.start), self._features(goal, attempts.end)
        for i, steps in enumerate(attempts.steps.tolist()):
            start, end = self.map.take_in(starts[i]), self.map.take_in(ends[i])
            self.map.visits[start] += bool(goal["begins"][i])
            reward = float(attempts.task_return[i])
            if start != end:
                self.map.traverse(start, end, steps)
                self.map.visits[end] += 1
                novelty = self.config.novelty_reward / np.sqrt(self.map.visits[end])
                reward += self._gamma ** (steps - 1) * float(novelty)
            here, chosen, been = int(goal["here"][i]), int(goal["option"][i]), goal["been"][i]
            if here == UNKNOWN:
                continue
            over, searched = bool(attempts.terminated[i]), bool(goal["searched"][i, here])
            self._tries[here, chosen] += 1
            self._lost[here, chosen] += over and attempts.task_reward[i] <= 0
            then = bool(goal["searched"][i, end]) or (chosen == self._most and end == here)
            options = self._options(end, self.map.edges())
            follows = 0.0 if over else float(self._values.of(end, options, then, been).max())
            errors.append(self._values.learn(here, chosen, searched, bool(been[chosen]), reward, steps, follows))
        return errors

    def _features(self, goal: Obs, facts: Obs) -> Array:
        """What tells the places apart in which B environments are: float32 [B, D]."""
        if self._by_room:
            place, _ = agent_places(facts[GRID])
            room = goal["rooms"][np.arange(len(place)), place]
            found: Array = np.eye(_ROOMS, dtype=np.float32)[np.clip(room, 0, _ROOMS - 1)]
            return found
        flat = [
            facts[f"{SEEN}{name}"].reshape(len(goal["option"]), -1) / np.float32(entry.high or 1)
            for name, entry in self._shown.items()
        ]
        projected: Array = (np.concatenate(flat, axis=1) @ self._projection).astype(np.float32)
        return projected
