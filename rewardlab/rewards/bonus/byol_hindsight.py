"""BYOL-Hindsight: BYOL-Explore that is told, in hindsight, what of an outcome could not have been foreseen.

Paper: Jarrett et al. 2023, Curiosity in hindsight: intrinsic exploration in stochastic environments

On top of the world model of `byol_explore`, for each prediction k actions ahead, with x = (b_k-1, a) what is known
before the outcome and y its target encoding:

- a generator draws the hindsight z = G(x, y, noise);
- a reconstructor predicts y from the open-loop state b_k and z: squared distance on the unit sphere;
- a critic scores how well z goes with x: the contrastive estimate of the information I(z; x) from z of other samples.

The critic maximises the estimate, the generator minimises it. (With one sign for both, the critic learns to see
nothing, and z may hold the whole outcome.) So z takes up what x does not tell, noise, and what could be foreseen must
be learnt by the world model: only that is paid for. Bonus of a prediction: its reconstruction error plus
`invariance_coef` times its own share of the estimate; of a step, the sum over predictions, scaled as in `byol_explore`.
The loss of model, generator and reconstructor is the mean of the same sum; the information reaches the generator only.

Implementation choices: the critic is a product of two embeddings, so that many negatives are cheap, and z is bounded
(tanh). A gradient step estimates the information on `pairs` of its predictions, drawn at random. For the bonus the
negatives are z of the last update, so that no environment's bonus depends on the others, and all environments share one
draw of noise at each time. No code of the authors' and no table of constants for grid
worlds is known.
"""

from dataclasses import dataclass

import torch
from torch import nn

from rewardlab.maths.information import contrastive_information
from rewardlab.maths.intrinsic import distance_from_unit
from rewardlab.networks.adam import Adam
from rewardlab.networks.init import mlp
from rewardlab.networks.tanh import Tanh
from rewardlab.parts.models.inverse_model import action_size, encode_action
from rewardlab.parts.models.latent_world_model import Windows
from rewardlab.rewards.bonus import byol_explore
from rewardlab.schemas import option

VERSION = 4


@dataclass
class Config(byol_explore.Config):
    coef: float = option(0.0003, "weight of the bonus", minimum=0)
    hindsight: int = option(16, "size of the hindsight vector", above=0)
    noise: int = option(16, "size of the generator's noise", above=0)
    invariance_coef: float = option(0.03, "weight of the information in bonus and loss", minimum=0)
    negatives: int = option(64, "samples that the critic compares each one with", above=0)
    pairs: int = option(1024, "predictions of a minibatch, drawn anew, on which it estimates the information", above=0)
    critic_learning_rate: float = option(1e-3, "Adam's step size of the critic", above=0)
    critic_steps: int = option(1, "steps of the critic before each of the generator", above=0)


