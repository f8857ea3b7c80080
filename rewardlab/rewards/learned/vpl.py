"""VPL: a reward for each of several users, learned from comparisons; the policy sees whom it is to please.

Paper: Poddar et al. 2024, Personalizing reinforcement learning from human feedback with variational preference learning
Assumes: comparisons, of several users

Users answer sets of questions: which of two states is the better one? Nobody says which user a set is of. An encoder
makes a latent z of a set, and r(s, z) is to explain its answers: cross-entropy, and the divergence of z from a learned
prior, whose weight rises from 0 in each of `cycles`. With `dim=0` there is no latent: one reward for all users, by
Bradley and Terry's model, which averages what they disagree on; pooled=mean_variance and categorical make it a
distribution (Siththaranjan et al. 2024, Distributional preference learning). With query=informative the set that tells
whom to please is, of 256, the one whose answers would tell most.

The agent reads z as the entry `goal` of its observation. In training z is drawn from the prior and stays for
`episodes` episodes; in evaluation it is the posterior's mean, given one set of answers of `user`. So success and return
in eval.csv say how well that user is served. Users are made up: each has an expression over the state that a step led
to, of which more is better.

Rewards of different users have no common scale. `scaling` brings them to one: by their largest (max), by their
exponential mean (learned), or by how often the state would be preferred to others, within [0, 1] (spo).

Constants of the paper's code: three layers of 256, latents of 32 numbers, sets of 8, 5000 sets, 500 passes, Adam 1e-3.
Different here: sets are of states that the agent itself has seen, asked in rounds; smaller networks and latents; the
mean over a set's comparisons in place of their concatenation (encoder=concat is the paper's), so that the order of
questions does not matter; the agent learns online, where the authors' learns from a data set by IQL; the divergence is
exact, which the code's is not where the prior's mean is not 0.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from rewardlab.errors import UserError
from rewardlab.maths.distributions import Parameters
from rewardlab.maths.expression import Expression
from rewardlab.maths.preference_losses import agreement
from rewardlab.maths.teachers import Answers, mistaken
from rewardlab.maths.user_latent import SCALINGS, cyclical_weight, information_gain, on_one_scale, set_loss
from rewardlab.networks.flat import encode_flat, flat_size
from rewardlab.networks.picture import reads_as_picture
from rewardlab.parts import step_terms
from rewardlab.parts.memories.recent_steps import RecentSteps
from rewardlab.parts.models.pooled_rewards import POOLED, CategoricalReward, MeanVarianceReward
from rewardlab.parts.models.reward_model import Fitting
from rewardlab.parts.models.user_reward import ENCODERS, UserReward
from rewardlab.parts.moments.running_moments import RunningMoments
from rewardlab.parts.shown_latents import SHOWN, ShownLatents
from rewardlab.rewards.base import BonusConfig, BonusScheme
from rewardlab.schemas import option
from rewardlab.types import BuildContext, Metrics, Rollout, State, TensorObs, Transitions

VERSION = 2

_PIECE = 1e10  # multiplications of a piece of a fit: about a second of one core
_FARTHEST = 10.0  # standard deviations
_CANDIDATES, _WAYS = 256, 50  # sets that the most informative is chosen among, and ways of answering each
_NEW_PAIRS = 64  # of each user, that explore/vpl_accuracy is of


@dataclass
class Config(BonusConfig):
    task_coef: float = option(0.0, "weight of the task's reward beside it", minimum=0)
    users: list[str] = option([], "an expression for each user, of which more is better, as in -abs(vector[0])")
    user: int = option(0, "whose latent evaluation shows: 0 is the first", minimum=0)
    dim: int = option(8, "numbers of a user's latent; 0: one reward for all users", minimum=0, maximum=1024)
    pooled: str = option("bt", "dim=0: a number, or a distribution of what users want", choices=POOLED, neutral="bt")
    query: str = option(
        "uniform",
        "which questions tell whom evaluation is to please: drawn alike, or those that tell most",
        choices=("uniform", "informative"),
        neutral="uniform",
    )
    encoder: str = option("mean", "how a set of answers becomes a latent", choices=ENCODERS)
    scaling: str = option("max", "how users' rewards come to one scale", choices=SCALINGS)
    compared: int = option(256, "states that scaling compares with, of the latest", above=0, maximum=100_000)
    set_size: int = option(8, "questions of a set, all to one user", above=0, maximum=1000)
    feedback: int = option(1500, "sets in all", above=0, maximum=1_000_000)
    feedback_start: int = option(2000, "frames before the first round", minimum=0)
    feedback_every: int = option(10_000, "frames between rounds; 0: one round only", minimum=0)
    sets: int = option(300, "sets of a round", above=0, maximum=100_000)
    memory: int = option(20_000, "the latest frames, whose states are asked about", above=0, maximum=10**7)
    mistake: float = option(0.0, "share of answers that are turned round", minimum=0, maximum=1)
    episodes: int = option(10, "for so many in training a latent stays", above=0)
    hidden: list[int] = option([64, 64], "widths of the layers of encoder and reward")
    epochs: int = option(60, "passes over as many sets as a round has, drawn from all", above=0)
    cycles: int = option(4, "of the divergence's weight, within a round's passes", above=0)
    batch_size: int = option(128, "sets of a gradient step", above=0)
    learning_rate: float = option(3e-3, "Adam's step size", above=0)

    def privileged(self) -> tuple[str, ...]:
        return step_terms.facts_of(self.users)

    def validate(self) -> None:
        step_terms.check("users", self.users)
        if not self.users:
            raise ValueError("users=[]: needs one at least, as in reward.users=['vector[0]','-vector[0]']")
        if self.user >= len(self.users):
            raise ValueError(f"user={self.user}: there are {len(self.users)} users, 0 to {len(self.users) - 1}")
        if self.pooled != "bt" and self.dim:
            raise ValueError(f"pooled={self.pooled}: is one reward for all users, who have no latent then; set dim=0")
        if self.query != "uniform" and not self.dim:
            raise ValueError(f"query={self.query}: asks for a user's latent, and dim=0 has none")
        if not self.hidden or not all(1 <= width <= 4096 for width in self.hidden):
            raise ValueError(f"hidden={list(self.hidden)}: one width at least, from 1 to 4096")
        for text in self.users:
            for name in set(Expression(text).names) & {"action", step_terms.TERMINATED}:
                raise ValueError(f"users={text}: users compare states, which have no {name}")


class Scheme(BonusScheme):
    """A rollout is paid, then kept; where a round is due, users are asked; a fit that is due goes on a little."""

    metrics = ("loss/vpl", "explore/vpl_sets", "explore/vpl_accuracy", "explore/vpl_divergence")
    pays_anew = True
    stateful = ("model", "fitting", "states", "seen", "used")

    def __init__(self, config: Config, context: BuildContext) -> None:
        """Raises:
        UserError: the users' expressions do not fit the environment, or it shows pictures.
        """
        super().__init__(config, context)
        name, spec, device = config.name or config.plugin, context.spec, context.device
        if any(reads_as_picture(entry) for entry in spec.obs.values()):
            raise UserError(f"reward={name}: its model reads numbers, and {spec.id} shows pictures; use another task")
        self.config, self.assumes = config, self.assumes | {"comparisons"}
        self._users = step_terms.StepTerms("reward.users", config.users, spec)
        self._size = flat_size(spec.obs)
        self.model = self._new_model().to(device)
        self.fitting = Fitting(self.model, config.learning_rate, 1.0, _PIECE)
        steps = -(-config.memory // context.num_envs)
        self.states = RecentSteps(steps, context.num_envs, self._size + len(self._users), device)
        self.seen, self.used = (RunningMoments((self._size,), device) for _ in range(2))
        self.shown = self.conditioner = ShownLatents(config.dim, config.episodes) if config.dim else None
        self._asked: TensorObs = {}  # sets of all rounds; see `_questions`
        self._own: TensorObs = {}  # one set of each user, of the latest round
        self._compared = torch.zeros(0, self._size, device=device)
        self._frames = self._taken = self._planned = 0
        self._due: int | None = config.feedback_start  # frames at which the next round is; None: there is none

    def _new_model(self) -> UserReward:
        config, generator = self.config, self.context.generator
        if config.pooled == "bt":
            return UserReward(self._size, config.dim, config.set_size, config.encoder, config.hidden, generator)
        chosen = MeanVarianceReward if config.pooled == "mean_variance" else CategoricalReward
        return chosen(self._size, config.set_size, config.hidden, generator)

    def bonus(self, rollout: Rollout) -> torch.Tensor:
        return self._paid(rollout.next_obs, rollout.obs)

    @torch.no_grad()
    def rewards_of(self, steps: Transitions) -> dict[str, torch.Tensor]:
        return {"intrinsic": self._paid(steps.next_obs, steps.obs)}

    def update(self, rollout: Rollout) -> Metrics:
        self._keep(rollout)
        if self._due is not None and self._frames >= self._due and not self.fitting.going:
            self._ask()
        told = self._learn() if self.fitting.going else {}
        return told | {"explore/vpl_sets": float(self._sets)}

    def state_dict(self) -> State:
        counts = {"frames": self._frames, "taken": self._taken, "planned": self._planned, "due": self._due}
        told = {"asked": _copied(self._asked), "own": _copied(self._own), "compared": self._compared.clone()}
        shown = {} if self.shown is None else {"shown": self.shown.state_dict()}
        return super().state_dict() | {"counts": counts} | told | shown

    def load_state_dict(self, state: State) -> None:
        super().load_state_dict(state)
        counts, device = state["counts"], self.context.device
        self._frames, self._taken, self._planned = counts["frames"], counts["taken"], counts["planned"]
        self._due = counts["due"]
        self._asked, self._own = (
            {name: column.to(device, copy=True) for name, column in state[kept].items()} for kept in ("asked", "own")
        )
        self._compared = state["compared"].to(device, copy=True)
        if self.shown is not None:
            self.shown.load_state_dict(state["shown"])

    @property
    def _sets(self) -> int:
        return len(self._asked["preferred"]) if self._asked else 0

    def _paid(self, states: TensorObs, shown: TensorObs) -> torch.Tensor:
        """What steps [...] that led to `states` are paid, under the latents that were shown; not scaled at first."""
        flat = self._flat(states)
        latent = shown[SHOWN] if self.config.dim else flat.new_zeros(*flat.shape[:-1], 0)
        rewards: torch.Tensor = self.model(self._scaled(flat), latent)
        if self.config.scaling == "none" or not len(self._compared):
            return rewards
        # Few latents are under way at a time: each is asked once what it makes of the states that are compared with.
        users, user = _distinct(latent.flatten(0, -2))
        compared = self.model(self._scaled(self._compared).expand(len(users), -1, -1), users.unsqueeze(1))
        return on_one_scale(rewards.flatten(), compared[user], self.config.scaling).view(rewards.shape)

    def _flat(self, obs: TensorObs) -> torch.Tensor:
        return encode_flat(obs, self.context.spec.obs)

    def _scaled(self, flat: torch.Tensor) -> torch.Tensor:
        return self.used.normalise(flat, _FARTHEST)

    def _keep(self, rollout: Rollout) -> None:
        """Take what was reached into the memory and the scale; compare with what is in there now.

        Were these the states of the last round, an agent that has come far would be better than all, wherever it is.
        """
        flat = self._flat(rollout.next_obs)
        worth = self._users(rollout.next_obs, rollout.privileged, rollout.action, None)
        self._frames += rollout.task_reward.numel()
        self.seen.add(flat.flatten(0, 1))
        self.states.add(torch.cat([flat, worth], dim=-1))
        known, generator = self.states.all, self.context.generator
        places = torch.randint(len(known), (self.config.compared,), generator=generator)
        self._compared = known[places.to(known.device), : self._size]

    def _ask(self) -> None:
        """One round: questions to users drawn at random, their answers, and a fit that begins."""
        config, generator = self.config, self.context.generator
        count = min(config.sets, config.feedback - self._sets)
        who = torch.randint(len(self._users), (count,), generator=generator)
        fresh = self._questions(who, config.set_size)
        self._asked = {name: torch.cat([self._asked[name], new]) if self._asked else new for name, new in fresh.items()}
        self._own = self._questions(torch.arange(len(self._users)), config.set_size)
        self.used.load_state_dict(self.seen.state_dict())
        over = config.feedback_every == 0 or self._sets >= config.feedback
        self._due = None if over else self._frames + config.feedback_every
        self._taken, self._planned = 0, config.epochs * -(-count // self._batch)
        self.fitting.begin(self._planned)

    def _questions(self, who: torch.Tensor, size: int) -> TensorObs:
        """Sets of users [B]: `pairs` float32 [B, S, 2, K], not scaled, and `preferred` [B, S], 0.5 where both are as
        good.
        """
        places = torch.randint(len(self.states.all), (len(who), size, 2), generator=self.context.generator)
        return self._answered(who, places)

    def _answered(self, who: torch.Tensor, places: torch.Tensor) -> TensorObs:
        """The same of states at places in the memory, int64 [B, S, 2]."""
        known, generator = self.states.all, self.context.generator
        places = places.to(known.device)
        found = known[places]
        column = (self._size + who).to(known.device).view(-1, 1, 1, 1).expand(*places.shape, 1)
        worth = found.gather(-1, column).squeeze(-1)
        preferred = 0.5 * (1.0 + torch.sign(worth[..., 0] - worth[..., 1]))
        answers = Answers(preferred.flatten(), worth.new_zeros(preferred.numel()), preferred.flatten() >= 0)
        told = mistaken(answers, self.config.mistake, generator).preferred.view(preferred.shape)
        return {"pairs": found[..., : self._size].contiguous(), "preferred": told}

    @property
    def _batch(self) -> int:
        most = self.fitting.rows_at_once // (2 * self.config.set_size)
        return max(1, min(self.config.batch_size, self._sets, most))

    @property
    def _steps_of_a_pass(self) -> int:
        return -(-self._sets // self._batch)

    def _learn(self) -> Metrics:
        divergence: list[float] = []
        losses = self.fitting.go_on(self._steps_of_a_pass, lambda: self._step(divergence))
        if self.config.query == "informative" and not self.fitting.going:
            self._own = self._informative()
        accuracy = self._told()
        return {
            "loss/vpl": sum(losses) / len(losses),
            "explore/vpl_accuracy": accuracy,
            "explore/vpl_divergence": sum(divergence) / len(divergence),
        }

    def _step(self, told: list[float]) -> tuple[torch.Tensor, float, float, int]:
        """A minibatch of sets: see `Fitting.go_on`."""
        config, generator = self.config, self.context.generator
        places = torch.randint(self._sets, (self._batch,), generator=generator).to(self.context.device)
        pairs, preferred = self._scaled(self._asked["pairs"][places]), self._asked["preferred"][places]
        posterior = self.model.posterior(pairs, preferred)
        latent = self.model.drawn(posterior, generator)
        difference, more = self.model.judged(pairs, latent[:, None, None])
        weight = cyclical_weight(self._taken, self._planned, config.cycles)
        loss, divergence = set_loss(difference, preferred, posterior, self.model.prior, weight)
        self._taken += 1
        told.append(float(divergence))
        right = agreement(difference.detach(), preferred)
        return (
            loss + config.set_size * more,
            float(right.sum()),
            float((preferred != 0.5).sum()),
            2 * config.set_size * self._batch,
        )

    @torch.no_grad()
    def _told(self) -> float:
        """Show users as the model knows them now; the share of new pairs on which it agrees with them."""
        known = self._latents(self._own)
        if self.shown is not None:
            self.shown.tell(self.model.prior, known["mean"][self.config.user])
        asked = self._questions(torch.arange(len(self._users)), _NEW_PAIRS)
        rewards = self.model(self._scaled(asked["pairs"]), known["mean"][:, None, None])
        right = agreement(rewards[..., 0] - rewards[..., 1], asked["preferred"])
        return float(right.sum() / (asked["preferred"] != 0.5).sum().clamp(min=1))

    @torch.no_grad()
    def _informative(self) -> TensorObs:
        """The set of questions, of `_CANDIDATES`, whose answers would tell most, and what each user answers."""
        config, generator = self.config, self.context.generator
        known = self.states.all
        places = torch.randint(len(known), (_CANDIDATES, config.set_size, 2), generator=generator)
        pairs = self._scaled(known[places.to(known.device)][..., : self._size])
        ways = torch.randint(2, (_WAYS, config.set_size), generator=generator).float().to(known.device)
        left = [self.model.posterior(pairs, way.expand(_CANDIDATES, -1))["log_std"] for way in ways]
        best = int(information_gain(torch.stack(left)).argmax())
        return self._answered(torch.arange(len(self._users)), places[best].expand(len(self._users), -1, -1))

    def _latents(self, sets: TensorObs) -> Parameters:
        return self.model.posterior(self._scaled(sets["pairs"]), sets["preferred"])


def _distinct(latents: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The distinct rows of [B, D], and which of them each is, int64 [B]."""
    if not latents.shape[1]:
        return latents[:1], torch.zeros(len(latents), dtype=torch.int64, device=latents.device)
    found, place = torch.unique(latents, dim=0, return_inverse=True)
    return found, place


def _copied(columns: TensorObs) -> TensorObs:
    return {name: column.clone() for name, column in columns.items()}
