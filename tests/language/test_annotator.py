"""What is asked while a run trains, in which order, and when it is known."""

import threading

import numpy as np
import pytest

from rewardlab.errors import OfTheTask
from rewardlab.language.annotator import METRICS, Annotator
from rewardlab.language.judges import JudgeOptions, Question, RecordedJudge, ScriptedJudge
from rewardlab.language.model import Answer
from rewardlab.rewards.language.caption_rewards import read_label, read_preference


def questions(*keys: int) -> list[Question]:
    return [Question(key, f"caption {key}", *(("YES", "NO") if key % 2 else ("NO", "YES"))) for key in keys]


def annotator(judge: object = None, **options: object) -> Annotator:
    made = JudgeOptions(**{"per_iteration": 2, **options})
    return Annotator(made, judge or ScriptedJudge(0.0, 0), read_label)


def test_the_newest_is_asked_first_and_known_after_the_delay() -> None:
    asked = annotator(delay=2)
    asked.put(questions(1, 2, 3))
    asked.put(questions(3, 4))  # 3 was put before
    assert asked.step() == [] and 4 in asked and 5 not in asked  # asks 4 and 3
    asked.put(questions(5, 6, 7))
    assert [each.question.key for each in asked.step()] == [4, 3]  # asks 7 and 6
    assert asked.answers == {4: False, 3: True}
    told = asked.metrics(np.array([[3, 4], [1, 3]]))
    assert tuple(sorted(told)) == tuple(sorted(METRICS))
    assert told["annotate/coverage"] == 0.75 and told["annotate/positive"] == 0.5 and told["annotate/f1"] == 1.0
    assert (told["annotate/distinct"], told["annotate/queue"]) == (7.0, 5.0)
    assert told["annotate/age"] == 2 - (0 + 0 + 1 + 1 + 1) / 5  # 1 and 2 since the beginning; 5, 7 and 6 since one
    assert [each.question.key for each in asked.step()] == [7, 6]
    assert [each.question.key for each in asked.step() + asked.step() + asked.step()] == [5, 2, 1]
    assert len(asked) == 0 and asked.step() == []


@pytest.mark.parametrize("error", [0.1, 0.3])
def test_errors_are_of_questions_not_of_calls_and_follow_arithmetic(error: float) -> None:
    judge, base, count = ScriptedJudge(error, 7), 0.2, 4_000
    said = [judge.errs(key) for key in range(count)]
    assert said == [judge.errs(key) for key in range(count)] != [ScriptedJudge(error, 8).errs(k) for k in range(count)]
    asked = annotator(judge, per_iteration=count)
    rng = np.random.default_rng(0)
    truth = rng.random(count) < base
    words = [("YES", "NO") if true else ("NO", "YES") for true in truth]
    asked.put([Question(key, str(key), *pair) for key, pair in enumerate(words)])
    asked.step()
    found = np.array([asked.answers[key] for key in range(count)])
    precision = base * (1 - error) / (base * (1 - error) + (1 - base) * error)
    assert truth[found].mean() == pytest.approx(precision, abs=0.04)
    assert found[truth].mean() == pytest.approx(1 - error, abs=0.04)
    expected = 2 * precision * (1 - error) / (precision + 1 - error)
    assert asked.metrics()["annotate/f1"] == pytest.approx(expected, abs=0.04)


def test_a_state_goes_on_where_it_stood_and_nothing_is_asked_twice() -> None:
    counted: list[int] = []

    class Counted:
        instant, seed = False, 0

        def ask(self, question: Question, number: int) -> Answer:
            counted.append(number)
            return Answer("Well... YES" if question.key % 2 else "no", "m", 5, 2, 0.25)

    one = annotator(Counted(), delay=3, parallel=2)
    one.put(questions(*range(9)))
    for _ in range(2):
        one.step()
    other = annotator(Counted(), delay=3)
    other.load_state_dict(one.state_dict())
    assert sorted(counted) == [0, 1, 2, 3]
    for each in (one, other):
        each.put(questions(20, 3))
        for _ in range(6):
            each.step()
    assert one.answers == other.answers and list(one.answers) == list(other.answers) == [8, 7, 6, 5, 20, 4, 3, 2, 1, 0]
    assert one.state_dict().keys() == other.state_dict().keys()
    assert [one.metrics()[name] for name in METRICS[1:]] == [other.metrics()[name] for name in METRICS[1:]]
    assert one.metrics()["annotate/tokens"] == 70.0 and one.table() == other.table()


def test_without_waiting_an_answer_counts_when_it_came() -> None:
    free = threading.Event()

    class Slow:
        instant, seed = False, 0

        def ask(self, question: Question, number: int) -> Answer:
            free.wait(20)
            return Answer("YES", "slow")

    asked = annotator(Slow(), wait=False, per_iteration=1)
    asked.put(questions(1))
    assert asked.step() == [] and asked.step() == []  # never blocks
    again = annotator(wait=False)
    again.load_state_dict(asked.state_dict())
    assert [each.question.key for each in again.step()] == [1]  # what was pending is asked again
    free.set()
    while not (told := asked.step()):
        pass
    assert told[0].answer.model == "slow"


def test_recorded_answers_are_found_by_their_words(tmp_path) -> None:
    asked = annotator()
    asked.put(questions(1, 2))
    asked.step()
    table = asked.table().replace("scripted,0,0,", "a-model,70,30,")
    (tmp_path / "annotations.csv").write_text(table)
    again = annotator(RecordedJudge(tmp_path))
    again.put(questions(1, 2))
    again.step()
    assert again.answers == asked.answers and again.metrics()["annotate/tokens"] == 200
    assert {each.answer.model for each in again.annotations} == {"recorded by a-model"}
    again.put(questions(3))
    with pytest.raises(OfTheTask, match=r"annotations.csv has no answer to: caption 3"):
        again.step()
    for text, problem in (
        ("iteration\n1\n", "needs the columns question and answer"),
        (table.replace("70", "many"), "annotations.csv: invalid literal"),
        (None, "holds no annotations.csv"),
    ):
        (tmp_path / "annotations.csv").unlink(missing_ok=True)
        if text:
            (tmp_path / "annotations.csv").write_text(text)
        with pytest.raises(ValueError, match=problem):
            JudgeOptions(llm=f"recorded:{tmp_path}").validate()


def test_answers_are_read_by_their_last_word() -> None:
    said = ["YES", "no.", "It is no key, so: yes", "nothing", ""]
    assert [read_label(text) for text in said] == [True, False, True, None, None]
    assert [read_preference(text) for text in ("1", "The second, 2.", "10", "neither: 0")] == [1, 2, None, 0]


def test_errors_go_on_as_they_were_under_another_seed() -> None:
    one, other = (annotator(ScriptedJudge(0.5, seed), per_iteration=20) for seed in (3, 4))
    other.load_state_dict(one.state_dict())
    for each in (one, other):
        each.put(questions(*range(20)))
        each.step()
    fresh = annotator(ScriptedJudge(0.5, 4), per_iteration=20)
    fresh.put(questions(*range(20)))
    fresh.step()
    assert one.answers == other.answers != fresh.answers
