"""The options of every agent that learns from replay: how steps are kept, drawn and paid.

Demonstrations stay beside the buffer for the whole run, as in Vecerik et al. 2017 (DDPGfD, arXiv:1707.08817), and a
fixed share of each minibatch is drawn from them, uniformly, as in Paine et al. 2019 (R2D3, arXiv:1909.01387).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from rewardlab.datasets.options import DemosConfig
from rewardlab.parts.buffers.causal_swap import MODES
from rewardlab.schemas import option


@dataclass
class ReplayConfig(DemosConfig):
    REPLAYS = True

    rollout_steps: int = option(4, "steps of each environment between rounds of learning", above=0)
    buffer_size: int = option(
        100_000, "steps kept, in memory and in the replay file; two observations each", above=0, maximum=10**8
    )
    learning_starts: int = option(1000, "steps in the buffer before learning begins", above=0)
    batch_size: int = option(256, "steps of a gradient step", above=0)
    samples_per_step: float = option(8.0, "how often a step is replayed, on average, for each one played", above=0)
    n_step: int = option(1, "rewards summed up before the value of what follows is trusted", above=0)
    prioritised: bool = option(False, "draw steps by how much was to be learned from them; false: uniformly")
    priority_alpha: float = option(0.6, "prioritised: how much that counts", minimum=0)
    priority_beta: float = option(
        0.4, "prioritised: how much weights correct for it at first; fully at the end", minimum=0, maximum=1
    )
    demos_share: float = option(
        0.25, "demos: share of each minibatch that is drawn from them", minimum=0, maximum=1, neutral=0.25
    )
    demos_pretrain: int = option(0, "demos: gradient steps on them alone before training", minimum=0, neutral=0)
    bonus: str = option(
        "collected",
        "which bonus a replayed step has: the one when it was played, or the scheme's of now",
        choices=("collected", "replayed"),
    )

    causal_swap: str = option(
        "none",
        "swap a number of vector between halves of a minibatch: that of the least effect on what is paid; random: any",
        choices=MODES,
        neutral="none",
    )
    causal_every: int = option(
        10_000, "causal_swap, causal_actions: steps played between estimates", above=0, neutral=10_000
    )
    normalise_reward: bool = option(
        False, "divide replayed rewards by the running std of the return, if above 1", neutral=False
    )

    @property
    def kept_as(self) -> str:
        """The column of the buffer that tells what a step was paid: `reward`, the sum of all streams, weighed; or
        `task_reward`, the task's alone, where the rest is paid when a step is drawn.
        """
        return "reward" if self.bonus == "collected" else "task_reward"

    @property
    def weighs_actions(self) -> bool:
        """Whether minibatches tell how much each action counts: in `extra`, action_weight [B, A]."""
        return False

    def validate(self) -> None:
        if self.bonus == "replayed" and self.n_step > 1:
            raise ValueError(f"n_step={self.n_step}: bonus=replayed pays single steps; set n_step=1 or bonus=collected")
        for key, plain in (("demos_episodes", None), ("demos_levels", None), ("demos_pretrain", 0)):
            if self.demos is None and getattr(self, key) != plain:
                raise ValueError(f"{key}={getattr(self, key)}: only with demos=DIR")
        if self.prioritised and self.demos is not None and round(self.demos_share * self.batch_size) == self.batch_size:
            raise ValueError(f"demos_share={self.demos_share:g}: leaves no step to draw by priority; prioritised=false")
        if self.causal_every != 10_000 and self.causal_swap != "least" and not self.weighs_actions:
            raise ValueError(
                f"causal_every={self.causal_every}: only with causal_swap=least, or causal_actions=true of agent=sac"
            )
        if self.learning_starts > self.buffer_size:
            raise ValueError(
                f"learning_starts={self.learning_starts}: more than buffer_size={self.buffer_size} will ever hold"
            )


def optimism_option() -> Any:
    """Of agents that maximise to explore."""
    return option(0.0, "weight in the loss of what the policy's own actions are worth; 0: off", minimum=0, neutral=0.0)
