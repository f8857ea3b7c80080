"""Demonstrated steps, which stand beside a replay buffer for the whole run."""

from collections.abc import Iterator

import numpy as np
import torch

from rewardlab.agents.replay.options import ReplayConfig
from rewardlab.maths.returns import at_the_end, returns_to_ends
from rewardlab.parts.buffers.replay import Replay, columns_of, joined, with_returns
from rewardlab.schemas import RootConfig
from rewardlab.training.parts import RunParts
from rewardlab.types import ReplayAgent, TensorObs, Transitions

_AT_ONCE = 4096  # steps
DEMONSTRATED = "demonstrated"  # in `Transitions.extra`, bool [B]: which steps of a minibatch are


class DemonstratedSteps:
    """All of them, drawn uniformly. They are paid the task's reward, and no bonus of the time when steps are played.

    Attributes:
        returns: float32 [B], discounted, of the weighed rewards.

    Raises:
        UserError: no such demonstrations, or they do not fit the environment.
    """

    def __init__(self, config: RootConfig, parts: RunParts, agent: ReplayAgent) -> None:
        options: ReplayConfig = config.agent
        device = torch.device(config.device)
        episodes = options.demonstrations("agent", parts.env.spec).read()
        task = 1.0 if options.bonus == "replayed" else parts.reward_streams[0].weight(0.0)
        self._steps = Replay(episodes.frames, device)
        paid = [episode.task_reward for episode in episodes.episodes]
        if config.env.clip_reward:
            paid = [reward.clamp(-1.0, 1.0) for reward in paid]
        rewards = [task * (at_the_end(reward) if config.env.delayed_reward else reward) for reward in paid]
        self.returns = torch.cat([returns_to_ends(reward, options.gamma) for reward in rewards])
        for episode, shown, reward in zip(episodes.episodes, episodes.shown, rewards, strict=True):
            last = torch.arange(len(episode)) == len(episode) - 1
            extra = agent.columns(len(episode)) | {
                options.kept_as: reward.to(device),
                "terminated": (last & episode.terminated).to(device),
                "truncated": (last & (not episode.terminated)).to(device),
            }
            obs = {name: entry[:-1].to(device) for name, entry in shown.items()}
            following = {name: entry[1:].to(device) for name, entry in shown.items()}
            columns = columns_of(Transitions(obs, episode.action.to(device), extra, following))
            beside = {name: column.unsqueeze(1) for name, column in columns.items()}  # of one environment
            self._steps.add(with_returns(beside, len(episode), options.gamma, options.n_step, options.kept_as))

    def begun_in(self) -> Iterator[TensorObs]:
        """What all of them showed before they were taken, in parts: each entry [B, *shape]."""
        for places in np.array_split(np.arange(len(self._steps)), -(-len(self._steps) // _AT_ONCE)):
            yield self._steps.at(places).obs

    def sample(self, size: int, rng: np.random.Generator) -> Transitions:
        """Demonstrated steps [size], drawn with replacement."""
        steps, _ = self._steps.sample(size, rng)
        discount = steps.extra["discount"]
        steps.extra |= {"weight": torch.ones_like(discount), DEMONSTRATED: torch.ones_like(discount, dtype=torch.bool)}
        return steps

    def beside(self, played: Transitions, size: int, rng: np.random.Generator) -> Transitions:
        """Steps that were played, and after them so many demonstrated ones."""
        played.extra[DEMONSTRATED] = torch.zeros_like(played.extra["discount"], dtype=torch.bool)
        return joined(played, self.sample(size, rng))
