"""Adversarial Surprise: two PPO learners take turns in one body, the one to seek surprise, the other to end it

Paper: Fickinger et al. 2021, Explore and control with adversarial surprise (arXiv:2107.07394)

Explore moves for turn_steps steps, Control for as many, and so on until the episode ends. In the second half of its
turns Control is paid log p of the view that each step leads to, by the views counted so far, and the view is then
counted; the counts are forgotten with the episode. Explore is paid on the last step of a turn, minus what Control is
paid in the next one. Control's rewards are divided by the running standard deviation of their discounted sum first.

Both see the view, the share of every class at every place of it among the views counted, and how many those are. Each
learns from its own steps, one after the other, until the episode ends. A turn is learned from once the learner's next
one begins or the episode ends; until then its steps wait, across rollouts. The end of an episode is an end to both, a
time limit too. What reward schemes pay, the task first, is paid to both for their own steps; where there is no task,
the surprise is all. Evaluations play the two in turns likewise.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import torch

from rewardlab.agents.base import BaseAgent
from rewardlab.agents.on_policy import ppo
from rewardlab.errors import UserError
from rewardlab.maths.distinct import tell_apart
from rewardlab.maths.turns import Turns, next_own, paid_back, played_by, turns_of
from rewardlab.parts.memories.view_counts import ViewCounts
from rewardlab.parts.moments.return_filter import ReturnFilter
from rewardlab.schemas import option
from rewardlab.types import (
    ActOutput,
    Assessment,
    BuildContext,
    DistinctObservations,
    Metrics,
    ObsSpec,
    Rollout,
    Signals,
    State,
    StreamSpec,
    TensorObs,
)

VERSION = 1
PLAYERS = ("explore", "control")
EXPLORE, CONTROL = range(2)
_SURPRISE = "surprise"  # the stream beside those of the run
_VIEW, _BESIDE = "image", "vector"  # where the view is in observations, and what is added to


@dataclass
class Config(ppo.Config):
    turn_steps: int = option(32, "steps of a turn; Explore has the first one of an episode", minimum=2)
    classes: int = option(12, "classes of each number of the view: more than the largest", above=1)
    floor: float = option(1e-3, "no class is less likely than this", above=0, maximum=1)
    rollout_steps: int = option(128, "steps of each environment between updates", above=0)
    epochs: int = option(4, "passes over what is learned from", above=0)
    learning_rate: float = option(3e-4, "Adam's step size", above=0)
    bootstrap_truncation: bool = option(False, "a time limit is an end here: it can't be true")

    def validate(self) -> None:
        super().validate()
        refused = {
            "memory=gru": (self.memory == "gru", "turns are learned from step by step"),
            "bootstrap_truncation=true": (self.bootstrap_truncation, "the counts end with the episode"),
            "normalise_reward=true": (bool(self.normalise_reward), "what the two pay each other is to scale already"),
            "pretrain=bc": (self.pretrain != "none", "two learners have no demonstrations of their own"),
            "concurrent=bc": (self.concurrent != "none", "two learners have no demonstrations of their own"),
        }
        for given, (wanted, why) in refused.items():
            if wanted:
                raise ValueError(f"{given}: {why}; leave it out")


class Agent(BaseAgent):
    """See `update` for one iteration. Values of a step are those of the learner whose turn it is."""

    learns_from = "on_policy"
    stateful = (*PLAYERS, "_scale", "_waiting")

    def __init__(self, config: Config, context: BuildContext, streams: tuple[StreamSpec, ...]) -> None:
        view = context.spec.obs.get(_VIEW)
        _check(config, context, view)
        assert view is not None
        self.config, self._device, self._streams = config, context.device, streams
        self.rollout_steps = config.rollout_steps
        self._counts = ViewCounts(view.shape, config.classes, config.turn_steps, config.floor)
        # Streams end with the episode: beyond it are steps of other episodes, which the other learner began.
        own = (*(replace(stream, episodic=True) for stream in streams), StreamSpec(_SURPRISE, config.gamma))
        learner_context = replace(context, num_envs=1, spec=replace(context.spec, obs=self._obs_spec(context)))
        # What is cut within an episode is valued; ends of episodes are marked as terminations.
        options = replace(config, bootstrap_truncation=True, normalise_reward=False)
        self.explore, self.control = (ppo.Agent(options, learner_context, own) for _ in PLAYERS)
        self._learners = (self.explore, self.control)
        self._scale = ReturnFilter(context.num_envs, config.gamma, context.device)
        self._waiting = Waiting(context.device)
        self.metrics = (
            *(_named(name, player) for player in PLAYERS for name in self.explore.metrics),
            "surprise/control_mean",
            "surprise/scale",
        )
        self._latest: tuple[Rollout, Unrolled] | None = None  # what was assessed, for the update that follows

    def initial_state(self, num_envs: int) -> torch.Tensor:
        return self._counts.initial(num_envs, self._device)

    def act(
        self, obs: TensorObs, state: torch.Tensor | None, first: torch.Tensor, mode: str, rng: torch.Generator
    ) -> ActOutput:
        assert state is not None
        state = self._counts.arrived(state, obs[_VIEW], first)
        seen, player = self._seen(obs, self._counts.shown(state)), self._player(self._counts.steps(state))
        action = torch.zeros(len(player), dtype=torch.int64, device=self._device)
        for turn, learner in enumerate(self._learners):
            rows = (player == turn).nonzero()[:, 0]
            if len(rows):
                mine = {name: entry[rows] for name, entry in seen.items()}
                action[rows] = learner.act(mine, None, first[rows], mode, rng).action
        return ActOutput(action, self._counts.left(state))

    @torch.no_grad()
    def assess(self, rollout: Rollout) -> Assessment:
        found = self._unroll(rollout)
        self._latest = (rollout, found)
        flat = {name: entry.flatten(0, 1) for name, entry in found.obs.items()}
        logits, values = self._judged(flat, self._player(found.step).flatten())
        logits = logits.view(*found.step.shape, -1)[:-1]
        values = values.view(*found.step.shape, -1)
        log_prob = logits.log_softmax(-1).gather(-1, rollout.action[..., None])[..., 0]
        return Assessment(log_prob, {"logits": logits}, values, values[1:].clone())

    @torch.no_grad()
    def value(self, obs: TensorObs, state: torch.Tensor | None) -> torch.Tensor:
        assert state is not None
        within = torch.zeros(len(state), dtype=torch.bool, device=self._device)
        state = self._counts.arrived(state, obs[_VIEW], within)
        return self._judged(self._seen(obs, self._counts.shown(state)), self._player(self._counts.steps(state)))[1]

    def update(self, rollout: Rollout, signals: Signals, progress: float) -> Metrics:
        """Pay the steps, find the turns that are over, and let each learner learn from its own."""
        found = self._latest[1] if self._latest is not None and self._latest[0] is rollout else self._unroll(rollout)
        self._latest = None
        rows = self._waiting.before(self._rows(rollout, signals, found))
        turns = turns_of(rows["env"], rows["step"], rows["done"], found.step[-1], self.config.turn_steps)
        pay = (paid_back(turns, rows["surprise"]), rows["surprise"])
        metrics: Metrics = {}
        for player, learner in enumerate(self._learners):
            mine, paid = self._own(turns, player, rows | {"surprise": pay[player]}, rollout.values[-1])
            if mine is not None:
                told = learner.update(mine, paid, progress)
                metrics |= {_named(name, PLAYERS[player]): number for name, number in told.items()}
        self._waiting.keep(rows, turns.waits)
        self._updates = self.explore.updates + self.control.updates
        if found.paid.any():
            metrics["surprise/control_mean"] = float(found.surprise[found.paid].mean())
        metrics["surprise/scale"] = self._scale.std
        return metrics

    def policy_state_dict(self) -> State:
        return {name: learner.policy_state_dict() for name, learner in zip(PLAYERS, self._learners, strict=True)}

    def load_policy_state_dict(self, state: State) -> None:
        for name, learner in zip(PLAYERS, self._learners, strict=True):
            learner.load_policy_state_dict(state[name])

    def _player(self, step: torch.Tensor) -> torch.Tensor:
        """Whose turn it is at steps of an episode, int64 [...]."""
        return step // self.config.turn_steps % len(PLAYERS)

    def _obs_spec(self, context: BuildContext) -> dict[str, ObsSpec]:
        """What the learners see: the vector is longer by the shares of classes and the size."""
        obs = dict(context.spec.obs)
        before = obs[_BESIDE].shape[0] if _BESIDE in obs else 0
        return obs | {_BESIDE: ObsSpec((before + self._counts.width + 1,), "float32")}

    def _seen(self, obs: TensorObs, shown: torch.Tensor) -> TensorObs:
        """Observations [..., *shape] with what `ViewCounts.shown` says of the same steps, [..., W + 1]."""
        return obs | {_BESIDE: torch.cat([obs[_BESIDE], shown], dim=-1) if _BESIDE in obs else shown}

    def _judged(self, obs: TensorObs, player: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Logits [B, A] and values [B, S] of single observations, by the learner whose turn it is, [B]."""
        found: list[torch.Tensor] = []
        for turn, learner in enumerate(self._learners):
            at = (player == turn).nonzero()[:, 0]
            if not len(at):
                continue
            rows, place = tell_apart({name: entry[at] for name, entry in obs.items()})
            dist, values = learner.judged(rows)
            parts = dist["logits"][place], values[place]
            found = found or [part.new_zeros(len(player), part.shape[-1]) for part in parts]
            for whole, part in zip(found, parts, strict=True):
                whole[at] = part
        logits, values = found
        return logits, values

    def _unroll(self, rollout: Rollout) -> Unrolled:
        """Go through a rollout as its steps were acted on."""
        state = rollout.agent_state0
        assert state is not None
        counts, rows = self._counts, []
        for t in range(rollout.steps + 1):
            last = t == rollout.steps
            view = rollout.last_obs[_VIEW] if last else rollout.obs[_VIEW][t]
            state = counts.arrived(state, view, rollout.last_first if last else rollout.first[t])
            density = torch.zeros(len(state), device=self._device)
            if not last and (paid := counts.is_paid(state)).any():
                density[paid] = counts.log_density(state[paid], rollout.next_obs[_VIEW][t, paid])
            rows.append((counts.shown(state), counts.steps(state), counts.is_paid(state), density))
            state = counts.left(state)
        shown, step, is_paid, densities = (torch.stack(column) for column in zip(*rows, strict=True))
        obs = {name: torch.cat([entry, rollout.last_obs[name][None]]) for name, entry in rollout.obs.items()}
        return Unrolled(self._seen(obs, shown), step, is_paid[:-1], densities[:-1])

    def _rows(self, rollout: Rollout, signals: Signals, found: Unrolled) -> TensorObs:
        """Every step of the rollout in a row, those of each environment together: [N * T, ...] each."""
        nothing = torch.zeros_like(rollout.task_reward)
        columns = {
            "env": torch.arange(rollout.num_envs, device=self._device).expand(rollout.steps, -1),
            "step": found.step[:-1],
            "done": rollout.done,
            "action": rollout.action,
            "log_prob": rollout.log_prob,
            "values": rollout.values[:-1],
            "surprise": self._scale.normalise(found.surprise),
            "advantage_bonus": nothing if signals.advantage_bonus is None else signals.advantage_bonus,
            "value_target_bonus": nothing if signals.value_target_bonus is None else signals.value_target_bonus,
        }
        columns |= {f"paid/{stream.name}": signals.streams[stream.name] for stream in self._streams}
        columns |= {f"obs/{name}": entry[:-1] for name, entry in found.obs.items()}
        return {name: column.transpose(0, 1).flatten(0, 1) for name, column in columns.items()}

    def _own(self, turns: Turns, player: int, rows: TensorObs, coming: torch.Tensor) -> tuple[Rollout | None, Signals]:
        """What a learner learns from, as a rollout of one environment; None where none of its turns is over.

        Args:
            coming: values [N, S] of what follows the rows in each environment.
        """
        played = played_by(turns, player)
        if not len(played.rows):
            return None, Signals({})
        own = {name: column[played.rows, None] for name, column in rows.items()}
        obs = {name.removeprefix("obs/"): entry for name, entry in own.items() if name.startswith("obs/")}
        values = torch.cat([own["values"], torch.zeros_like(own["values"][:1])])
        final = values[1:].clone()
        final[played.cut, 0] = next_own(turns, played.rows[played.cut], rows["values"], coming)
        mine = Rollout(
            obs=obs,
            next_obs={},
            action=own["action"],
            task_reward=own[f"paid/{self._streams[0].name}"],
            terminated=played.terminated[:, None],
            truncated=played.cut[:, None],
            success=torch.zeros_like(played.cut[:, None]),
            first=played.first[:, None],
            last_obs={},
            last_first=torch.ones_like(played.first[:1]),
            agent_state0=None,
            log_prob=own["log_prob"],
            values=values,
            final_values=final,
        )
        distinct, place = tell_apart({name: entry[:, 0] for name, entry in obs.items()})
        mine.distinct = DistinctObservations(distinct, torch.cat([place, place[:1]])[:, None], place[:, None])
        paid = {stream.name: own[f"paid/{stream.name}"] for stream in self._streams}
        return mine, Signals(paid | {_SURPRISE: own["surprise"]}, own["advantage_bonus"], own["value_target_bonus"])


