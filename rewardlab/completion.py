"""Tab completion: Hydra's, told about subcommands.

Hydra's shell function asks `rewardlab -sc query=bash` with the line so far in COMP_LINE, and takes everything
after the program's name for overrides: the subcommand and flags are taken out before it looks.
"""

import io
import os
from collections.abc import Sequence
from contextlib import redirect_stdout


def answer(arguments: Sequence[str], commands: Sequence[str]) -> int:
    """Do one of `install=SHELL`, `uninstall=SHELL`, `query=SHELL`. A query never fails, it finds nothing."""
    if not any(item.startswith("query=") for item in arguments):
        return _hydra(arguments)
    words = _words(os.environ.get("COMP_LINE", ""))
    if len(words) < 3:
        _print_matches(commands, words[-1] if len(words) == 2 else "")
    elif words[1] == "list":
        from rewardlab import listing

        _print_matches(listing.groups(), words[-1])
    elif words[1] in ("run", "check"):
        line = _without_flags(words)
        os.environ["COMP_LINE"], os.environ["COMP_POINT"] = line, str(len(line))
        found = io.StringIO()
        try:
            with redirect_stdout(found):
                _hydra(arguments)
        except Exception:  # half a line is often no valid one
            return 0
        _print_matches([word for word in found.getvalue().split() if not word.endswith((".name=", ".plugin="))], "")
    return 0


def _words(line: str) -> list[str]:
    """The words of a line, the last one being what is typed now, perhaps nothing yet."""
    return [*line.split(), *([""] if line.endswith(" ") else [])]


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


def _print_matches(names: Sequence[str], start: str) -> None:
    print(" ".join(name for name in names if name.startswith(start)))


def _hydra(arguments: Sequence[str]) -> int:
    from rewardlab import application

    return application.shell_completion(arguments)
