"""Go-Explore: returns to saved states, explores from there, then trains PPO backwards along the ways that it found

Paper: Ecoffet et al. 2021, First return, then explore (Nature 590, arXiv:2004.12919)
Assumes: state_restore, fixed_level

Phase 1 has no policy for the task and writes no evaluation. On each of the fixed levels (env.levels=K) an archive holds
the cells that were met, each with the state that was reached with the highest score, and of these in the fewest steps.
Cells are drawn with probability proportional to 1 / sqrt(times met + 1), the level's state is restored, and
explore_steps random actions follow. It ends when every level is solved, which is that an episode ended well paid, or
with its share of the budget; restored steps are no frames, explored ones are. Of each level the way to the highest
score is kept. With return_by=policy no state within an episode is restored: a goal-conditioned policy, which learns it
meanwhile, walks from the level's beginning to the cell, and its steps are frames (`way_follower.py`).

Phase 2 trains the ordinary policy of PPO with starts that move backwards along these ways (Salimans and Chen 2018; see
curriculum=backplay, whose options are these). It is evaluated on the levels of evaluations, like any other.

Cells: state, a hash of the full state; position, where the agent is and what it has got: what it carries, which doors
are locked, which have something beside them, what keys and boxes lie about, and in games of Atari the room, an 8 x 8
block of it, the level and the items; view, what it sees, downscaled. The paper repeats actions with probability 0.95 on
Atari, explores for 100 steps, and returns from each state of a cell alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
import torch

from rewardlab.agents.exploring.way_follower import FollowingOptions, WayFollower
from rewardlab.agents.on_policy import ppo
from rewardlab.errors import UserError
from rewardlab.facts import GRID, ROOM, SITUATION, STATE_HASH
from rewardlab.maths.cells import downscaled_keys
from rewardlab.parts.archives.backward_starts import METRICS, BackwardOptions, BackwardStarts
from rewardlab.parts.archives.cell_archive import CellArchive
from rewardlab.schemas import option
from rewardlab.types import (
    Array,
    BuildContext,
    MakeEnv,
    Metrics,
    Obs,
    Outcomes,
    PlaceableEnv,
    State,
    StreamSpec,
    Trail,
)

VERSION = 1
_FACTS = {"state": (STATE_HASH,), "position": (SITUATION,), "view": ()}


@dataclass
class Config(BackwardOptions, FollowingOptions):
    cell: str = option("position", "what tells cells apart", choices=tuple(_FACTS))
    cell_blocks: int = option(4, "cell=view: patches that each side of the image is averaged to", above=0)
    cell_depth: int = option(8, "cell=view: levels that each average is cut to", above=0)
    cell_channels: int | None = option(
        None, "cell=view: the last so many channels of the image, of one that holds several pictures; null: all",
        above=0, neutral=None,
    )  # fmt: skip
    explore_steps: int = option(10, "random actions after each return", above=0)
    explore_repeat: float = option(0.0, "probability that one repeats the last", minimum=0, maximum=1)
    explore_share: float = option(0.5, "share of the budget that phase 1 may take; 1: all", above=0, maximum=1)
    explore_until: str = option(
        "solved",
        "solved: leave a level once it is solved; budget: go on for shorter ways",
        choices=("solved", "budget"),
    )


class Agent(ppo.Agent):
    """Phase 1 in `explore`; phase 2 is PPO's own, on starts that `curriculum` proposes."""

    learns_from = "exploring"

    def __init__(self, config: Config, context: BuildContext, streams: tuple[StreamSpec, ...]) -> None:
        if context.spec.action.n is None:
            raise UserError(f"agent={config.name}: {context.spec.id} takes continuous actions; it needs discrete ones")
        super().__init__(config, context, streams)
        self._options, self._rng, self._spec = config, context.numpy_rng, context.spec
        self.assumes |= {"state_restore", "fixed_level"}
        self.metrics += ("explore/cells", "explore/solved_levels", "explore/solution_steps", "explore/score")
        self.facts: tuple[str, ...] = _FACTS[config.cell]
        self._cell = self.facts[0] if self.facts else None  # the fact that tells cells apart; None: what is seen does
        self.round_steps = config.explore_steps
        self._follower: WayFollower | None = None
        if config.return_by == "policy":
            self._follower = WayFollower(config, context, located=bool(self.facts))
            self.facts = (*self.facts, GRID) if self.facts else ()
            self.round_steps = config.return_steps
            self.metrics += ("explore/returned",)
        self._rooms: set[int] = set()  # that were met, where the environment tells
        if ROOM in context.spec.privileged:
            self.facts += (ROOM,)
            self.metrics += ("explore/rooms",)
        self.exploring = True
        self._robustification = self.curriculum = _Robustification(config, context.numpy_rng)
        self._archive: CellArchive | None = None
        self._best: dict[int, Trail] = {}  # the best way on each level, by its place in the list of levels
        self._solved: set[int] = set()  # levels on which an episode ended well paid
        self._env: PlaceableEnv | None = None
        self._runs, self._obs = _Runs(context.num_envs), Obs()
        self._under_way: State | None = None  # what a checkpoint says of the environments, until they are there

    @property
    def solutions(self) -> tuple[Trail, ...]:
        """The best way that was found on each level where something was paid."""
        return tuple(self._best[level] for level in sorted(self._best))

    def explore(self, make: MakeEnv, levels: Sequence[int], num_envs: int, steps: int, progress: float) -> Metrics:
        """Return to N cells and explore from them.

        Args:
            make: environments that play lists of levels and tell `facts`.
            steps: vector steps, at most `round_steps`.
            progress: share of the budget that is spent when they are over.
        """
        archive = self._begin(make, levels, num_envs)
        env, follower, everywhere = self._env, self._follower, np.arange(num_envs)
        assert env is not None
        if follower is not None:
            follower.begin(steps)
        if follower is None or not self._obs:  # else those that are under way go on
            self._runs = _Runs(num_envs)
            self._obs = self._return(archive, env, everywhere, 0)
        runs, obs, facts = self._runs, self._obs, env.privileged()
        here = np.empty(0)  # the cells before a step, for the follower
        if follower is not None:
            here = self._keys(facts, obs.get("image"))
        actions, paid = np.zeros((steps, num_envs), dtype=np.uint8), np.zeros((steps, num_envs), dtype=np.float32)
        for t in range(steps):
            actions[t] = self._drawn(actions[t - 1] if t else None, num_envs)
            if follower is not None:
                walked = follower.act(obs, facts.get(GRID))
                actions[t] = np.where(follower.away, walked, actions[t])
                runs.explored += ~follower.away
            batch = env.step(actions[t].astype(np.int64))
            paid[t] = batch.task_reward
            runs.steps += 1
            runs.score += batch.task_reward
            ended = batch.terminated | batch.truncated
            for i in np.flatnonzero(batch.task_reward > 0).tolist():
                self._paid(archive, actions[: t + 1], paid[: t + 1], i, levels, bool(ended[i]))
            self._rooms |= set(batch.privileged[ROOM].tolist()) if ROOM in batch.privileged else set()
            keys = self._keys(batch.privileged, batch.next_obs.get("image"))
            if follower is not None:
                follower.meet(here, keys, batch.next_obs["image"], batch.privileged.get(GRID))
            self._note(archive, env, actions, paid, t, np.flatnonzero(~ended), keys)
            obs, facts, here, over = batch.obs, batch.privileged, keys, ended
            if follower is not None:
                failed = follower.judge(keys, ended)
                archive.count(runs.row[failed])  # or the same ones would be tried for ever
                over = ended | failed | (runs.explored >= self._options.explore_steps)
            if over.any():
                obs = self._return(archive, env, np.flatnonzero(over), t + 1)
                if follower is not None:
                    facts = env.privileged()
                    here = self._keys(facts, obs.get("image"))
        self._obs = obs
        solved = len(self._solved) / len(levels)
        share = self._options.explore_share
        self.exploring = bool(archive.open.any()) and (progress < share or share == 1)
        metrics = {"explore/cells": float(len(archive)), "explore/solved_levels": solved}
        if self._best:
            metrics["explore/solution_steps"] = float(np.mean([len(trail.action) for trail in self._best.values()]))
            metrics["explore/score"] = sum(map(_score, self._best.values())) / len(levels)
        if self._rooms:
            metrics["explore/rooms"] = float(len(self._rooms))
        if follower is not None:
            metrics |= follower.learn(obs, facts.get(GRID), progress)
            for i in np.flatnonzero(runs.since < steps).tolist():  # the next round has actions of its own
                self._add_pieces(archive, actions, paid, i, steps - 1)
            runs.since[:] = 0
        return metrics

    def robustify(self, trails: Sequence[Trail]) -> None:
        """Phase 1 is over: learn along these ways."""
        self._robustification.follow(trails)
        self._archive, self._best, self._solved = None, {}, set()
        if self._follower is not None:
            self._updates += self._follower.policy.updates
            self._follower = None
        if self._env is not None:
            self._env.close()
            self._env = None

    @property
    def updates(self) -> int:
        """Gradient steps so far, those of the policy that returns included."""
        return super().updates + (0 if self._follower is None else self._follower.policy.updates)

    def state_dict(self) -> State:
        best = {level: _trail_state(trail) for level, trail in self._best.items()}
        archive = None if self._archive is None else self._archive.state_dict()
        own: State = {"exploring": self.exploring, "archive": archive, "best": best}
        own |= {"solved": sorted(self._solved), "rooms": sorted(self._rooms)}
        if self._follower is not None:
            own["follower"] = self._follower.state_dict()
            own["under_way"] = self._under_way
            if self._env is not None:
                obs = {name: torch.from_numpy(entry.copy()) for name, entry in self._obs.items()}
                own["under_way"] = {"env": self._env.get_state(), "obs": obs, "runs": self._runs.state_dict()}
        return super().state_dict() | own

    def load_state_dict(self, state: State) -> None:
        super().load_state_dict(state)
        self.exploring = state["exploring"]
        self._best = {level: _trail_of(trail) for level, trail in state["best"].items()}
        self._solved = set(state.get("solved", self._best))  # once nothing else was kept
        self._rooms = set(state.get("rooms", ()))
        self._archive = None
        if state["archive"] is not None:
            self._archive = CellArchive(0)
            self._archive.load_state_dict(state["archive"])
        if "follower" not in state:
            self._follower = None
        elif self._follower is not None:
            self._follower.load_state_dict(state["follower"])
            self._under_way = state["under_way"]

    def _begin(self, make: MakeEnv, levels: Sequence[int], num_envs: int) -> CellArchive:
        """The archive, which begins with the first state of every level; and environments to return in."""
        if self._env is None:
            self._env = cast(PlaceableEnv, make([[levels[i % len(levels)]] for i in range(num_envs)]))
            self._env.reset(list(range(num_envs)))
            if self._under_way is not None:
                self._env.set_state(self._under_way["env"])
                self._obs = {name: entry.numpy().copy() for name, entry in self._under_way["obs"].items()}
                self._runs.load_state_dict(self._under_way["runs"])
                self._under_way = None
        if self._archive is None:
            self._archive = CellArchive(len(levels))
            env = cast(PlaceableEnv, make([[level] for level in levels]))
            every = np.arange(len(levels))
            images = env.reset(every.tolist()).get("image")
            keys = self._keys(env.privileged(), images)
            nothing = np.full(len(levels), -1)
            self._archive.add(keys, every, np.zeros(len(levels)), np.zeros_like(every), nothing, env.take_places(every))
            env.close()
        return self._archive

    def _return(self, archive: CellArchive, env: PlaceableEnv, where: Array, t: int) -> Obs:
        """Put some environments into states of cells that are drawn, or on the way there; what all show then."""
        runs, rows = self._runs, archive.choose(len(where), self._rng)
        runs.row[where], runs.explored[where] = rows, 0
        if self._follower is not None:
            self._follower.set_out(where, [archive.chain(piece) for piece in archive.piece_of(rows).tolist()])
            rows = archive.level_of(rows)  # the first cells are the beginnings of levels
        runs.level[where], runs.piece[where] = archive.level_of(rows), archive.piece_of(rows)
        runs.score[where], runs.steps[where], runs.since[where] = archive.score_of(rows), archive.steps_of(rows), t
        return env.put_places(where, archive.places.get(rows))

    def _note(
        self, archive: CellArchive, env: PlaceableEnv, actions: Array, paid: Array, t: int, where: Array, keys: Array
    ) -> None:
        """Take in the cells in which environments `where` are: new ones, and those that were reached by better ways."""
        runs = self._runs
        keys, levels, score, steps = keys[where], runs.level[where], runs.score[where], runs.steps[where]
        rows = archive.rows(keys, levels)
        best: dict[tuple[int, int], int] = {}  # of each cell that several reach, the one with the best way
        for k, (key, level, row) in enumerate(zip(keys.tolist(), levels.tolist(), rows, strict=True)):
            if row is None or archive.is_better(score[k], steps[k], row):
                other = best.get((key, level))
                if other is None or (score[k], -steps[k]) > (score[other], -steps[other]):
                    best[key, level] = k
        known = np.array([row for row in rows if row is not None], dtype=np.int64)
        archive.count(known)
        fresh = np.array([k for k in best.values() if rows[k] is None], dtype=np.int64)
        better = np.array([k for k in best.values() if rows[k] is not None], dtype=np.int64)
        for chosen in (fresh, better):
            if not chosen.size:
                continue
            envs = where[chosen]
            for i in envs.tolist():
                self._add_pieces(archive, actions, paid, i, t)
            pieces, places = runs.piece[envs], env.take_places(envs)
            if chosen is fresh:
                archive.add(keys[chosen], levels[chosen], score[chosen], steps[chosen], pieces, places)
            else:
                known = np.array([rows[k] for k in chosen.tolist()])
                archive.improve(known, score[chosen], steps[chosen], pieces, places)

    def _add_pieces(self, archive: CellArchive, actions: Array, paid: Array, i: int, t: int) -> None:
        """Keep what environment i did up to step t: one piece, or, for a policy to follow, one for each cell."""
        runs, follower = self._runs, self._follower
        for end in [t] if follower is None else follower.entered(i, int(runs.since[i]), t):
            done = slice(runs.since[i], end + 1)
            piece = archive.new_piece(int(runs.piece[i]), actions[done, i], paid[done, i])
            runs.piece[i], runs.since[i] = piece, end + 1
            if follower is not None:
                follower.remember(int(runs.piece[i]), i, end)

    def _paid(
        self, archive: CellArchive, actions: Array, paid: Array, i: int, levels: Sequence[int], ended: bool
    ) -> None:
        """Keep the way of environment i, whose last step was paid, if its level had none or a worse one."""
        runs = self._runs
        level, score, steps = int(runs.level[i]), float(runs.score[i]), int(runs.steps[i])
        best = self._best.get(level)
        if best is None or (score, -steps) > (_score(best), -len(best.action)):
            piece, latest = int(runs.piece[i]), slice(runs.since[i], None)
            way = np.concatenate([archive.way(piece), actions[latest, i].astype(np.int64)])
            reward = np.concatenate([archive.paid(piece), paid[latest, i]])
            self._best[level] = Trail(int(levels[level]), way, reward, ended)
        if ended:
            self._solved.add(level)
            if self._options.explore_until == "solved":
                archive.open[level] = False

    def _drawn(self, last: Array | None, count: int) -> Array:
        assert self._spec.action.n is not None
        drawn: Array = self._rng.integers(self._spec.action.n, size=count)
        if last is None or not self._options.explore_repeat:
            return drawn
        return np.where(self._rng.random(count) < self._options.explore_repeat, last, drawn)

    def _keys(self, facts: dict[str, Array], images: Array | None) -> Array:
        """Cells of all environments, int64 [N]."""
        if self._cell is not None:
            return facts[self._cell]
        assert images is not None
        if self._options.cell_channels is not None:
            images = images[..., -self._options.cell_channels :]
        high = self._spec.obs["image"].high
        return downscaled_keys(images, self._options.cell_blocks, self._options.cell_depth, high)


