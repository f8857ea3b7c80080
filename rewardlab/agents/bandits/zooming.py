"""Zooming: a bandit rule for arms that lie on a line, where near ones pay alike: it tries more where more is paid

Paper: Kleinberg, Slivkins and Upfal 2008, Multi-armed bandits in metric spaces; as in Slivkins 2019 (arXiv:1904.07272)

For `env=bandit_lipschitz`, whose arms are points from 0 to 1. Around an active point of n pulls lies a ball of radius r
= sqrt(2 ln T / (n + 1)). Before each pull, the first point that lies in no ball is made active, if there is one. The
active point of the largest mean + 2 r is pulled. PyXAB's Zooming, with a tree of regions and sqrt(8 i / (2 + n)) for
the radius, is another algorithm.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rewardlab.agents import random
from rewardlab.agents.bandits.base import CompiledRule
from rewardlab.errors import UserError
from rewardlab.maths import bandits
from rewardlab.types import BuildContext, StreamSpec

VERSION = 1


@dataclass
class Config(random.Config):
    pass


class Agent(CompiledRule):
    def __init__(self, config: Config, context: BuildContext, streams: tuple[StreamSpec, ...]) -> None:
        super().__init__(config, context, streams, bandits.ZOOMING)
        features = self.known.features
        if features is None or not np.array_equal(features, np.linspace(0.0, 1.0, self.arms)[:, None]):
            raise UserError(f"agent=zooming: arms of {context.spec.id} lie on no line; use env=bandit_lipschitz")