class Scheme(byol_explore.Scheme):
    """The critic has an optimiser of its own, for it pulls the other way."""

    metrics = ("loss/byol_prediction", "loss/byol_information", "explore/byol_error")
    stateful = (
        "model", "generator", "reconstructor", "critic", "target",
        "optimiser", "critic_optimiser", "beliefs", "moments",
    )  # fmt: skip
    episodic_memory = False  # equal episodes meet other noise

    config: Config

    def _build(self) -> None:
        config, device, draw = self.config, self.context.device, self.context.generator
        known = config.memory + action_size(self.context.spec.action)
        sizes = (known + config.features + config.noise, config.hidden, config.hindsight)
        # Bounded, or generator and critic chase each other to ever larger vectors.
        self.generator = mlp(sizes, draw).append(Tanh()).to(device)
        self.reconstructor = mlp((config.memory + config.hindsight, config.hidden, config.features), draw).to(device)
        self.critic = Critic(known, config.hindsight, config.hidden, config.negatives, draw).to(device)
        learners = (self.model, self.generator, self.reconstructor)
        parameters = [parameter for learner in learners for parameter in learner.parameters()]
        self.optimiser = Adam(parameters, config.learning_rate)
        self.critic_optimiser = Adam(self.critic.parameters(), config.critic_learning_rate)

    def _errors(
        self, before: torch.Tensor, after: torch.Tensor, action: torch.Tensor, target: torch.Tensor
    ) -> torch.Tensor:
        known = self._known(before, action)
        noise = self._noise(len(known), 1).expand(-1, known.shape[1], -1)
        hindsight = self.generator(torch.cat([known, target, noise], dim=-1))
        errors = self._distance(after, hindsight, target)
        information = self.critic.information(known.flatten(0, 1), hindsight.flatten(0, 1), self.critic.kept)
        return errors + self.config.invariance_coef * information.view_as(errors)

    def _learn(self, windows: Windows) -> torch.Tensor:
        # What is known goes into z and the critic without gradients: the information is to shape z alone.
        known = self._known(windows.before(), windows.action).detach()
        noise = self._noise(*known.shape[:2])
        hindsight = self.generator(torch.cat([known, windows.target, noise], dim=-1))
        prediction_loss = windows.mean(self._distance(windows.imagined, hindsight, windows.target))
        valid = windows.valid.flatten().nonzero().squeeze(-1)
        order = torch.randperm(len(valid), generator=self.context.generator)[: self.config.pairs].to(valid.device)
        chosen = valid.index_select(0, order)
        foreknown, drawn = (entry.flatten(0, 1).index_select(0, chosen) for entry in (known, hindsight))
        others = slice(self.config.negatives)
        for _ in range(self.config.critic_steps):
            estimate = self.critic.information(foreknown, drawn.detach(), drawn.detach()[others], among=True).mean()
            self.critic_optimiser.descend(-estimate)
        information = self.critic.information(foreknown, drawn, drawn[others], among=True).mean()
        loss = prediction_loss + self.config.invariance_coef * information
        self.optimiser.descend(loss)
        self.critic.remember(drawn.detach()[others])
        return torch.stack([prediction_loss.detach(), information.detach()])

    def _known(self, before: torch.Tensor, action: torch.Tensor) -> torch.Tensor:
        """What is known before an outcome: the state before the action, [..., M], and the action, [...]."""
        return torch.cat([before, encode_action(action, self.context.spec.action)], dim=-1)

    def _distance(self, after: torch.Tensor, hindsight: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        prediction = self.reconstructor(torch.cat([after, hindsight], dim=-1))
        return distance_from_unit(prediction, target)

    def _noise(self, *shape: int) -> torch.Tensor:
        drawn = torch.randn(*shape, self.config.noise, generator=self.context.generator)
        return drawn.to(self.context.device)


class Critic(nn.Module):
    """Scores pairs of what is known before an outcome and a hindsight vector, by the product of their embeddings."""

    _kept: torch.Tensor
    _count: torch.Tensor

    def __init__(self, known: int, hindsight: int, hidden: int, negatives: int, generator: torch.Generator) -> None:
        super().__init__()
        self.of_known: nn.Sequential = mlp((known, hidden, hidden), generator)
        self.of_hindsight: nn.Sequential = mlp((hindsight, hidden, hidden), generator)
        self._scale = hidden**-0.5
        self.register_buffer("_kept", torch.zeros(negatives, hindsight))
        self.register_buffer("_count", torch.zeros((), dtype=torch.int64))

    def information(
        self, known: torch.Tensor, hindsight: torch.Tensor, others: torch.Tensor, *, among: bool = False
    ) -> torch.Tensor:
        """Each pair's share of the estimate, [B].

        Args:
            known, hindsight: [B, ...], drawn together.
            others: [M, Z], hindsight vectors to compare with. among: whether they are the first M of those B.
        """
        of_known = self.of_known(known) * self._scale
        positive = (of_known * self.of_hindsight(hindsight)).sum(dim=-1)
        negatives = of_known @ self.of_hindsight(others).t()
        if among:  # no pair is compared with itself
            negatives = negatives.clone()
            negatives.fill_diagonal_(-torch.inf)
        return contrastive_information(positive, negatives)

    @property
    def kept(self) -> torch.Tensor:
        """[M, Z], hindsight vectors of the last update; M is 0 before it."""
        return self._kept[: int(self._count)]

    def remember(self, hindsight: torch.Tensor) -> None:
        """Keep hindsight vectors [M, Z] to compare later ones with."""
        self._kept[: len(hindsight)] = hindsight
        self._count.fill_(len(hindsight))
