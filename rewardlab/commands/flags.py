"""The flags of every command; read before what the command needs is imported."""

import argparse
import math
from collections.abc import Sequence
from typing import NoReturn

from rewardlab.errors import UserError


def parse(command: str, arguments: Sequence[str]) -> argparse.Namespace:
    """What was asked of a command; flags and other words may stand in any order.

    Raises:
        UserError: the flags are wrong.
    """
    return parser(command).parse_intermixed_args(arguments)


def parser(command: str) -> "Parser":
    """The flags of one of `COMMANDS`."""
    made: Parser = globals()[f"_{command}"]()
    return made


class Parser(argparse.ArgumentParser):
    """Bad input is one line, not a page of usage."""

    def error(self, message: str) -> NoReturn:
        raise UserError(f"{self.prog}: {message} (see {self.prog} --help)")


def _count(text: str) -> int:
    return _at_least(text, 0)


def _positive(text: str) -> int:
    return _at_least(text, 1)


def _number(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 <= number < math.inf:
        raise argparse.ArgumentTypeError(f"{text}: must be a number from 0 on")
    return number


def _at_least(text: str, least: int) -> int:
    if not text.replace("_", "").isdecimal() or int(text) < least:
        raise argparse.ArgumentTypeError(f"{text}: must be a whole number from {least} on")
    return int(text)


def _run() -> Parser:
    """Hydra's flags, which may stand anywhere here, and `--config`."""
    parser = Parser(prog="rewardlab run", add_help=False, allow_abbrev=False)
    parser.add_argument("overrides", nargs="*")
    parser.add_argument("-h", "--help", action="store_true")
    parser.add_argument("-m", "--multirun", action="store_true")
    parser.add_argument("--config", metavar="RUN")
    parser.add_argument("-cd", "--config-dir", metavar="DIR")
    parser.add_argument("-c", "--cfg", choices=("job", "hydra", "all"))
    parser.add_argument("--resolve", action="store_true")
    parser.add_argument("-p", "--package")
    parser.add_argument("-i", "--info", choices=("all", "config", "defaults", "defaults-tree", "plugins", "searchpath"))
    parser.add_argument("--hydra-help", action="store_true")
    parser.add_argument("--dry-run", action="store_true")
    parser.add_argument("--long", action="store_true")
    return parser


def _report() -> Parser:
    parser = Parser(prog="rewardlab report", description="Write tables, figures and a page about finished runs.")
    parser.add_argument(
        "paths", nargs="*", metavar="[LABEL=]PATH", help="results folders, compared where several (default: results)"
    )
    parser.add_argument("--out", metavar="DIR", help="where the report goes (default: PATH/report)")
    parser.add_argument(
        "--filter", action="append", default=[], metavar="KEY=VALUE", help="of which runs: env='doorkey*', seed<5, ..."
    )
    parser.add_argument(
        "--baseline", metavar="NAME", help="what schemes are compared with (default: none, or the first folder)"
    )
    parser.add_argument(
        "--scale", action="append", default=[], metavar="ENV=RANDOM:OPTIMAL",
        help="mean returns of a random and of the best policy, where the optimum is not known: CartPole-v1=22:500",
    )  # fmt: skip
    parser.add_argument(
        "--thresholds", metavar="LIST", help="shares of the optimum that count as reached (default: 0.5,0.9)"
    )
    parser.add_argument("--paired", action="store_true", help="take differences between runs of equal seed")
    parser.add_argument(
        "--by", metavar="KEY", help="tables once more for each env, reward, agent, curriculum or folder"
    )
    return parser


def _show() -> Parser:
    parser = Parser(prog="rewardlab show", description="Summarise one run: state, scores, times, curves as text.")
    parser.add_argument("run", metavar="RUN", help="a run's folder, or a file in it")
    return parser


def _status() -> Parser:
    parser = Parser(
        prog="rewardlab status", description="What the runs of a results folder are doing: live, or once when piped."
    )
    parser.add_argument("path", nargs="?", default="results", metavar="PATH", help="results folder (default: results)")
    parser.add_argument("--once", action="store_true", help="look once and end")
    parser.add_argument("--long", action="store_true", help="on a terminal, too: whole names and errors")
    return parser


def _list() -> Parser:
    from rewardlab.commands.list import groups

    parser = Parser(prog="rewardlab list", description="Show what there is to choose from.")
    parser.add_argument("group", nargs="?", metavar="GROUP", help=f"one of {', '.join(groups())} (default: all)")
    parser.add_argument("--optimal", action="store_true", help="of env: what the best and a random policy reach")
    parser.add_argument("--long", action="store_true", help="on a terminal, too: papers, and all columns of --optimal")
    return parser


def _bench() -> Parser:
    parser = Parser(prog="rewardlab bench", description="Time the engine and the training of schemes, as ratios.")
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="as of run; reward=a,b or reward=all")
    parser.add_argument("--rounds", type=int, default=5, help="turns of which the median is shown (default: 5)")
    return parser


