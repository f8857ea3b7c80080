"""Tab completion: Hydra's, told about subcommands and flags.

Hydra's shell function asks `rewardlab -sc query=bash` with the line so far in COMP_LINE, and takes everything
after the program's name for overrides: the subcommand and flags are taken out before it looks.
"""

import io
import os
import re
from collections.abc import Iterable, Sequence
from contextlib import redirect_stderr, redirect_stdout
from typing import Any

from rewardlab.commands import COMMANDS
from rewardlab.commands.flags import parser
from rewardlab.errors import UserError

_ACTIONS = ("install", "uninstall", "query")
_SHELLS = ("bash", "fish", "zsh")


def answer(arguments: Sequence[str]) -> int:
    """Do one of `install=SHELL`, `uninstall=SHELL`, `query=SHELL`. A query never fails, it finds nothing.

    Raises:
        UserError: it is none of these.
    """
    action, _, shell = " ".join(arguments).partition("=")
    if action not in _ACTIONS or shell not in _SHELLS:
        raise UserError(
            f"-sc {' '.join(arguments)}: write {', '.join(_ACTIONS)} and a shell, as in: rewardlab -sc install=bash"
            f" (shells: {', '.join(_SHELLS)})"
        )
    if action != "query":
        return _hydra(arguments)
    found = io.StringIO()
    try:
        with redirect_stdout(found), redirect_stderr(io.StringIO()):
            _query(arguments, _words(os.environ.get("COMP_LINE", "")))
    except (Exception, SystemExit):  # half a line is often no valid one
        return 0
    print(found.getvalue().strip())
    return 0


def _query(arguments: Sequence[str], words: Sequence[str]) -> None:
    if len(words) < 3:
        _print_matches(COMMANDS, words[-1] if len(words) == 2 else "")
    elif words[1] == "list":
        from rewardlab.commands import list as listing

        _print_matches(listing.groups(), words[-1])
    elif words[1] == "run" and (names := _flag_names(words[-2], words[-1])) is not None:
        _print_matches(names, words[-1])
    elif words[1] in ("run", "check", "distance"):
        before, current = _list_so_far(words[-1])
        line = _without_flags([*words[:-1], current])
        if values := _values(line.split()[1:-1], current):
            return _print_matches(
                (f"{before or current.partition('=')[0] + '='}{value}" for value in values), words[-1]
            )
        os.environ["COMP_LINE"], os.environ["COMP_POINT"] = line, str(len(line))
        found = io.StringIO()
        with redirect_stdout(found):
            _hydra(arguments)
        matches = [word for word in found.getvalue().split() if not word.endswith((".name=", ".plugin="))]
        _print_matches([f"{before}{word.partition('=')[2]}" for word in matches] if before else matches, "")


def _words(line: str) -> list[str]:
    """The words of a line, the last one being what is typed now, perhaps nothing yet."""
    return [*line.split(), *([""] if line.endswith(" ") else [])]


def _flag_names(previous: str, current: str) -> Iterable[str] | None:
    """What a flag, or the value of the flag before it, can be; None where an override is typed."""
    flags = parser("run")._option_string_actions
    if previous in flags and flags[previous].nargs != 0:
        return flags[previous].choices or ()
    return flags if current.startswith("-") else None


def _values(words: Sequence[str], current: str) -> Sequence[str]:
    """What the key of `key=...` can be set to, under the choices of the line; empty where no list says it."""
    from rewardlab import discovery
    from rewardlab.config import composition

    key, separator, _ = current.partition("=")
    if not separator or key in discovery.FOLDERS:
        return ()
    folder = words[1] if words[:1] == ["--config-dir"] else None
    # Of several choices the first: they have the key, or it is not theirs.
    chosen = [word.partition(",")[0] for word in words if word.partition("=")[0] in discovery.FOLDERS]
    with composition.session(folder):
        node: Any = composition.typed(chosen)[0]
    *path, last = key.split(".")
    for name in path:
        node = getattr(node, name, None)
    spec = getattr(node, "__dataclass_fields__", {}).get(last)
    if spec is None:
        return ()
    return ("true", "false") if isinstance(getattr(node, last), bool) else spec.metadata.get("choices") or ()


def _list_so_far(word: str) -> tuple[str, str]:
    """`reward=none,r` -> (`reward=none,`, `reward=r`); an empty text where there is no list."""
    found = re.fullmatch(r"([\w/@.]+=)([\w,]+,)(\w*)", word)
    return (f"{found[1]}{found[2]}", f"{found[1]}{found[3]}") if found else ("", word)


def _without_flags(words: Sequence[str]) -> str:
    """The line as Hydra expects it: the program, its own folder flag, overrides, and the word that is typed now."""
    *before, current = words[2:]
    folder: list[str] = []
    kept = []
    values = iter(before)
    for word in values:
        if word in ("-cd", "--config-dir", "--config", "-c", "--cfg", "-p", "--package", "-i", "--info"):
            value = next(values, None)
            if word in ("-cd", "--config-dir") and value is not None:
                folder = ["--config-dir", value]
        elif not word.startswith("-"):
            kept.append(word)
    return " ".join([words[0], *folder, *kept, current])


def _print_matches(names: Iterable[str], start: str) -> None:
    print(" ".join(name for name in names if name.startswith(start)))


def _hydra(arguments: Sequence[str]) -> int:
    from rewardlab.commands import run as application

    return application.shell_completion(arguments)
