"""Draws orders of jobs, and learns from a solver that completes its schedules from a random step on

Paper: Tassel, Gebser and Schekotihin 2023, An end-to-end reinforcement learning approach for job-shop scheduling
problems based on constraint programming (arXiv:2306.05747)
Assumes: privileged

It plays `env=jobshop`. When a decision is due it draws an order of all jobs and of waiting, without replacement: each
job that still can start does, and waiting ends the decision. The logits of a decision stay until time goes on; drawing
of them only what is allowed, one after the other, is the same as drawing a whole order and passing over the rest.

All whole episodes of a rollout are cut at one random step, or at the next decision after it, and an exact solver
completes what was begun (`maths.shop_floor`), in training alone. Two rounds of a clipped surrogate follow, without a
critic. The first is of what follows the cut: the solver's actions have as their advantage by how much it is better than
the policy was, and the policy's own have minus that. The second is of what comes before: the makespan of the completed
schedule is its cost. Rewards are not read.

The paper plays an instance several times, and has makespans to scale within it. Here they are told as shares of what
the solver reaches from the beginning, and have one scale in a rollout: with one instance (`env=ft06`, `env.levels=1`)
that is the same. An order counts as likely as what was played of it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch

from rewardlab.agents.base import BaseAgent
from rewardlab.agents.reading import check_widths
from rewardlab.errors import Diverged, UserError
from rewardlab.facts import STANDING
from rewardlab.maths import distributions, job_shop, shop_floor
from rewardlab.maths.losses import clipped_policy_loss
from rewardlab.networks.actor_critic import ActorCritic
from rewardlab.networks.adam import Adam
from rewardlab.schemas import AgentConfig, option
from rewardlab.types import (
    CANDIDATES,
    MASK,
    ActOutput,
    Array,
    Assessment,
    BuildContext,
    Metrics,
    Rollout,
    Signals,
    StreamSpec,
    TensorObs,
)

VERSION = 1
_OWN = 2  # numbers of the recurrent state behind the logits: the job that was started, and how long it takes
_NONE = -1.0  # how long waiting takes


@dataclass
class Config(AgentConfig):
    rollout_steps: int = option(256, "steps of each environment between updates: several whole episodes", above=0)
    epochs: int = option(20, "passes over each of the two rounds, at most", above=0)
    minibatch_size: int = option(256, "steps of a gradient step, about", above=0)
    learning_rate: float = option(2e-4, "Adam's step size", above=0)
    clip: float = option(0.3, "how far the probability ratio may move before it stops to pay", above=0)
    kl_stop: float = option(0.01, "a round ends where the policy has moved farther, in nats on average", above=0)
    hidden: list[int] = option([64, 64], "widths of the layers")

    def validate(self) -> None:
        check_widths("hidden", self.hidden)

    def privileged(self) -> tuple[str, ...]:
        return (STANDING,)


class Samples(NamedTuple):
    """B steps to learn from. obs: each entry [B, ...], of the decision, but for `MASK`, which is the step's. action,
    advantage: [B].
    """

    obs: TensorObs
    action: torch.Tensor
    advantage: torch.Tensor


class Agent(BaseAgent):
    """See `update` for one iteration."""

    learns_from = "on_policy"
    obeys_masks = True
    reads_rewards = False
    assumes = frozenset({"privileged"})
    stateful = ("network", "optimiser")
    acts_by = "network"
    metrics = ("loss/suffix", "loss/prefix", "explore/completed", "explore/improvement")

    def __init__(self, config: Config, context: BuildContext, streams: tuple[StreamSpec, ...]) -> None:
        """Raises:
        UserError: it is no job shop, it is too large to be solved, a rollout may hold no whole episode, or a scheme
            pays beside the task.
        """
        if len(streams) > 1:
            raise UserError(f"agent={config.name}: learns from makespans alone; use reward=none and curriculum=none")
        spec = context.spec
        shape, shown = spec.fact_shapes.get(STANDING), spec.obs.get("vector")
        fits = shape is not None and shown is not None and MASK in spec.obs and set(spec.obs) <= _READ
        if shape is not None:
            jobs, machines = shape[0] - 1, shape[1] // 2 - 1
            fits = fits and shown is not None and shown.shape == (shop_floor.width(jobs, machines),)
        if shape is None or not fits or spec.max_steps is None or spec.action.n is None:
            raise UserError(f"agent={config.name}: schedules jobs, which {spec.id} has not; use env=jobshop")
        if jobs * machines > job_shop.MOST_SOLVED:
            raise UserError(
                f"agent={config.name}: a solver completes what was begun, which takes long with {jobs * machines}"
                f" operations; at most {job_shop.MOST_SOLVED}"
            )
        if config.rollout_steps < spec.max_steps:
            raise UserError(
                f"agent.rollout_steps={config.rollout_steps}: only whole episodes are learned from, and one of"
                f" {spec.id} may take {spec.max_steps} steps; use more"
            )
        self.config, self._jobs, self._machines = config, jobs, machines
        self._described, self._device = CANDIDATES in spec.obs, context.device
        self.rollout_steps = config.rollout_steps
        self._generator, self._rng = context.generator, context.numpy_rng
        self.network = ActorCritic(  # its critic is not used
            spec.obs, spec.action, 1, context.generator, network="mlp", encoding="raw", shared=[], hidden=config.hidden
        ).to(context.device)
        self.optimiser = Adam(self.network.parameters(), config.learning_rate)

    def initial_state(self, num_envs: int) -> torch.Tensor:
        """The logits of the running decision, the job that was started last, and its duration as it is seen."""
        state = torch.zeros(num_envs, self._jobs + 1 + _OWN, device=self._device)
        state[:, -1] = _NONE
        return state

    @torch.no_grad()
    def act(
        self, obs: TensorObs, state: torch.Tensor | None, first: torch.Tensor, mode: str, rng: torch.Generator
    ) -> ActOutput:
        assert state is not None
        started = state[:, -2:]
        goes_on = self._goes_on(obs["vector"], started[:, 0].long(), started[:, 1]) & ~first
        logits = torch.where(goes_on[:, None], state[:, :-_OWN], self._logits(obs))
        dist = {"logits": distributions.allowed(logits, obs.get(MASK))}
        action = distributions.mode(dist) if mode == "greedy" else distributions.sample(dist, rng)
        job, duration = self._started(obs["vector"], action)
        return ActOutput(action, torch.cat([logits, job[:, None].to(logits), duration[:, None]], dim=1))

    @torch.no_grad()
    def assess(self, rollout: Rollout) -> Assessment:
        """Values are 0: there is no critic."""
        assert rollout.agent_state0 is not None
        obs = {name: entry.flatten(0, 1) for name, entry in rollout.obs.items()}
        fresh = self._logits(obs).view(*rollout.action.shape, -1)
        goes_on = self._all_going_on(rollout)
        logits, running = [], rollout.agent_state0[:, :-_OWN]
        for t in range(rollout.steps):
            running = torch.where(goes_on[t, :, None], running, fresh[t])
            logits.append(running)
        dist = {"logits": distributions.allowed(torch.stack(logits), rollout.obs.get(MASK))}
        values = torch.zeros(rollout.steps + 1, rollout.num_envs, 1, device=self._device)
        return Assessment(distributions.log_prob(dist, rollout.action), dist, values, values[1:].clone())

    def value(self, obs: TensorObs, state: torch.Tensor | None) -> torch.Tensor:
        return torch.zeros(obs["vector"].shape[0], 1, device=self._device)

    def update(self, rollout: Rollout, signals: Signals, progress: float) -> Metrics:
        """Cut the whole episodes, have them completed, and learn of what follows the cut, then of what comes before.

        Raises:
            Diverged: the loss is not finite.
        """
        goes_on = self._all_going_on(rollout)
        decision = _decisions(goes_on)
        env, begin, end = _whole_episodes(rollout)
        if not len(env):
            return {}
        step = int(self._rng.integers(1, max(2, int((end - begin).max()) + 1)))
        cut = np.array([_cut(decision[:, n], b + step, e) for n, b, e in zip(env, begin, end, strict=True)])
        here, there = rollout.current_privileged[STANDING].cpu().numpy(), rollout.privileged[STANDING].cpu().numpy()
        own = shop_floor.of_table(there[end, env])["job_free"].max(axis=1)
        best = np.array([_optimum(each) for each in here[begin, env]])
        makespan, parted = own.copy(), np.flatnonzero(cut <= end)
        metrics: Metrics = {}
        if len(parted):
            done = shop_floor.completion(shop_floor.of_table(here[cut[parted], env[parted]]), self._described)
            makespan[parted] = done.makespan
            gain = (own - makespan)[parted] / best[parted]
            metrics["explore/improvement"] = float(gain.mean())
            if np.ptp(gain) > 0:
                scaled = (gain - gain.min()) / np.ptp(gain)
                steps = _steps(cut[parted], end[parted] + 1, env[parted], -scaled)
                followed = _joined(self._solved(done, scaled), self._played(rollout, decision, *steps))
                metrics["loss/suffix"] = self._learn(followed)
        cost = makespan / best
        metrics["explore/completed"] = float(cost.mean())
        if cost.std() > 0:
            steps = _steps(begin, cut, env, -(cost - cost.mean()) / cost.std())
            metrics["loss/prefix"] = self._learn(self._played(rollout, decision, *steps))
        return metrics

    def _learn(self, samples: Samples) -> float:
        """A round: the mean loss of its gradient steps."""
        with torch.no_grad():
            before = self._dist(samples.obs)
            log_prob = distributions.log_prob(before, samples.action)
        losses: list[float] = []
        for _ in range(self.config.epochs):
            for chosen in self._minibatches(len(log_prob)):
                now = self._dist({name: entry[chosen] for name, entry in samples.obs.items()})
                ratio = (distributions.log_prob(now, samples.action[chosen]) - log_prob[chosen]).exp()
                loss = clipped_policy_loss(ratio, samples.advantage[chosen], self.config.clip)
                losses.append(float(loss.detach()))
                if not math.isfinite(losses[-1]):
                    raise Diverged(f"gradient step {self._updates}: loss {losses[-1]:g}")
                self.optimiser.descend(loss)
                self._updates += 1
            with torch.no_grad():
                moved = distributions.kl_divergence(before, self._dist(samples.obs)).mean()
            if float(moved) > self.config.kl_stop:
                break
        return float(np.mean(losses))

    def _minibatches(self, count: int) -> Iterator[torch.Tensor]:
        pieces = max(1, round(count / self.config.minibatch_size))
        yield from torch.randperm(count, generator=self._generator).to(self._device).tensor_split(pieces)

    def _logits(self, obs: TensorObs) -> torch.Tensor:
        """Of all jobs and of waiting, allowed or not, [B, J + 1]."""
        return self._dist({name: entry for name, entry in obs.items() if name != MASK})["logits"]

    def _dist(self, obs: TensorObs) -> TensorObs:
        prepared = self.network.prepare(obs)
        features, _ = self.network.features(prepared)
        return self.network.distribution(features, prepared)

    def _started(self, vector: torch.Tensor, action: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The job that an action starts, int64 [...], and its duration as it is seen; `_NONE` of waiting."""
        job = action.clamp(max=self._jobs - 1)
        return job, torch.where(action < self._jobs, self._seen(vector, job, 2), _NONE)

    def _goes_on(self, vector: torch.Tensor, job: torch.Tensor, duration: torch.Tensor) -> torch.Tensor:
        """Whether time stands still since a job was started: it still takes as long as it does, bool [...]."""
        return self._seen(vector, job, 0) == duration

    def _seen(self, vector: torch.Tensor, job: torch.Tensor, column: int) -> torch.Tensor:
        """Of the numbers that are seen of a job: 0, in how long it can go on; 2, how long its next operation takes."""
        each = 2 + self._machines * (1 + self._machines)
        return vector.gather(-1, (job * each + column).unsqueeze(-1)).squeeze(-1)

    def _all_going_on(self, rollout: Rollout) -> torch.Tensor:
        """Whether steps belong to the decision before, bool [T, N]."""
        assert rollout.agent_state0 is not None
        job, duration = self._started(rollout.obs["vector"], rollout.action)
        began = rollout.agent_state0[:, -2:]
        job = torch.cat([began[None, :, 0].long(), job[:-1]])
        duration = torch.cat([began[None, :, 1], duration[:-1]])
        return self._goes_on(rollout.obs["vector"], job, duration) & ~rollout.first

    def _played(self, rollout: Rollout, decision: Array, time: Array, env: Array, advantage: Array) -> Samples:
        t, n, of = (self._tensor(each) for each in (time, env, decision[time, env]))
        obs = {name: entry[t if name == MASK else of, n] for name, entry in rollout.obs.items()}
        return Samples(obs, rollout.action[t, n], self._tensor(advantage).float())

    def _solved(self, done: shop_floor.Completion, advantage: Array) -> Samples:
        """The solver's steps, as the policy would have met them."""
        shown = {name: self._tensor(entry) for name, entry in done.obs.items()}
        job, duration = self._started(shown["vector"], self._tensor(done.action))
        goes_on = self._goes_on(shown["vector"][1:], job[:-1], duration[:-1])
        decision = _decisions(torch.cat([torch.zeros_like(job[:1], dtype=torch.bool), goes_on]))
        time, which = np.nonzero(done.live)
        t, n, of = (self._tensor(each) for each in (time, which, decision[time, which]))
        obs = {name: entry[t if name == MASK else of, n] for name, entry in shown.items()}
        action = self._tensor(done.action[time, which])
        return Samples(obs, action, self._tensor(advantage[which]).float())

    def _tensor(self, array: Array) -> torch.Tensor:
        return torch.from_numpy(np.ascontiguousarray(array)).to(self._device)


