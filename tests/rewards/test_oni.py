"""ONI and Motif: what captions are worth, and what steps are paid for them."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from captioned_play import played
from made_up import case, rollouts

from rewardlab.config.composition import compose
from rewardlab.contracts.state_laws import NUM_ENVS
from rewardlab.language.captions import Captions
from rewardlab.language.judges import Question
from rewardlab.maths.captions import COLOURS, KINDS
from rewardlab.parts.models.caption_model import CaptionModel
from rewardlab.rewards.language.caption_rewards import Offline, Ranking, columns, pair_of, pair_text
from rewardlab.run import run
from rewardlab.schemas import check
from rewardlab.types import Rollout


def labelled(scheme: object, seen: object, answer: bool = True) -> None:
    scheme.annotator.answers |= dict.fromkeys(seen.distinct.tolist(), answer)


def test_a_caption_pays_its_label_over_the_third_power_of_its_count_by_hand() -> None:
    """A A B A, each labelled 1; and then the next episode begins anew."""
    ours = case("oni", caption="event", count="caption")
    scheme, _ = ours.build()
    rollout = rollouts(ours, 5)[0]
    turned, bumped = 0, 2  # actions; whoever stays where he was and goes forward has bumped into something
    for facts in (rollout.current_privileged, rollout.privileged):
        for name in ("ahead", "held", "agent_pos"):
            facts[name] = torch.ones_like(facts[name])
    rollout.action[:] = torch.tensor([turned, turned, bumped, turned, turned])[:, None]
    rollout.first[:] = torch.tensor([True, False, False, False, True])[:, None]
    labelled(scheme, Captions("event").of(rollout))
    paid = scheme.compute(rollout).streams["intrinsic"]
    expected = torch.tensor([1.0, 1 / 8, 1.0, 1 / 27, 1.0])[:, None].expand(5, NUM_ENVS)
    torch.testing.assert_close(paid, expected.contiguous())


@pytest.fixture(scope="module")
def play() -> Rollout:
    return played("keycorridor_s3r3", 90, NUM_ENVS)


@pytest.mark.parametrize(("caption", "count"), [("event", "event"), ("view", "caption"), ("both", "event")])
def test_what_retrieval_pays_is_recomputed_step_by_step(caption: str, count: str, play: Rollout) -> None:
    scheme, _ = case("oni", caption=caption, count=count, per_iteration=300, error=0.2).build()
    seen = Captions(caption).of(play)
    keys = seen.events if count == "event" else seen.keys
    assert not scheme.compute(play).streams["intrinsic"].any()  # nothing is answered yet
    told = scheme.update(play)
    assert set(told) == set(scheme.metrics) and told["annotate/coverage"] == 0.0
    counts: list[dict[int, int]] = [{} for _ in range(NUM_ENVS)]
    paid = scheme.compute(play).streams["intrinsic"]
    for t in range(len(keys)):
        for env in range(NUM_ENVS):
            if play.first[t, env]:
                counts[env] = {0 if count == "event" else int(seen.begun[t, env]): 1}
            key = int(keys[t, env])
            counts[env][key] = counts[env].get(key, 0) + 1
            label = scheme.annotator.answers.get(int(seen.keys[t, env]))
            assert paid[t, env] == pytest.approx(float(bool(label)) / counts[env][key] ** 3, rel=1e-6)
    assert (paid > 0).sum() > 10 and 0.0 < told["annotate/f1"] < 1.0
    assert scheme.update(play)["annotate/coverage"] == pytest.approx(min(1.0, 300 / len(seen.distinct)), abs=0.5)


def test_a_classifier_pays_captions_that_have_no_label(play: Rollout) -> None:
    scheme, _ = case("oni", variant="classification", caption="event", steps=8).build()
    things = [f"the {colour} {kind}" for colour in COLOURS for kind in KINDS]
    words = [f"{verb} {thing}" for thing in things for verb in ("opened", "bumped into")]
    assert not scheme.compute(play).streams["intrinsic"].any()  # too few labels of both
    said = [("YES", "NO") if text.startswith("opened") else ("NO", "YES") for text in words]
    scheme.annotator.put([Question(-1 - at, text, *said[at]) for at, text in enumerate(words)])
    scheme.worth.learn(scheme.annotator.step())
    for _ in range(3):
        scheme.worth.learn(scheme.annotator.step())
    assert scheme.annotator.metrics()["annotate/labelled"] == len(words) == 132
    seen = Captions("event").of(play)
    paid, texts = scheme.worth.of(seen), [seen.text(at) for at in seen.first.tolist()]
    expected = [text.startswith("opened") for text in texts if text.startswith(("opened", "bumped"))]
    assert len(set(expected)) == 2
    assert [bool(paid[at]) for at, text in enumerate(texts) if text.startswith(("opened", "bumped"))] == expected


def test_the_score_of_a_caption_is_its_own_whatever_stands_beside_it() -> None:
    model = CaptionModel(1e-4, None, torch.Generator().manual_seed(0))
    texts = ["", "no", "turned", "opened the red door", "a" * 400]
    alone = torch.cat([model.score([text]) for text in texts])
    torch.testing.assert_close(model.score(texts), alone, rtol=1e-5, atol=1e-6)
    assert len(set(alone.tolist())) == len(texts)


def test_a_ranking_prefers_what_helps_and_may_be_normalised(play: Rollout) -> None:
    made = case("oni", variant="ranking", caption="event", per_iteration=60, steps=10, learning_rate=1e-3)
    scheme, _ = made.build()
    assert not scheme.compute(play).streams["intrinsic"].any()
    for _ in range(4):
        told = scheme.update(play)
    assert told["loss/oni"] < 0.5  # of ties no more than log 2 can be had
    seen = Captions("event").of(play)
    truth = np.array([seen.helpful(at) for at in seen.first.tolist()])
    scores = scheme.worth.of(seen).numpy()
    assert scores[truth].min() > scores[~truth].max()
    worth: Ranking = scheme.worth
    worth._floor = -0.5
    weights = np.bincount(seen.place.ravel())
    mean = np.average(scores, weights=weights)
    by_hand = (scores - mean) / np.sqrt(np.average((scores - mean) ** 2, weights=weights))
    np.testing.assert_allclose(worth.of(seen), np.where(by_hand < -0.5, 0.0, by_hand), rtol=1e-3, atol=1e-4)
    worth._floor = 0.0
    assert worth.of(seen).min() == 0.0


def test_motif_learns_pairs_and_pays_what_lies_above_their_median(play: Rollout) -> None:
    seen = Captions("event").of(play)
    texts = [seen.text(at) for at in seen.first.tolist()]
    helps = [seen.helpful(at) for at in seen.first.tolist()]
    rng = np.random.default_rng(0)
    drawn = [rng.choice(len(texts), 2, replace=False).tolist() for _ in range(300)]
    pairs = [(texts[one], texts[other], 0.5 + (int(helps[one]) - int(helps[other])) / 2) for one, other in drawn]
    generator = torch.Generator().manual_seed(0)
    model = CaptionModel(1e-3, 10.0, generator)
    offline = Offline(pairs, model, 12, 64, generator)
    paid, told = offline.of(seen).numpy(), offline.learn([])
    ties = np.mean([preferred == 0.5 for *_, preferred in pairs]) * np.log(2)
    assert told["loss/oni"] < ties + 0.25 and told["loss/oni_heldout"] < ties + 0.25
    scores, taught = (
        model.score(part).numpy() for part in (texts, sorted({text for pair in pairs for text in pair[:2]}))
    )
    by_hand = (scores - taught.mean()) / taught.std()
    least = np.quantile((taught - taught.mean()) / taught.std(), 0.5)
    np.testing.assert_allclose(paid, np.where(by_hand < least, 0.0, by_hand), rtol=1e-3, atol=1e-4)
    assert scores[helps].min() > scores[np.logical_not(helps)].max()
    again = Offline(pairs, CaptionModel(1e-3, 10.0, generator), 12, 64, generator)
    again.load_state_dict(offline.state_dict())
    np.testing.assert_array_equal(again.of(seen), paid)
    assert pair_of(pair_text("a: 1", "b\t2")) == ("a: 1", "b\t2") and pair_of("turned") is None
    assert columns(pairs, [3])[:2] == ([pairs[3][0]], [pairs[3][1]])


def test_a_run_of_pairs_teaches_motif(tmp_path: Path) -> None:
    """Two runs: pairs are gathered by a policy that they do not pay, then paid offline."""
    played = tmp_path / "pairs"
    small = ["env=doorkey_5x5", "reward=oni", "num_envs=8", "frames=1024", "eval.episodes=2", f"results_dir={played}"]
    pairs = ["reward.variant=ranking", "reward.caption=event"]
    gathered = compose([*small, *pairs, "reward.per_iteration=50", "reward.coef=0"])
    assert run(gathered) == 0
    table = (gathered.folder / "annotations.csv").read_text()
    assert table.startswith("iteration,question,answer,model") and '"1: ' in table
    offline = [*pairs, f"reward.offline='{gathered.folder}'", "reward.epochs=2"]
    motif = compose([*small, *offline])
    assert run(motif) == 0 and not (motif.folder / "annotations.csv").exists()
    told = pd.read_csv(motif.folder / "train.csv").iloc[-1]
    # What the pairs took is told of the run that they teach.
    assert told["loss/oni_heldout"] > 0 and told["annotate/calls"] == len(
        pd.read_csv(gathered.folder / "annotations.csv")
    )
    from_all = [*small, *pairs, f"reward.offline='{played}'", f"results_dir={tmp_path}/paid"]
    before = compose(from_all).setting_id
    with (gathered.folder / "annotations.csv").open("a") as file:
        file.write('0,"1: a\n2: b",1,m,0,0,0.0\n')
    assert compose(from_all).setting_id != before  # other pairs, another setting


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"llm": "gpt"}, "llm=gpt: no such language model"),
        ({"llm": "recorded"}, "name its folder"),
        ({"llm": "scripted:here"}, "has no folder"),
        ({"llm": "openai"}, "model=null: name it"),
        ({"model": "m"}, "only with reward.llm=openai"),
        ({"llm": "openai", "model": "m", "error": 0.1}, "error=0.1: only with reward.llm=scripted"),
        ({"base_url": "http://localhost"}, "only with reward.llm=openai"),
        ({"normalise": True}, "only with reward.variant=ranking"),
        ({"floor": 0.0, "variant": "ranking"}, "floor=0: only with reward.normalise=true"),
        ({"offline": "nowhere"}, "only with reward.variant=ranking"),
        ({"offline": "nowhere", "variant": "ranking"}, "offline=nowhere: holds no annotations.csv"),
        ({"offline": "d", "variant": "ranking", "error": 0.1}, "error=0.1: nobody is asked with reward.offline"),
        ({"offline": "d", "variant": "ranking", "wait": False}, "wait=false: nobody is asked with reward.offline"),
        ({"caption": "view"}, "set reward.count=caption"),
        ({"error": 2.0}, "at most 1"),
    ],
)
def test_bad_options_are_refused_in_one_line(options: dict[str, object], problem: str) -> None:
    from rewardlab.errors import UserError
    from rewardlab.rewards.language.oni import Config

    with pytest.raises(UserError, match=problem):
        check(Config(**options), "reward.")
