"""Random play of MiniGrid, with the facts that captions are made of."""

import numpy as np
import torch

from rewardlab.config.composition import compose
from rewardlab.language.captions import FACTS
from rewardlab.training.environments import make_training_env
from rewardlab.types import Rollout


def played(env: str, steps: int, num_envs: int, backend: str = "auto", seed: int = 0) -> Rollout:
    """A rollout of random play, with what captions read."""
    config = compose([f"env={env}", "reward=oni", f"num_envs={num_envs}", f"env.backend={backend}"]).config
    world = make_training_env(config)
    rng = np.random.default_rng(seed)
    kept: dict[str, list[torch.Tensor]] = {}
    obs, before, first = world.reset(list(range(num_envs))), world.privileged(), np.ones(num_envs, bool)
    for _ in range(steps):
        action = rng.choice(7, p=[0.12, 0.12, 0.4, 0.12, 0.02, 0.2, 0.02], size=num_envs)
        batch = world.step(action)
        parts = {"image": obs["image"], "next": batch.next_obs["image"], "action": action, "first": first}
        parts |= {f"before.{name}": before[name] for name in FACTS}
        parts |= {f"after.{name}": batch.privileged[name] for name in FACTS}
        for name, entry in parts.items():
            kept.setdefault(name, []).append(torch.from_numpy(np.array(entry)))
        obs, before, first = batch.obs, world.privileged(), batch.terminated | batch.truncated
    world.close()
    rows = {name: torch.stack(entries) for name, entries in kept.items()}
    none = torch.zeros(steps, num_envs)
    return Rollout(
        obs={"image": rows["image"]},
        next_obs={"image": rows["next"]},
        action=rows["action"],
        task_reward=none,
        terminated=none.bool(),
        truncated=none.bool(),
        success=none.bool(),
        first=rows["first"],
        last_obs={"image": torch.from_numpy(np.array(obs["image"]))},
        last_first=torch.from_numpy(first),
        agent_state0=None,
        privileged={name: rows[f"after.{name}"] for name in FACTS},
        current_privileged={name: rows[f"before.{name}"] for name in FACTS},
    )