def _play() -> Parser:
    parser = Parser(prog="rewardlab play", description="Write a GIF of a run's policy at play, on evaluation levels.")
    parser.add_argument("run", metavar="RUN", help="a run's folder, or a file in it")
    parser.add_argument(
        "overrides",
        nargs="*",
        metavar="KEY=VALUE",
        help="env.id=MODULE:ID, env.wrappers=[...]: the run's own, where they name modules, to have these imported",
    )
    parser.add_argument("--episodes", type=int, default=3, metavar="N", help="how many (default: 3)")
    parser.add_argument("--out", metavar="FILE", help="the GIF (default: RUN/play.gif)")
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="of the policy's sampling (default: 0)")
    parser.add_argument("--level", metavar="NAME", help="a held-out level instead, as Labyrinth of env=maze")
    return parser


def _label() -> Parser:
    parser = Parser(
        prog="rewardlab label",
        description="Show pairs of short GIFs of a run's play, in a local page or the terminal, and write down which is"
        " better; asked again, it goes on where it was left. reward=preference reward.labels=RUN/labels/labels.csv"
        " learns from it.",
    )  # fmt: skip
    parser.add_argument("run", metavar="RUN", help="a run's folder, or a file in it")
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="as of play")
    parser.add_argument("--pairs", type=int, default=50, metavar="N", help="how many (default: 50)")
    parser.add_argument("--segment", type=int, default=50, metavar="STEPS", help="steps of each, at most (default: 50)")
    parser.add_argument("--episodes", type=int, default=10, metavar="E", help="played for them (default: 10)")
    parser.add_argument(
        "--random", type=float, default=0.5, metavar="P", help="share of these with random actions (default: 0.5)"
    )
    parser.add_argument("--out", metavar="DIR", help="where GIFs and labels.csv go (default: RUN/labels)")
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="of actions and pairs (default: 0)")
    parser.add_argument("--terminal", action="store_true", help="ask here; the GIFs are opened by hand")
    parser.add_argument("--port", type=int, default=0, metavar="PORT", help="of the page (default: any that is free)")
    return parser


def _distance() -> Parser:
    parser = Parser(
        prog="rewardlab distance",
        description="Compare rewards on a small task: distances once shaping and scale are taken out, exact regret both"
        " ways, a heat map.",
    )
    parser.add_argument(
        "overrides", nargs="*", metavar="KEY=VALUE", help="env=NAME and reward=A,B,... and their options, as of run -m"
    )
    parser.add_argument(
        "--run", action="append", default=[], metavar="RUN", help="besides, the reward of a finished run on that task"
    )
    parser.add_argument(
        "--canon",
        default="val,epic,dard",
        metavar="LIST",
        help="of none, val, val_potential, epic, dard, minimal (default: val,epic,dard)",
    )
    parser.add_argument("--weighted", action="store_true", help="steps count as their chance says, not all alike")
    parser.add_argument("--level", type=_count, metavar="SEED", help="of the level (default: the first evaluation's)")
    parser.add_argument("--out", metavar="DIR", help="where tables and figures go (default: results/distance/ENV)")
    return parser