_READ = {"vector", MASK, CANDIDATES}


def _decisions(goes_on: torch.Tensor) -> Array:
    """The step in which the decision of each step began, int64 [T, N]; -1 where that was before all of them."""
    began = np.where(goes_on.cpu().numpy(), -1, np.arange(len(goes_on))[:, None])
    found: Array = np.maximum.accumulate(began, axis=0)
    return found


def _whole_episodes(rollout: Rollout) -> tuple[Array, Array, Array]:
    """Their environments, first and last steps, int64 [E] each: of those that ended by themselves."""
    first = np.where(rollout.first.cpu().numpy(), np.arange(rollout.steps)[:, None], -1)
    begin = np.maximum.accumulate(first, axis=0)
    end, env = np.nonzero(rollout.terminated.cpu().numpy() & (begin >= 0))
    return env, begin[end, env], end


def _cut(decision: Array, at: int, end: int) -> int:
    """The first step from `at` on that begins a decision, or `end` + 1."""
    later = np.arange(at, end + 1)
    begins = later[decision[at : end + 1] == later]
    return int(begins[0]) if len(begins) else end + 1


def _steps(begin: Array, stop: Array, env: Array, advantage: Array) -> tuple[Array, Array, Array]:
    """All steps of E stretches [begin, stop): their times and environments, and the advantages of the stretches."""
    count = np.maximum(stop - begin, 0)
    which = np.repeat(np.arange(len(env)), count)
    time = np.arange(len(which)) - np.repeat(np.cumsum(count) - count, count) + begin[which]
    return time, env[which], advantage[which]


def _optimum(told: Array) -> int:
    """The least makespan of a shop from the beginning."""
    floor = shop_floor.of_table(told[None])
    return job_shop.completed(job_shop.Shop(floor["machine"][0], floor["duration"][0]))[0]


def _joined(left: Samples, right: Samples) -> Samples:
    obs = {name: torch.cat([entry, right.obs[name]]) for name, entry in left.obs.items()}
    return Samples(obs, torch.cat([left.action, right.action]), torch.cat([left.advantage, right.advantage]))
