"""A world of a few places in a ring, where one action goes on and the other shows noise."""

import numpy as np
import torch

from rewardlab import discovery, seeding
from rewardlab.types import ActionSpec, BuildContext, EnvSpec, ObsSpec, Rollout

ENVS, PLACES, DOTS = 16, 6, 6
SPEC = EnvSpec("made-up noise", {"vector": ObsSpec((PLACES + DOTS,), "float32")}, ActionSpec(n=2), None)
MOVE, NOISE = 0, 1


def build(name: str, **options: object) -> tuple[object, BuildContext]:
    """The scheme with options, in this world."""
    module = discovery.load("reward", name)
    context = BuildContext(
        SPEC, ENVS, torch.device("cpu"), seeding.torch_rng(0, "world"), seeding.numpy_rng(0, "world"), 0.99
    )
    return module.Scheme(module.Config(plugin=name, **options), context), context


class World:
    """One endless episode of random actions, each as likely."""

    def __init__(self, seed: int = 0) -> None:
        self._rng = np.random.default_rng(seed)
        self._place, self._dots = np.zeros(ENVS, dtype=int), np.zeros((ENVS, DOTS), dtype=np.float32)
        self._begun = False

    def rollout(self, steps: int) -> Rollout:
        action = self._rng.integers(2, size=(steps, ENVS))
        frames = [self._show()]
        for chosen in action:
            self._place = np.where(chosen == MOVE, (self._place + 1) % PLACES, self._place)
            noise = self._rng.integers(2, size=(ENVS, DOTS))
            self._dots = np.where(chosen[:, None] == NOISE, noise, 0).astype(np.float32)
            frames.append(self._show())
        shown = torch.from_numpy(np.stack(frames))
        no = torch.zeros(steps, ENVS, dtype=torch.bool)
        first = no.clone()
        first[0] = not self._begun
        self._begun = True
        return Rollout(
            obs={"vector": shown[:-1]},
            next_obs={"vector": shown[1:]},
            action=torch.from_numpy(action),
            task_reward=torch.zeros(steps, ENVS),
            terminated=no,
            truncated=no,
            success=no,
            first=first,
            last_obs={"vector": shown[-1]},
            last_first=no[0],
            agent_state0=None,
            log_prob=torch.full((steps, ENVS), np.log(0.5)).float(),
            dist={},
            values=torch.zeros(steps + 1, ENVS, 1),
            final_values=torch.zeros(steps, ENVS, 1),
        )

    def _show(self) -> np.ndarray:
        return np.concatenate([np.eye(PLACES, dtype=np.float32)[self._place], self._dots], axis=1)