def _demos() -> Parser:
    parser = Parser(
        prog="rewardlab demos",
        description="Record whole episodes of the exact solver, of random actions, of walks or of trained runs, in"
        " Minari's dataset format, and say what is in them.",
    )
    parser.add_argument(
        "overrides", nargs="*", metavar="KEY=VALUE", help="env=NAME and its options; of a RUN as of play"
    )
    parser.add_argument("--out", metavar="DIR", required=True, help="the dataset's folder, which is not there yet")
    parser.add_argument(
        "--from",
        dest="source",
        action="append",
        metavar="SOURCE[=SHARE]",
        help="solver (default), random, play (walks to random places), or a RUN; several are mixed by shares of the"
        " episodes (default: equal ones)",
    )
    parser.add_argument("--episodes", type=int, default=100, metavar="N", help="how many (default: 100)")
    parser.add_argument("--levels", type=int, metavar="K", help="distinct levels (default: one for each episode)")
    parser.add_argument(
        "--noise", type=float, default=0.0, metavar="P", help="share of uniformly random actions (default: 0)"
    )
    parser.add_argument(
        "--keep", choices=("solved", "all"), help="which episodes (default: solved; of random and play all)"
    )
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="of levels, noise and sampling (default: 0)")
    return parser


def _check() -> Parser:
    parser = Parser(
        prog="rewardlab check",
        description="Test an environment, scheme, agent or curriculum, your own or ours, against the laws of its kind.",
    )
    parser.add_argument("choice", metavar="GROUP=NAME", help="env=NAME, reward=NAME, agent=NAME or curriculum=NAME")
    parser.add_argument(
        "overrides",
        nargs="*",
        default=[],
        metavar="KEY=VALUE",
        help="options of it, as in reward.coef=0.1; with reward=NAME also env=NAME, on which its counts are tried",
    )
    return parser


def _write() -> Parser:
    from rewardlab.writing.writers import WRITERS

    parser = Parser(
        prog="rewardlab write",
        description="Write a reward in rounds: ask for code, check it, train on it, tell what came of it."
        " Or lists of subgoals.",
    )
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="env=NAME, agent=NAME and their options")
    parser.add_argument("--code", metavar="FILE", help="only check this reward, without training")
    parser.add_argument(
        "--kind",
        choices=("reward", "subgoals"),
        default="reward",
        help="what is written; subgoals: for curriculum=subgoal_list, --writer once (default: reward)",
    )
    parser.add_argument(
        "--runs",
        type=_positive,
        metavar="N",
        help="of subgoals: for the levels of N seeds, from --seed on (default: 1)",
    )
    parser.add_argument("--writer", choices=tuple(WRITERS), default="eureka", help="the loop (default: eureka)")
    parser.add_argument(
        "--llm", default="scripted", metavar="MODEL", help="scripted (default), recorded:DIR, or openai"
    )
    parser.add_argument("--record", metavar="DIR", help="keep prompts and answers there, for recorded:DIR")
    parser.add_argument("--model", metavar="NAME", help="of openai: the model")
    parser.add_argument("--base-url", metavar="URL", help="of openai: your own server, as in http://localhost:8080/v1")
    parser.add_argument("--temperature", type=_number, default=1.0, metavar="T", help="of openai (default: 1)")
    parser.add_argument("--timeout", type=_number, default=120.0, metavar="S", help="of openai, seconds (default: 120)")
    parser.add_argument("--task", metavar="TEXT", help="the task in words, for the prompt")
    parser.add_argument(
        "--rounds", type=_positive, metavar="N", help="how many (default: 3; progress_counts and lare: 1)"
    )
    parser.add_argument(
        "--samples", type=_positive, metavar="N", help="answers of a round of eureka, progress_counts (4), lare (5)"
    )
    parser.add_argument(
        "--frames", type=_count, metavar="N", help="of each training (default: the environment's budget); 0: only check"
    )
    parser.add_argument("--seed", type=_count, default=0, metavar="S", help="of the loop and its runs (default: 0)")
    parser.add_argument("--final-seeds", type=_count, default=5, metavar="N", help="runs of the best one (default: 5)")
    parser.add_argument(
        "--fitness", choices=("max", "final", "auc"), default="max", help="what of success counts (default: max)"
    )
    parser.add_argument("--not-elitist", action="store_true", help="feedback is of the round's best, as published")
    parser.add_argument("--no-reflection", action="store_true", help="every round begins anew")
    return parser
