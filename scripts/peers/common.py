"""What the comparisons with peers share: the setting, the networks, and CPU seconds."""

import os
from pathlib import Path

ENVS, STEPS, EPOCHS, MINIBATCH = 16, 128, 4, 256
FRAMES = ENVS * STEPS


def torch_ac_algorithm(envs: list):  # type: ignore[no-untyped-def]
    """torch-ac's PPO on these environments, with the network of rl-starter-files."""
    import torch
    import torch_ac as library

    class Model(torch.nn.Module, library.ACModel):
        def __init__(self, actions: int) -> None:
            super().__init__()
            self.trunk = convolutions()
            self.actor, self.critic = head(actions), head(1)

        def forward(self, obs):  # type: ignore[no-untyped-def]
            features = self.trunk(obs.image.permute(0, 3, 1, 2))
            return torch.distributions.Categorical(logits=self.actor(features)), self.critic(features).squeeze(1)

    def preprocess(observations, device=None):  # type: ignore[no-untyped-def]
        import numpy

        images = numpy.array([observation["image"] for observation in observations])
        return library.DictList({"image": torch.tensor(images, device=device, dtype=torch.float)})

    return library.PPOAlgo(
        envs, Model(7), None, STEPS, recurrence=1, epochs=EPOCHS, batch_size=MINIBATCH, preprocess_obss=preprocess
    )


def convolutions():  # type: ignore[no-untyped-def]
    """The network of rl-starter-files on the 7x7x3 view."""
    from torch import nn

    layers = [nn.Conv2d(3, 16, 2), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(16, 32, 2), nn.ReLU()]
    return nn.Sequential(*layers, nn.Conv2d(32, 64, 2), nn.ReLU(), nn.Flatten())


def head(outputs: int):  # type: ignore[no-untyped-def]
    from torch import nn

    return nn.Sequential(nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, outputs))


def cpu_seconds() -> float:
    """Of this process and of its children, which torch-ac's environments are."""
    mine = os.getpid()
    total = cpu_of(mine)
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            if int(stat.read_text().rsplit(")", 1)[1].split()[1]) == mine:
                total += cpu_of(int(stat.parent.name))
        except OSError:
            continue  # it has just ended
    return total


def cpu_of(process_id: int) -> float:
    fields = Path(f"/proc/{process_id}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def children_cpu() -> float:
    times = os.times()
    return times.children_user + times.children_system
