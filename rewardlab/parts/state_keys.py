"""What counts as one state: 64-bit keys of what the steps of a rollout reached."""

import numpy as np
import torch

from rewardlab.errors import UserError
from rewardlab.facts import STATE_HASH
from rewardlab.maths.counting import Keys, hash_rows
from rewardlab.maths.distinct import distinct_of
from rewardlab.networks.flat import encode_flat, flat_size
from rewardlab.types import BuildContext, Rollout, State, TensorObs, Transitions

KINDS = ("view", "state", "simhash")
FACT = "privileged."  # what full-state facts are called in `Transitions.extra`


def facts_of(kind: str) -> tuple[str, ...]:
    """The full-state facts that a kind of key reads."""
    return (STATE_HASH,) if kind == "state" else ()


class StateKeys:
    """Keys of three kinds.

    view: the image that the agent sees, every number of it, or the cell of a table. state: the full state, which the
    agent does not see.
    simhash: the signs of random projections of the whole observation, so that similar ones share a key: for pixels and
    vectors, of which no two are the same (Tang et al. 2017).
    """

    def __init__(self, scheme: str, kind: str, bits: int, context: BuildContext) -> None:
        """Args:
        scheme: the name for what is refused.
        bits: number of projections.

        Raises:
            UserError: the key is of the view, and the environment shows no image.
        """
        obs = context.spec.obs
        self._entry = next((name for name in ("image", "cell") if name in obs), "")
        if kind == "view" and not self._entry:
            shown = ", ".join(obs)
            raise UserError(
                f"reward={scheme}: key=view reads the image or the cell, and {context.spec.id} shows {shown};"
                " set key=simhash"
            )
        self._kind, self._spec = kind, obs
        size = flat_size(obs) if kind == "simhash" else 0
        self._projection = torch.randn(size, bits, generator=context.generator)

    def reached(self, rollout: Rollout) -> Keys:
        """Of the true successors, [T, N]."""
        if self._kind == "state":
            return _as_keys(rollout.privileged[STATE_HASH])
        distinct = distinct_of(rollout)
        keys: Keys = self._of(distinct.rows)[distinct.there.cpu().numpy()]
        return keys

    def reached_in(self, steps: Transitions) -> Keys:
        """The same of steps from a replay buffer, [B]."""
        return _as_keys(steps.extra[f"{FACT}{STATE_HASH}"]) if self._kind == "state" else self._of(steps.next_obs)

    def starts(self, rollout: Rollout) -> Keys:
        """Of the states in which episodes begin: [T, N], 0 wherever none does."""
        keys = np.zeros(tuple(rollout.first.shape), dtype=np.int64)
        first = rollout.first
        if self._kind == "state":
            keys[first.cpu().numpy()] = _as_keys(rollout.current_privileged[STATE_HASH][first])
        elif bool(first.any()):
            distinct = distinct_of(rollout)
            keys[first.cpu().numpy()] = self._of(distinct.rows)[distinct.here[:-1][first].cpu().numpy()]
        return keys

    def _of(self, obs: TensorObs) -> Keys:
        """Observations [..., *shape] -> keys [...]."""
        if self._kind == "view":
            seen, dims = obs[self._entry], len(self._spec[self._entry].shape)
            return hash_rows(seen.flatten(seen.dim() - dims).cpu().numpy())
        signs = encode_flat(obs, self._spec).cpu() @ self._projection >= 0
        return hash_rows(signs.to(torch.uint8).numpy())

    def state_dict(self) -> State:
        return {"projection": self._projection.clone()}

    def load_state_dict(self, state: State) -> None:
        self._projection = state["projection"].to("cpu", copy=True)


def _as_keys(hashes: torch.Tensor) -> Keys:
    return hashes.cpu().numpy().astype(np.int64, copy=False)
