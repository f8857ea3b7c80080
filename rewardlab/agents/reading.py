"""How an agent with networks reads what it is shown: the options that all of them have."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from rewardlab.networks.picture import GLYPHS, NETWORKS, network_for
from rewardlab.schemas import RootConfig, option

_WIDEST = 65536  # a layer


class Reading(Protocol):
    """Options with which network and encoding are chosen."""

    network: str
    encoding: str


def network_option() -> Any:
    return option(
        "auto",
        "mlp on the flattened image, cnn, IMPALA's, or of NetHack's glyphs;"
        " auto: convolutions for pictures from 28 x 28 on and for glyphs, else mlp",
        choices=NETWORKS,
    )


def encoding_option() -> Any:
    return option("raw", "how the mlp sees an image: numbers, or values told apart", choices=("raw", "onehot"))


def check_encoding(options: Reading) -> None:
    """Raises:
    ValueError: the encoding is not of this network.
    """
    if options.encoding == "onehot" and options.network not in ("auto", "mlp"):
        raise ValueError("encoding=onehot: only with network=mlp")


def check_widths(key: str, widths: Sequence[int]) -> None:
    """Raises:
    ValueError: there are no layers, or one is too narrow or too wide.
    """
    if not widths or not all(1 <= width <= _WIDEST for width in widths):
        raise ValueError(f"{key}={list(widths)}: one width at least, from 1 to {_WIDEST}")


def settle_network(options: Reading, setting: RootConfig) -> None:
    """Put the network that `auto` means into its place: see `PluginConfig.settle`."""
    if options.network == "auto" and setting.env.SHOWS_GLYPHS:
        options.network = GLYPHS
    elif options.network == "auto":
        options.network = network_for(setting.env.picture() if options.encoding == "raw" else None)
