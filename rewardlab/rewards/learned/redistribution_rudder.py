"""RUDDER: pays differences of a prediction of the episode's return.

Paper: Arjona-Medina et al. 2019, RUDDER: return decomposition for delayed rewards

As in the authors' demonstration (ml-jku/rudder-demonstration-code): an LSTM without forget and output gates learns to
predict R / scale after every step, its error after the last step counts fully and the mean over all steps half; Adam
with 1e-2 and a weight decay of 1e-6, 8 episodes a gradient step. It is first fitted after 256 episodes, two of which
return different sums, then every 25 episodes (here 256, as many environments play at once), until a running error falls
below 0.15. There that begins at 0.3 in each fit, which therefore has 69 steps at least; here it lives on, and a fit has
`fit_steps` at most.

What differs: it is shown the same in fits and when it pays, (s, a), where the demonstration fits differences of states
and then pays by the states themselves. What its prediction lacks is paid with the last step, so that the sum over an
episode is R exactly. Its cells live on between rollouts; an episode that began before the first fit is paid the task's
reward. `scale` is 10 there, the deviation of the returns here: 0.15 then means that 85 % of them is explained.
"""

from __future__ import annotations

import numpy as np
import torch

from rewardlab.maths.distinct import pick
from rewardlab.maths.redistribution import Accounts, differences
from rewardlab.parts.models.return_lstm import ReturnLessons, ReturnLSTM
from rewardlab.parts.models.step_inputs import StepInputs
from rewardlab.rewards.learned.redistribution_memory import Remembering
from rewardlab.rewards.learned.redistribution_options import Options
from rewardlab.types import BuildContext, Metrics, Rollout, State, Transitions

_LEARNING_RATE, _DECAY, _EPISODES, _EVERY = 1e-2, 1e-6, 8, 0.5
_BEGIN, _SHARE = 0.3, 0.01  # where the running error begins, and how fast it follows
_MOST = 1e10  # multiplications by the weights of a fit: about a second of one core


class Rudder(Remembering):
    pays_anew = False
    metrics = ("loss/redistribution", "explore/redistribution_episodes", "explore/redistribution_fits")
    stateful = ("episodes", "memory", "network", "optimiser")

    def __init__(self, config: Options, context: BuildContext) -> None:
        super().__init__(config, context, successors=False)
        self.inputs = StepInputs(context.spec, context.device, successors=False, onehot=True)
        self.network = ReturnLSTM(self.inputs.size, config.cells, context.generator).to(context.device)
        self.lessons = ReturnLessons(self.network, config.learning_rate or _LEARNING_RATE, _DECAY, _EVERY)
        self.optimiser = self.lessons.optimiser
        self._cells = torch.zeros(context.num_envs, config.cells, device=context.device)
        self._accounts = Accounts.opened(context.num_envs)
        self._scale = config.scale
        self._fits, self._since = 0, 0  # fits so far, and episodes since the latest
        self._running = _BEGIN  # error after last steps
        self._weights = sum(weight.numel() for weight in self.network.parameters())

    @torch.no_grad()
    def pay(self, rollout: Rollout) -> torch.Tensor:
        self.note(rollout)
        given = self.inputs.through(self.network.cell_input, rollout)
        predicted, self._cells = self.network(given, self._cells, rollout.first)
        told = (predicted * (self._scale or 1.0), rollout.task_reward, rollout.first, rollout.done)
        returns, reward, first, done = (entry.cpu().numpy() for entry in told)
        paid = differences(returns, reward, first, done, self._accounts, ready=self._fits > 0)
        return torch.from_numpy(paid).to(rollout.task_reward.device)

    def pay_anew(self, steps: Transitions) -> torch.Tensor:
        raise NotImplementedError("a single step does not tell what came before it")

    def learn(self, rollout: Rollout) -> Metrics:
        self._since += self.remember()
        config, memory = self.config, self.memory
        found = {"explore/redistribution_episodes": float(len(memory))}
        begun = self._fits > 0 or memory.seen >= config.start_episodes
        if begun and (self._fits == 0 or self._since >= config.fit_every) and self.deviation() > 0:
            self._scale = self._scale or self.deviation()
            found["loss/redistribution"] = self._fit()
            self._fits, self._since = self._fits + 1, 0
        return found | {"explore/redistribution_fits": float(self._fits)}

    def state_dict(self) -> State:
        accounts = {name: torch.from_numpy(np.copy(entry)) for name, entry in vars(self._accounts).items()}
        told = {"scale": self._scale, "fits": self._fits, "since": self._since, "running": self._running}
        return super().state_dict() | {"cells": self._cells.clone(), "accounts": accounts} | told

    def load_state_dict(self, state: State) -> None:
        super().load_state_dict(state)
        self._cells = state["cells"].to(self._cells.device).clone()
        self._accounts = Accounts(**{name: entry.cpu().numpy().copy() for name, entry in state["accounts"].items()})
        self._scale, self._fits, self._since = state["scale"], state["fits"], state["since"]
        self._running = state["running"]

    def _fit(self) -> float:
        """Gradient steps until the running error is low enough; the latest error after last steps."""
        config, memory, last, work = self.config, self.memory, 0.0, 0.0
        episodes, lessons = np.unique(
            self.context.numpy_rng.integers(len(memory), size=(config.fit_steps, _EPISODES)), return_inverse=True
        )
        every = memory.whole(episodes)
        distinct, place = self.inputs.distinct(every.steps)
        ends = every.lengths.cumsum(0)
        for chosen in torch.from_numpy(lessons.reshape(config.fit_steps, _EPISODES)).to(place.device):
            spans = zip((ends - every.lengths)[chosen].tolist(), ends[chosen].tolist(), strict=True)
            met = pick(torch.cat([place[begin:end] for begin, end in spans]), len(distinct.action))
            inputs = self.inputs.of_some(distinct, met.rows)
            returns = every.returns[chosen] / (self._scale or 1.0)
            last = self.lessons.take(inputs, met.place, every.lengths[chosen], returns)
            self._running += _SHARE * (last - self._running)
            if last > 2.0 * self._running:
                self._running = last
            work += 3.0 * len(inputs) * self._weights
            if self._running < config.fit_until or work > _MOST:
                break
        return last
