"""A goal-conditioned policy that walks to a cell of Go-Explore's archive, along the cells of the way that led there

Paper: Ecoffet et al. 2021, First return, then explore (Nature 590, arXiv:2004.12919), "Policy-based Go-Explore"

The goal is the next cell of the way: what was seen there and, unless cells are views, where it lies. Coming upon it, or
upon a later one among the next `goal_window`, pays 1 for each cell of the way that is behind it then; the trip ends at
the last cell, or after `patience` steps without pay. PPO learns from the steps of trips alone: the random ones that
explore at their ends are none of the policy's. A trip goes on from one round of learning to the next. The paper's
policy also imitates the ways (SIL), sees goals as numbers of cells, explores by itself half of the time, and grows
impatient by how long the way took before.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import torch

from rewardlab.agents.on_policy import ppo
from rewardlab.errors import UserError
from rewardlab.maths.goals import agent_places, offsets
from rewardlab.parts.archives.place_store import grown
from rewardlab.schemas import option
from rewardlab.types import Array, BuildContext, Metrics, Obs, ObsSpec, Rollout, Signals, State, StreamSpec, TensorObs

_PLACE = 6  # numbers: how far ahead and to the right, and the turn that leads to its direction, one-hot
_REACH = 8.0  # cells that are shown as 1


@dataclass
class FollowingOptions(ppo.Config):
    return_by: str = option(
        "state",
        "how cells are returned to: their state is restored, or a policy that learns it walks there",
        choices=("state", "policy"),
        neutral="state",
    )
    return_steps: int = option(
        128, "return_by=policy: steps of each environment between its updates", above=0, neutral=128
    )
    goal_window: int = option(10, "return_by=policy: cells of the way of which any may come next", above=0, neutral=10)
    patience: int = option(
        30, "return_by=policy: steps without coming nearer until a return is given up", above=0, neutral=30
    )

    def validate(self) -> None:
        super().validate()
        if self.return_by == "policy" and self.memory != "none":
            raise ValueError(f"memory={self.memory}: return_by=policy learns from pieces of episodes; use none")


class WayFollower:
    """N trips under way, the policy that makes them, and what it will learn from.

    Args:
        located: whether the fact `grid` tells where goals lie.
    """

    def __init__(self, options: FollowingOptions, context: BuildContext, located: bool) -> None:
        spec = context.spec
        if "image" not in spec.obs or "goal" in spec.obs:
            raise UserError(
                f"agent.return_by=policy: {spec.id} shows no image, or goals of its own; use return_by=state"
            )
        self._options, self._generator, self._located = options, context.generator, located
        self._device = context.device
        image = spec.obs["image"]
        self._high, self._pixels = image.high, math.prod(image.shape)
        goal = ObsSpec((self._pixels + (_PLACE if located else 0),), "float32")
        shown = replace(context, spec=replace(spec, obs={**spec.obs, "goal": goal}))
        alone = replace(
            options,
            demos=None,
            demos_episodes=None,
            demos_levels=None,
            pretrain="none",
            concurrent="none",
            bootstrap_truncation=True,  # what is cut is cut by the end of a round
        )
        self.policy = ppo.Agent(alone, shown, (StreamSpec("task", context.gamma),))
        self._keys: Array = np.zeros(1, dtype=np.int64)  # of each piece of a way: the cell at its end
        self._images: Array = np.zeros((1, self._pixels), dtype=np.uint8)  # what is seen there
        self._places: Array = np.zeros((1, 2), dtype=np.int64)  # cell number and direction
        self._known = 0
        # Of each trip: its pieces, how many they are, which is next, and the steps since the last pay.
        self._way: Array = np.full((context.num_envs, 1), -1)
        self._length, self._at, self._waited = np.zeros((3, context.num_envs), dtype=np.int64)
        self.begin(0)

    def begin(self, steps: int) -> None:
        """A round of as many steps follows."""
        self._steps: list[tuple[TensorObs, Array]] = []
        shape = (steps, len(self._way))
        self._active, self._over, self._entered = np.zeros((3, *shape), dtype=bool)
        self._paid = np.zeros(shape, dtype=np.float32)
        self._met_keys = np.zeros(shape, dtype=np.int64)
        self._met_images = np.zeros((*shape, self._pixels), dtype=np.uint8)
        self._met_places = np.zeros((*shape, 2), dtype=np.int64)
        self._trips = self._arrived = 0

    def meet(self, before: Array, keys: Array, images: Array, grids: Array | None) -> None:
        """What the latest step led to, in each of N environments; `before` are the cells that it led from."""
        t = len(self._steps) - 1
        self._entered[t] = keys != before
        self._met_keys[t], self._met_images[t] = keys, images.reshape(len(keys), -1)
        if grids is not None:
            self._met_places[t] = np.stack(agent_places(grids), axis=1)

    def entered(self, env: int, since: int, until: int) -> list[int]:
        """The steps of this round, from `since` to `until`, that led to another cell; the last of them in any case."""
        times: list[int] = (since + np.flatnonzero(self._entered[since:until, env])).tolist()
        return [*times, until]

    def remember(self, piece: int, env: int, t: int) -> None:
        """A new piece, whose number follows those before, ends where step t of this round led."""
        self._known = piece + 1
        self._keys, self._images = (
            grown(self._keys, self._known, self._keys),
            grown(self._images, self._known, self._images),
        )
        self._places = grown(self._places, self._known, self._places)
        self._keys[piece], self._images[piece] = self._met_keys[t, env], self._met_images[t, env]
        self._places[piece] = self._met_places[t, env]

    def set_out(self, where: Array, ways: list[list[int]]) -> None:
        """Environments `where` stand at the beginnings of ways, lists of pieces; some may be there already."""
        longest = max((len(way) for way in ways), default=0)
        if longest > self._way.shape[1]:
            more = np.full((len(self._way), 2 * longest - self._way.shape[1]), -1)
            self._way = np.concatenate([self._way, more], axis=1)
        for i, way in zip(where.tolist(), ways, strict=True):
            self._way[i] = -1
            self._way[i, : len(way)] = way
            self._length[i] = len(way)
        self._at[where], self._waited[where] = 0, 0

    @property
    def away(self) -> Array:
        """bool [N]: whose trip is not over."""
        return self._at < self._length

    def act(self, obs: Obs, grids: Array | None) -> Array:
        """The policy's actions, int64 [N]; those of environments that are not away count for nothing."""
        seen = self._seen(obs, grids)
        first = torch.zeros(len(self._at), dtype=torch.bool, device=self._device)
        output = self.policy.act(seen, None, first, "explore", self._generator)
        action = output.action.cpu().numpy()
        self._active[len(self._steps)] = self.away
        self._steps.append((seen, action))
        return action

    def judge(self, keys: Array, ended: Array) -> Array:
        """Pay the step that led to the cells `keys`, int64 [N]; bool [N]: whose trip failed, with its episode or not.

        Args:
            ended: bool [N], where an episode did.
        """
        t, away = len(self._steps) - 1, self.away
        ahead = self._at[:, None] + np.arange(self._options.goal_window)
        pieces = np.take_along_axis(self._way, np.minimum(ahead, self._way.shape[1] - 1), axis=1)
        there = (ahead < self._length[:, None]) & (self._keys[pieces] == keys[:, None]) & away[:, None]
        came = there.any(axis=1)
        farthest = there.shape[1] - 1 - there[:, ::-1].argmax(axis=1)
        self._at += np.where(came, farthest + 1, 0)
        self._waited = np.where(came, 0, self._waited + 1)
        failed = self.away & (ended | (self._waited >= self._options.patience))
        arrived = away & ~self.away
        self._paid[t], self._over[t] = np.where(came, farthest + 1, 0), failed | arrived
        self._length[failed] = 0
        self._trips += int(failed.sum() + arrived.sum())
        self._arrived += int(arrived.sum())
        return failed

    def learn(self, obs: Obs, grids: Array | None, progress: float) -> Metrics:
        """A round of PPO on the trips' steps, those of each trip in a row; `obs` and `grids` follow the last step."""
        env, t = np.nonzero(self._active.T)
        metrics = {"explore/returned": self._arrived / self._trips} if self._trips else {}
        if not len(env):
            return metrics
        stacked = {name: torch.stack([seen[name] for seen, _ in self._steps]) for name in self._steps[0][0]}
        over = torch.from_numpy(self._over[t, env]).to(self._device)
        cut = torch.from_numpy((t == len(self._steps) - 1) & ~self._over[t, env]).to(self._device)
        first = torch.from_numpy(np.concatenate([[True], self._over[t, env][:-1] | (t[1:] != t[:-1] + 1)])).to(
            self._device
        )
        action = torch.from_numpy(np.stack([action for _, action in self._steps])[t, env]).to(self._device)
        rows = {name: entry[t, env] for name, entry in stacked.items()}
        nothing = torch.zeros_like(over).unsqueeze(1)
        rollout = Rollout(
            obs={name: entry.unsqueeze(1) for name, entry in rows.items()},
            next_obs={name: entry.unsqueeze(1) for name, entry in rows.items()},  # not read
            action=action.unsqueeze(1),
            task_reward=torch.from_numpy(self._paid[t, env]).to(self._device).unsqueeze(1),
            terminated=over.unsqueeze(1),
            truncated=cut.unsqueeze(1),
            success=nothing,
            first=first.unsqueeze(1),
            last_obs={name: entry[-1:] for name, entry in rows.items()},
            last_first=nothing[0],
            agent_state0=None,
            progress=progress,
        )
        rollout.take(self.policy.assess(rollout))
        if bool(cut.any()):
            last = self._seen(obs, grids)
            rollout.final_values[cut] = self.policy.value(
                {name: e[env[cut.cpu().numpy()]] for name, e in last.items()}, None
            ).unsqueeze(1)
        return metrics | self.policy.update(rollout, Signals({"task": rollout.task_reward}), progress)

    def state_dict(self) -> State:
        """Between rounds."""
        kept = {"keys": self._keys, "images": self._images, "places": self._places}
        ends = {name: torch.from_numpy(array[: max(self._known, 1)].copy()) for name, array in kept.items()}
        trips = {"way": self._way, "length": self._length, "at": self._at, "waited": self._waited}
        under_way = {name: torch.from_numpy(array.copy()) for name, array in trips.items()}
        return {"policy": self.policy.state_dict(), "ends": ends, "known": self._known, "trips": under_way}

    def load_state_dict(self, state: State) -> None:
        self.policy.load_state_dict(state["policy"])
        ends = {name: entry.numpy().copy() for name, entry in state["ends"].items()}
        self._keys, self._images, self._places = ends["keys"], ends["images"], ends["places"]
        self._known = state["known"]
        trips = {name: entry.numpy().copy() for name, entry in state["trips"].items()}
        self._way, self._length = trips["way"], trips["length"]
        self._at, self._waited = trips["at"], trips["waited"]

    def _seen(self, obs: Obs, grids: Array | None) -> TensorObs:
        """Observations with the goals of now, copied; those of nobody away are zero."""
        away = self.away
        goal = np.zeros((len(away), self._pixels + (_PLACE if self._located else 0)), dtype=np.float32)
        i = np.flatnonzero(away)
        if i.size:
            piece = self._way[i, self._at[i]]
            goal[i, : self._pixels] = self._images[piece] / np.float32(self._high)
            if grids is not None:
                cell, direction = self._places[piece].T
                goal[i, self._pixels : self._pixels + 2] = offsets(grids[i], cell) / _REACH
                turn = (direction - agent_places(grids[i])[1]) % 4
                goal[i, self._pixels + 2 + turn] = 1.0
        return {name: torch.from_numpy(entry.copy()).to(self._device) for name, entry in (obs | {"goal": goal}).items()}