class _Runs:
    """N explorations under way; arrays [N].

    level. piece: the last piece of the way. since: the step of the round at which the next one begins. steps: of the
    episode. row: the cell that was chosen. explored: steps of the exploration itself. score: of the episode.
    """

    def __init__(self, num_envs: int) -> None:
        self.level, self.piece, self.since, self.steps, self.row, self.explored = np.zeros((6, num_envs), np.int64)
        self.score = np.zeros(num_envs)

    def state_dict(self) -> State:
        return {name: torch.from_numpy(array.copy()) for name, array in vars(self).items()}

    def load_state_dict(self, state: State) -> None:
        for name, array in state.items():
            setattr(self, name, array.numpy().copy())


class _Robustification:
    """The curriculum of phase 2; in phase 1 it has no trails yet."""

    assumes: frozenset[str] = frozenset({"state_restore", "fixed_level"})
    metrics: tuple[str, ...] = METRICS

    def __init__(self, options: BackwardOptions, rng: np.random.Generator) -> None:
        self._options, self._rng = options, rng
        self._trails: tuple[Trail, ...] = ()
        self._starts = BackwardStarts(options, (), rng)

    def follow(self, trails: Sequence[Trail]) -> None:
        self._trails = tuple(trails)
        self._starts = BackwardStarts(self._options, self._trails, self._rng)

    def trails(self) -> tuple[Trail, ...]:
        return self._trails

    def propose(self, count: int) -> tuple[Array, Array]:
        return self._starts.propose(count)

    def feedback(self, ended: Outcomes) -> None:
        self._starts.feedback(ended)

    def update(self, progress: float) -> Metrics:
        return self._starts.update(progress) if self._trails else {}

    def state_dict(self) -> State:
        return {"trails": [_trail_state(trail) for trail in self._trails], "starts": self._starts.state_dict()}

    def load_state_dict(self, state: State) -> None:
        self.follow([_trail_of(trail) for trail in state["trails"]])
        self._starts.load_state_dict(state["starts"])


def _trail_state(trail: Trail) -> State:
    return {
        "level": trail.level, "action": torch.from_numpy(trail.action.copy()),
        "reward": torch.from_numpy(trail.reward.copy()), "ends": trail.ends,
    }  # fmt: skip


def _trail_of(state: State) -> Trail:
    return Trail(
        state["level"], state["action"].numpy().copy(), state["reward"].numpy().copy(), state.get("ends", True)
    )


def _score(trail: Trail) -> float:
    return float(trail.reward.sum(dtype=np.float64))
