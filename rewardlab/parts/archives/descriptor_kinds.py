"""Which descriptor an agent's options name: the one place that knows all of them."""

from __future__ import annotations

from typing import Any

from rewardlab.parts.archives.descriptors import Last, Places, Signatures
from rewardlab.types import BuildContext


def make_descriptor(options: Any, context: BuildContext) -> Any:
    """The descriptor that an agent's options name, a `Descriptor`.

    Args:
        options: `DescriptorOptions`, or without those of the kinds that are not `BOUNDED`.
    """
    spec, name, kind = context.spec, options.name, options.descriptor
    if kind == "last":
        return Last(spec, name)
    if kind == "signature":
        return Signatures(spec, name, options.signature_order, options.signature_log, options.signature_time)
    if kind == "autoencoder":
        from rewardlab.parts.archives.learned_descriptor import Codes  # torch models are built where they are wanted

        return Codes(options, context)
    return Places(spec, name, options.samples if kind == "samples" else 1)
