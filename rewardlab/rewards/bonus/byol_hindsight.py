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

from rewardlab.maths import compiled
from rewardlab.maths.distinct import spread
from rewardlab.maths.intrinsic import distance_from_unit
from rewardlab.networks.adam import Adam
from rewardlab.networks.fused import FusedMLP, can_fuse
from rewardlab.networks.init import mlp
from rewardlab.networks.tanh import Tanh
from rewardlab.parts.models.critic import Critic, FusedCritic
from rewardlab.parts.models.fused_world_model import FusedWorldModel
from rewardlab.parts.models.inverse_model import action_size, encode_action
from rewardlab.parts.models.latent_world_model import Batch
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

        fits = can_fuse(self.model, self.generator, self.reconstructor, self.critic.of_known, self.critic.of_hindsight)
        self._fused = _Fused(self) if fits else None

    def _errors(
        self, before: torch.Tensor, after: torch.Tensor, action: torch.Tensor, target: torch.Tensor
    ) -> torch.Tensor:
        known = self.known(before, action)
        hindsight = self.generator(torch.cat([known, target, self.shared_noise(len(known))], dim=-1))
        errors = distance_from_unit(self.reconstructor(torch.cat([after, hindsight], dim=-1)), target)
        return errors + self.config.invariance_coef * self.critic.information(known, hindsight, self.critic.kept)

    def _learn(self, batch: Batch) -> torch.Tensor:
        imagined, target = batch.imagined(self.model), spread(batch.targets, batch.aim)
        # What is known goes into z and the critic without gradients: the information is to shape z alone.
        known = self.known(imagined[:-1], batch.action).detach()
        hindsight = self.generator(torch.cat([known, target, self.noise(*batch.aim.shape)], dim=-1))
        errors = distance_from_unit(self.reconstructor(torch.cat([imagined[1:], hindsight], dim=-1)), target)
        prediction_loss = (errors * batch.weights()).sum()
        chosen, others = self.pairs(batch), slice(self.config.negatives)
        foreknown, drawn = (entry.flatten(0, 1).index_select(0, chosen) for entry in (known, hindsight))
        for _ in range(self.config.critic_steps):
            estimate = self.critic.information(foreknown, drawn.detach(), drawn.detach()[others], among=True).mean()
            self.critic_optimiser.descend(-estimate)
        information = self.critic.information(foreknown, drawn, drawn[others], among=True).mean()
        loss = prediction_loss + self.config.invariance_coef * information
        self.optimiser.descend(loss)
        self.critic.remember(drawn.detach()[others])
        return torch.stack([prediction_loss.detach(), information.detach()])

    def known(self, before: torch.Tensor, action: torch.Tensor) -> torch.Tensor:
        """What is known before an outcome: the state before the action, [..., M], and the action, [...]."""
        return torch.cat([before, encode_action(action, self.context.spec.action)], dim=-1)

    def pairs(self, batch: Batch) -> torch.Tensor:
        """Predictions drawn from the valid ones, on which the information is estimated: places in [K * B]."""
        valid = batch.valid.flatten().nonzero().squeeze(-1)
        order = torch.randperm(len(valid), generator=self.context.generator)[: self.config.pairs].to(valid.device)
        return valid.index_select(0, order)

    def noise(self, *shape: int) -> torch.Tensor:
        drawn = torch.randn(*shape, self.config.noise, generator=self.context.generator)
        return drawn.to(self.context.device)

    def shared_noise(self, count: int) -> torch.Tensor:
        """For T * N steps, alike in all environments."""
        return self.noise(count // self.context.num_envs).repeat_interleave(self.context.num_envs, dim=0)


class _Fused:
    """`Scheme._errors` and `Scheme._learn` without autograd."""

    def __init__(self, scheme: Scheme) -> None:
        self._scheme, self._optimiser, self._critic_optimiser = scheme, scheme.optimiser, scheme.critic_optimiser
        self._gradient, places = scheme.optimiser.gradients()
        self._critic_gradient, critic_places = scheme.critic_optimiser.gradients()
        self.model = FusedWorldModel(scheme.model, scheme.context.spec.action, places)
        self.target = byol_explore.fused_target(scheme.target)
        self._generator = FusedMLP(scheme.generator, places)
        self._reconstructor = FusedMLP(scheme.reconstructor, places)
        self._critic = FusedCritic(scheme.critic, critic_places)

    def errors(
        self, before: torch.Tensor, after: torch.Tensor, action: torch.Tensor, target: torch.Tensor
    ) -> torch.Tensor:
        scheme = self._scheme
        known = scheme.known(before, action)
        hindsight = self._generator.predict(torch.cat([known, target, scheme.shared_noise(len(known))], dim=-1))
        errors = distance_from_unit(self._reconstructor.predict(torch.cat([after, hindsight], dim=-1)), target)
        information = self._critic.information(known, hindsight, scheme.critic.kept)
        return errors.add_(information, alpha=scheme.config.invariance_coef)

    def learn(self, batch: Batch) -> torch.Tensor:
        scheme, config, aim = self._scheme, self._scheme.config, batch.aim.flatten()
        chain = self.model.imagined(batch)
        before, after = chain[:-1].flatten(0, 1), chain[1:].flatten(0, 1)
        known = scheme.known(before, batch.action.flatten(0, 1))
        noise = scheme.noise(len(known))
        hindsight = self._generator.forward(torch.cat([known, spread(batch.targets, aim), noise], dim=-1))
        prediction = self._reconstructor.forward(torch.cat([after, hindsight], dim=-1))
        loss = compiled.unit_distance_loss(
            prediction.numpy(), batch.targets.numpy(), aim.numpy(), batch.weights().flatten().numpy()
        )
        of_both = self._reconstructor.backward(prediction, of_inputs=True)
        assert of_both is not None
        of_after, of_hindsight = torch.split(of_both, [config.memory, config.hindsight], dim=1)

        chosen = scheme.pairs(batch)
        foreknown, drawn = (entry.index_select(0, chosen) for entry in (known, hindsight))
        for _ in range(config.critic_steps):
            self._critic.estimate(foreknown, drawn, config.negatives, -1.0)
            self._critic.backward()
            self._critic_optimiser.step(self._critic_gradient)
        information = self._critic.estimate(foreknown, drawn, config.negatives, config.invariance_coef)
        of_hindsight = of_hindsight.index_add(0, chosen, self._critic.of_hindsight())
        scheme.critic.remember(drawn[: config.negatives])

        self._generator.backward(of_hindsight)
        self.model.backward(of_after.reshape_as(chain[1:]))
        self._optimiser.step(self._gradient)
        return torch.tensor([loss, information])