@dataclass(frozen=True)
class Unrolled:
    """A rollout as the learners met it.

    obs: what they saw, each entry [T + 1, N, ...]. step: int64 [T + 1, N], its number within the episode.
    paid: bool [T, N]. surprise: float [T, N], what Control is paid before it is to scale.
    """

    obs: TensorObs
    step: torch.Tensor
    paid: torch.Tensor
    surprise: torch.Tensor


@dataclass
class Waiting:
    """Steps of turns that are not over: columns [W, ...] by name, those of an environment together."""

    device: torch.device
    rows: TensorObs = field(default_factory=dict)

    def before(self, rows: TensorObs) -> TensorObs:
        """The steps that waited and new ones, [W + M, ...], those of each environment together and in their order."""
        if not self.rows:
            return rows
        both = {name: torch.cat([self.rows[name], column]) for name, column in rows.items()}
        order = both["env"].argsort(stable=True)
        return {name: column[order] for name, column in both.items()}

    def keep(self, rows: TensorObs, which: torch.Tensor) -> None:
        """Let some of them wait, bool [W + M]."""
        self.rows = {name: column[which] for name, column in rows.items()} if which.any() else {}

    def state_dict(self) -> State:
        return dict(self.rows)

    def load_state_dict(self, state: State) -> None:
        self.rows = {name: column.to(self.device, copy=True) for name, column in state.items()}


def _named(metric: str, player: str) -> str:
    """`loss/policy` of one of them -> `loss/explore_policy`."""
    kind, _, name = metric.partition("/")
    return f"{kind}/{player}_{name}"


def _check(config: Config, context: BuildContext, view: ObsSpec | None) -> None:
    """Raises:
    UserError: there is no view to be surprised by, or never a turn of Control's.
    """
    spec = context.spec
    if view is None or view.dtype != "uint8" or spec.action.n is None:
        raise UserError(f"agent={config.name}: counts what is in a MiniGrid view, which {spec.id} does not show")
    if view.high >= config.classes:
        raise UserError(
            f"agent.classes={config.classes}: the numbers of the view of {spec.id} go up to {view.high}; the view must"
            f" be of fewer classes, as MiniGrid's is"
        )
    if spec.max_steps is not None and spec.max_steps < 2 * config.turn_steps:
        raise UserError(
            f"agent.turn_steps={config.turn_steps}: an episode of {spec.id} has {spec.max_steps} steps, and the two"
            f" need a turn each; at most {spec.max_steps // 2}"
        )
