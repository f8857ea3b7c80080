"""NetHack's screen in networks: codes, both encoders, flat observations, and what is refused."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional

from rewardlab.contracts.state_laws import NUM_ENVS, new_context
from rewardlab.contracts.worlds import Renderer, write_script
from rewardlab.errors import UserError
from rewardlab.maths.glyph_codes import cell_codes, message_codes
from rewardlab.maths.nethack import BLANK
from rewardlab.networks.encoder import Encoder
from rewardlab.networks.flat import encode_flat, flat_size
from rewardlab.networks.glyphs import Letters
from rewardlab.networks.picture import flat_network, resolved
from rewardlab.parts.state_keys import StateKeys
from rewardlab.rewards.bonus import count, e3b, icm, noveld, re3, ride, rnd
from rewardlab.types import ActionSpec, EnvSpec, ObsSpec, Rollout

SPEC = {
    "glyphs": ObsSpec((21, 79), "int16", 5975),
    "crop": ObsSpec((9, 9), "int16", 5975),
    "vector": ObsSpec((39,), "float32"),
    "message": ObsSpec((256,), "uint8", 255),
}
CROP = {name: spec for name, spec in SPEC.items() if name != "glyphs"}


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def observation(batch: int = 4, spec=SPEC):
    rng = seeded(1)
    obs = {}
    for name, entry in spec.items():
        if entry.high:
            dtype = getattr(torch, entry.dtype)
            obs[name] = torch.randint(1, entry.high + 1, (batch, *entry.shape), generator=rng).to(dtype)
        else:
            obs[name] = torch.randn(batch, *entry.shape, generator=rng)
    obs["message"][:, 40:] = 0
    obs["message"][2] = obs["message"][0]
    return obs


def test_codes_tell_glyphs_apart_and_not_by_their_numbers() -> None:
    codes = cell_codes(torch.arange(5976))
    assert not codes[BLANK].any()
    distances = torch.cdist(codes, codes)
    distances.fill_diagonal_(math.inf)
    assert distances.min() > 0.05
    near, far = distances.diagonal(1), distances.diagonal(3000)
    assert near.mean() == pytest.approx(float(far.mean()), rel=0.05), "neighbours are no more alike than others"
    assert near.mean() == pytest.approx(math.sqrt(2 * 8), rel=0.05)
    small = cell_codes(torch.tensor([[5, BLANK]], dtype=torch.int16))
    assert small.shape == (1, 2, 8) and torch.equal(small[0, 0], codes[5])


def test_a_message_s_code_is_a_sum_over_its_letters() -> None:
    letters = torch.zeros(3, 256, dtype=torch.uint8)
    letters[1, 7], letters[2, 7], letters[2, 9] = 65, 65, 66
    alone = torch.zeros(256, dtype=torch.uint8)
    alone[9] = 66
    codes = message_codes(letters)
    assert codes.shape == (3, 64) and not codes[0].any()
    torch.testing.assert_close(codes[2], codes[1] + message_codes(alone))
    moved = torch.zeros(256, dtype=torch.uint8)
    moved[8] = 65
    assert not torch.allclose(message_codes(moved), codes[1]), "places count"


def test_flat_observations_hold_codes() -> None:
    obs = observation()
    flat = encode_flat(obs, SPEC)
    assert flat.shape == (4, flat_size(SPEC)) == (4, 8 * (21 * 79 + 81) + 39 + 64)
    cells = 8 * 21 * 79
    torch.testing.assert_close(flat[:, :cells], cell_codes(obs["glyphs"]).flatten(1))
    torch.testing.assert_close(flat[:, -64:], message_codes(obs["message"]))
    network = flat_network(SPEC, (16, 8), seeded(), beside=5)
    beside = torch.randn(4, 5, generator=seeded(2))
    out = network(torch.cat([flat, beside], dim=-1))
    assert out.shape == (4, 8)
    assert not torch.allclose(out, network(torch.cat([flat, beside + 1], dim=-1)))
    wide = [weight.shape[1] for weight in network.parameters() if weight.dim() == 2]
    assert max(wide) < 2000, "no layer reads the map's cells without convolutions"
    leading = network(torch.cat([flat, beside], dim=-1).view(2, 2, -1))
    torch.testing.assert_close(leading.flatten(0, 1), out)


@pytest.mark.parametrize("spec", [SPEC, CROP], ids=["both", "crop"])
@pytest.mark.parametrize("kind", ["glyphs", "glyphs_small"])
def test_an_encoder_reads_every_entry(kind: str, spec) -> None:
    spec = {name: entry for name, entry in spec.items() if (kind, name) != ("glyphs", "glyphs")}  # 14M weights
    encoder, obs = Encoder(spec, kind, "raw", seeded()), observation(spec=spec)
    found = encoder(encoder.prepare(obs))
    assert found.shape == (4, encoder.size)
    for name in spec:
        changed = {**obs, name: obs[name].clone()}
        changed[name][0] = changed[name][1]
        other = encoder(encoder.prepare(changed))
        assert not torch.allclose(other[0], found[0]) and torch.allclose(other[1:], found[1:], atol=1e-5), name


def test_published_sizes() -> None:
    sizes = {"glyphs": ObsSpec((21, 79), "int16", 3)} | CROP  # few glyphs: their table is not what is counted
    encoder = Encoder(sizes, "glyphs", "raw", seeded())
    features = {name: part.size for name, part in encoder.parts.items()}
    assert features == {"glyphs": 8 * 21 * 79, "crop": 8 * 81, "vector": 64, "message": 64} and encoder.size == 1024
    maps = [layer.weight.shape for layer in encoder.parts["glyphs"].layers if hasattr(layer, "weight")]
    assert [tuple(shape[:2]) for shape in maps] == [(16, 64), (16, 16), (16, 16), (16, 16), (8, 16)]
    assert encoder.parts["message"].last[0].in_features == 5 * 64


def test_equal_messages_are_read_once_and_alike() -> None:
    letters, obs = Letters(SPEC["message"], seeded()), observation()["message"]
    read: list[int] = []
    letters.read, plain = lambda rows: (read.append(len(rows)), plain(rows))[1], letters.read
    found = letters(obs)
    assert read == [3]
    torch.testing.assert_close(found, plain(obs))


def test_what_does_not_fit_is_refused() -> None:
    assert resolved("auto", "raw", SPEC) == resolved("auto", "onehot", CROP) == "glyphs_small"
    for kind in ("mlp", "cnn"):
        with pytest.raises(UserError, match=rf"^agent.network={kind}: reads no glyphs; use agent"):
            Encoder(SPEC, kind, "raw", seeded())
    with pytest.raises(UserError, match=r"^agent.network=glyphs: the environment shows no glyphs"):
        Encoder({"vector": SPEC["vector"]}, "glyphs", "raw", seeded())


@pytest.fixture(scope="module")
def rollouts() -> tuple[EnvSpec, Rollout]:
    spec = EnvSpec("made-up NetHack", CROP, ActionSpec(n=8), max_steps=100, privileged=("agent_pos", "state_hash"))
    script = write_script(np.random.default_rng(0), spec, 8, NUM_ENVS)
    return spec, Renderer(spec, 0).rollout(script)


@pytest.mark.parametrize("module", [e3b, icm, noveld, re3, ride, rnd], ids=lambda m: m.__name__.rpartition(".")[2])
def test_bonuses_read_glyphs_and_learn(module, rollouts) -> None:
    spec, rollout = rollouts
    scheme = module.Scheme(module.Config(plugin=module.__name__.rpartition(".")[2]), new_context(spec))
    for _ in range(2):
        (paid,) = (stream for name, stream in scheme.compute(rollout).streams.items() if name != "task")
        assert paid.shape == (8, NUM_ENVS) and torch.isfinite(paid).all()
        scheme.update(rollout)


def test_the_published_encoder_of_e3b(rollouts) -> None:
    """Its features by the parts' own weights; it learns embeddings; where there are no glyphs it is refused."""
    spec, rollout = rollouts
    config = e3b.Config(plugin="e3b", network="published", hidden=32, features=24, warmup=0)
    scheme = e3b.Scheme(config, new_context(spec))
    encoder = scheme.features.inverse.encoder
    network, obs = encoder.layers[0], {name: entry[0] for name, entry in rollout.obs.items()}
    cells = network.parts["crop"].embedding[obs["crop"].long()].permute(0, 3, 1, 2)
    for layer in network.parts["crop"].layers:
        if isinstance(layer, torch.nn.Conv2d):
            cells = functional.elu(functional.conv2d(cells, layer.weight, layer.bias, padding=1))
    read = [cells.flatten(1), network.parts["vector"](obs["vector"]), network.parts["message"](obs["message"])]
    for layer in (network.last[0], network.last[2]):
        read = [functional.relu(functional.linear(torch.cat(read, dim=1), layer.weight, layer.bias))]
    torch.testing.assert_close(scheme.features(obs), read[0])
    assert read[0].shape == (NUM_ENVS, 24)
    before = [weight.clone() for weight in network.parameters()]
    losses = [scheme.update(rollout)["loss/e3b_inverse"] for _ in range(30)]
    assert losses[-1] < losses[0] - 0.2
    assert all(not torch.equal(old, new) for old, new in zip(before, network.parameters(), strict=True))
    plain = replace(spec, obs={"vector": spec.obs["vector"]})
    with pytest.raises(UserError, match=r"^reward.network=published: the environment shows no glyphs; use reward"):
        e3b.Scheme(config, new_context(plain))


def test_counts_by_map_place_and_message(rollouts) -> None:
    spec, rollout = rollouts
    context = new_context(spec)
    keys = {
        kind: StateKeys("count", count.Config(key=kind, bits=16), context).reached(rollout)
        for kind in ("view", "place", "message")
    }
    entries = {name: rollout.next_obs[entry] for name, entry in (("view", "crop"), ("message", "message"))}
    entries["place"] = rollout.privileged["agent_pos"]
    for kind, found in keys.items():
        rows = entries[kind].flatten(2).flatten(0, 1)
        same = (rows[:, None] == rows[None]).all(dim=-1)
        told = torch.from_numpy(found.reshape(-1))
        assert torch.equal(told[:, None] == told[None], same), kind
