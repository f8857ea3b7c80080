"""What networks read observations with."""

from __future__ import annotations

from torch import nn

from rewardlab.networks.encoder import Encoder
from rewardlab.networks.standardised import Standardised
from rewardlab.types import CANDIDATES, MASK, TensorObs


class Reader(nn.Module):
    """A network that begins with an encoder.

    Attributes:
        standardised: the scale of what is observed; None: it stays as it is.
    """

    encoder: Encoder
    standardised: Standardised | None

    def prepare(self, obs: TensorObs) -> TensorObs:
        """What `forward` takes, from observations [..., *shape]: the work that is the same for every pass.

        `MASK` and `CANDIDATES` go along as they are, for whoever acts.
        """
        prepared = self.encoder.prepare(obs if self.standardised is None else self.standardised(obs))
        return prepared | {name: obs[name] for name in (MASK, CANDIDATES) if name in obs}
