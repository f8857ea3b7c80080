"""The options of every agent that learns from a data set alone."""

from __future__ import annotations

from dataclasses import dataclass

from rewardlab.agents.reading import check_encoding, check_widths, encoding_option, network_option, settle_network
from rewardlab.datasets.demonstrations import DemonstrationFile
from rewardlab.errors import UserError
from rewardlab.networks.encoder import Encoder
from rewardlab.networks.picture import resolved
from rewardlab.networks.standardised import StandardisedOnce
from rewardlab.schemas import AgentConfig, RootConfig, option
from rewardlab.types import BuildContext, EnvSpec

_LABELLED = "otr"  # whose paper learns from rewards on a scale of their own


@dataclass
class OfflineConfig(AgentConfig):
    """`frames` counts gradient steps times `batch_size`: no step of the environment is taken."""

    data: str | None = option(
        None, "the data set to learn from: a folder that rewardlab demos made, or one of Minari's", dataset=True
    )
    data_episodes: int | None = option(None, "only its first so many episodes; null: all", above=0)
    batch_size: int = option(256, "steps of a gradient step; each counts as a frame", above=0, maximum=10**6)
    reward_scale: str = option(
        "auto",
        "returns: rewards times 1000 / (highest - lowest return of an episode); auto: so with reward=otr",
        choices=("auto", "none", "returns"),
    )

    def settle(self, setting: RootConfig) -> None:
        if self.reward_scale == "auto":
            self.reward_scale = "returns" if setting.reward.plugin == _LABELLED else "none"
        setting.num_envs = 1  # nothing is played; schemes see the data as what one environment played

    def stored(self, spec: EnvSpec) -> DemonstrationFile:
        """The data set, which must be one.

        Raises:
            UserError: there is none, or it does not fit the environment.
        """
        if self.data is None:
            raise UserError(
                f"agent={self.name or self.plugin}: learns from a data set alone: agent.data=DIR, such as rewardlab"
                " demos makes"
            )
        return DemonstrationFile("agent.data", self.data, spec, self.data_episodes)


@dataclass
class NetworkConfig(OfflineConfig):
    """Those of an agent with networks, each with an encoder of its own."""

    learning_rate: float = option(3e-4, "Adam's step size, of every network", above=0)
    network: str = network_option()
    encoding: str = encoding_option()
    normalise_observation: bool = option(True, "floats by their mean and std in the data")
    hidden: list[int] = option([256, 256], "widths of the layers")

    def validate(self) -> None:
        check_widths("hidden", self.hidden)
        check_encoding(self)

    def settle(self, setting: RootConfig) -> None:
        super().settle(setting)
        settle_network(self, setting)

    def encoder(self, context: BuildContext) -> Encoder:
        """A new one."""
        shown = context.spec.obs
        return Encoder(shown, resolved(self.network, self.encoding, shown), self.encoding, context.generator)

    def scale(self, context: BuildContext) -> StandardisedOnce | None:
        """What observations are scaled by, before any data; its networks share it."""
        return StandardisedOnce(context.spec.obs).to(context.device) if self.normalise_observation else None
