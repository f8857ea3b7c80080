"""The loop: ask for rewards, check them, train on each, tell the writer what came of the best, and so on.

Papers: Ma et al. 2023, Eureka (arXiv:2310.12931): several samples a round, the best one's reflection; Xie et al. 2023,
Text2Reward (arXiv:2309.11489): one at a time, and errors go back to be repaired; Li et al. 2023, Auto MC-Reward
(arXiv:2312.09238): as that, with a critic, and an analyser of failed episodes; Sarukkai et al. 2024, ProgressCounts
(arXiv:2410.09187), and Qu et al. 2024, LaRe (arXiv:2412.11120): one round. See `writers.py`.

All that happens is a function of the files in the loop's folder: answers that are there are not asked for again, runs
that are finished are not trained again. So a loop that was ended goes on with the same command. Training runs are
ordinary runs, below `runs/`. Every frame of every candidate counts: `history.csv` adds them up. So does every answer:
`calls.csv`.

Fitness is the largest success of an evaluation (Eureka), the last, or their mean. The best of many is better than it
would be again, by chance alone. So the chosen reward is trained once more with seeds of its own, and only these tell
how good it is.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from rewardlab.errors import UserError
from rewardlab.language.model import Model, Purpose
from rewardlab.parts.written_code import search_line
from rewardlab.records.files import write_atomic
from rewardlab.writing.asking import Candidate, Desk, Task
from rewardlab.writing.prompts import analysed, analysing, continued, first_messages
from rewardlab.writing.trainings import Trainings
from rewardlab.writing.writers import WRITERS

_FINAL = 1000  # seeds of the last training begin here


@dataclass(frozen=True)
class LoopOptions:
    """writer: one of `WRITERS`.

    rounds, samples: how many. frames: of each training; 0: the first round is asked for and checked, and that is all.
    seed: of the loop. final_seeds: runs of the chosen reward. fitness: what of success counts. elitist: whether
    feedback is of the best so far, or of the round (as published). reflect: whether there is any; without, every round
    begins anew.
    """

    writer: str
    rounds: int
    samples: int
    frames: int
    seed: int
    final_seeds: int
    fitness: str = "max"
    elitist: bool = True
    reflect: bool = True


def run_loop(folder: Path, model: Model, task: Task, options: LoopOptions, recorded: Path | None = None) -> int:
    """Run what is left of a loop. Returns the exit code.

    Args:
        recorded: a folder for prompts and answers, from which the loop can be run again without the model.

    Raises:
        UserError: the model has no answer, or no reward could be used.
    """
    folder.mkdir(parents=True, exist_ok=True)
    writer = WRITERS[options.writer]
    desk = Desk(folder, model, options.writer, task, recorded)
    trainings = Trainings(folder / "runs", task, writer, options.frames, options.fitness)
    begin = first_messages(task.words, task.layout, writer.kinds[0])
    best: Candidate | None = None
    messages = begin
    history: list[Candidate] = []
    for number in range(options.rounds):
        found = desk.candidates(number, options.samples, messages)
        if options.frames == 0:
            _write_feedback(folder / f"round{number}", found)
            desk.write_calls()
            return _say_checks(found)
        trainings.train([each for each in found if not each.problems], options.seed)
        if writer.analyser and options.reflect and number + 1 < options.rounds:  # nobody reads it after the last
            for each in found:
                _analyse(desk, trainings, each, options.seed)
        _write_feedback(folder / f"round{number}", found)
        runs = [each.run for each in history]
        for at, each in enumerate(found):
            if each.run is not None and each.run in [*runs, *(other.run for other in found[:at])]:
                each.frames = 0  # the same code once more: it was trained, and counted, before
        history += found
        good = [each for each in found if each.fitness is not None]
        leader = max(good, key=lambda each: each.fitness or 0.0) if good else None
        if leader is not None and (best is None or (leader.fitness or 0.0) > (best.fitness or 0.0)):
            best = leader
        told = best if options.elitist else leader
        if told is not None and options.reflect:
            messages = continued(begin, told.answer.text, told.feedback)
        _write_history(folder / "history.csv", history)
        desk.write_calls()
        _say(number, options.rounds, found, best)
    if best is None:
        raise UserError(f"{folder}: no reward could be used in {options.rounds} rounds; see its check files")
    tokens = sum(each.prompt_tokens + each.answer_tokens for each in desk.calls.values())
    searched = search_line(sum(each.frames for each in history), len(desk.calls), tokens)
    write_atomic(folder / "best.py", best.code.read_bytes() + searched.encode())
    return _finish(desk, trainings, options, history, best)


def _analyse(desk: Desk, trainings: Trainings, candidate: Candidate, seed: int) -> None:
    """What the analyser makes of failed episodes goes to the feedback."""
    if candidate.fitness is None:
        return
    failures = trainings.failures(candidate, seed)
    text = "\n\n".join(f"### Episode {at}\n\n{lines}" for at, lines in enumerate(failures, start=1))
    purpose = Purpose(candidate.purpose.round, candidate.purpose.sample, "analyser")
    write_atomic(desk.folder / f"round{purpose.round}" / f"failures{purpose.sample}.md", f"{text}\n".encode())
    if failures:
        causes = desk.ask(analysing(trainings.task.words, text, len(failures)), purpose).text
        candidate.feedback = analysed(candidate.feedback, causes)


def _finish(
    desk: Desk, trainings: Trainings, options: LoopOptions, history: Sequence[Candidate], best: Candidate
) -> int:
    folder = desk.folder
    seeds = [_FINAL + options.seed * options.final_seeds + k for k in range(options.final_seeds)]
    final: list[Candidate] = []
    if seeds:
        trainings.sweep([folder / "best.py"], seeds)
        for seed in seeds:
            again = Candidate(best.purpose, best.answer, best.verdict, folder / "best.py")
            trainings.note(again, seed)
            final.append(again)
    told: dict[str, Any] = {
        "best": str(best.purpose),
        "fitness": best.fitness,
        "final_seeds": seeds,
        "final": [each.fitness for each in final],
        "search_frames": sum(each.frames for each in history),
        "calls": len(desk.calls),
        "prompt_tokens": sum(each.prompt_tokens for each in desk.calls.values()),
        "answer_tokens": sum(each.answer_tokens for each in desk.calls.values()),
        "model": best.answer.model,
    }
    write_atomic(folder / "final.json", json.dumps(told, indent=1).encode())
    shown = ", ".join("failed" if each.fitness is None else f"{each.fitness:.2f}" for each in final)
    print(f"best: {best.purpose}, {options.fitness} {best.fitness:.2f}; again with {len(seeds)} new seeds: {shown}")
    print(f"{told['search_frames']:,} frames of search, {told['calls']} answers; {folder / 'best.py'}")
    return int(any(each.fitness is None for each in final))


def _write_feedback(place: Path, found: Sequence[Candidate]) -> None:
    for each in found:
        write_atomic(place / f"feedback{each.purpose.sample}.md", each.feedback.encode())


def _write_history(file: Path, history: Sequence[Candidate]) -> None:
    rows = [
        {
            "round": each.purpose.round,
            "sample": each.purpose.sample,
            "accepted": each.run is not None,
            "fitness": each.fitness,
            "frames": each.frames,
            "correlation": each.verdict.correlation,
            "prompt_tokens": each.answer.prompt_tokens,
            "answer_tokens": each.answer.answer_tokens,
            "seconds": each.answer.seconds,
            "model": each.answer.model,
            "problem": "; ".join(each.problems),
        }
        for each in history
    ]
    write_atomic(file, pd.DataFrame(rows).to_csv(index=False).encode())


def _say(number: int, rounds: int, found: Sequence[Candidate], best: Candidate | None) -> None:
    shown = ", ".join("failed" if each.fitness is None else f"{each.fitness:.2f}" for each in found)
    so_far = "none yet" if best is None else f"{best.fitness:.2f}"
    print(f"round {number + 1} of {rounds}: {shown}; best so far {so_far}", flush=True)


def _say_checks(found: Sequence[Candidate]) -> int:
    for each in found:
        print("\n".join([f"{each.code}: {each.verdict.kind or 'no reward'}", *each.verdict.lines()]))
    return int(all(each.problems for each in found))
