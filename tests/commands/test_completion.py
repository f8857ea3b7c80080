"""Tab completion as bash does it: the installed function is called with a line, and its answers are read."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

LINES = {
    "rewardlab re": ["report"],
    "rewardlab list age": ["agent"],
    "rewardlab run --c": ["--config", "--config-dir", "--cfg"],
    "rewardlab run env=empty_5x5 --cfg j": ["job"],
    "rewardlab run reward=none,rn": ["reward=none,rnd"],
    "rewardlab run reward=non": ["reward=none"],
    "rewardlab distance reward=pbrs,non": ["reward=pbrs,none"],
    "rewardlab run -m env=empty_5x5 reward=rnd reward.norm": [
        "reward.normalise_observation=", "reward.normalise_reward=",
    ],
    "rewardlab run env=empty_5x5 -m reward.na": [],
    "rewardlab run reward=rnd agent.network=": [
        f"agent.network={name}" for name in ("auto", "mlp", "cnn", "impala", "glyphs", "glyphs_small")
    ],
    "rewardlab run -m agent.network=mlp,c": ["agent.network=mlp,cnn"],
    "rewardlab run overwrite=t": ["overwrite=true"],
}  # fmt: skip
ASK = """
eval "$(rewardlab run -sc install=bash)"
while read -r line; do
    COMP_LINE=$line; COMP_POINT=${#line}; COMP_WORDS=($line); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); COMPREPLY=()
    hydra_bash_completion
    echo "$line => ${COMPREPLY[*]}"
done
"""


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_bash_completes_commands_choices_and_keys(tmp_path: Path) -> None:
    script = tmp_path / "bin" / "rewardlab"
    script.parent.mkdir()
    script.write_text(f"#!{sys.executable}\nimport sys\nfrom rewardlab.cli import main\nsys.exit(main())\n")
    script.chmod(0o755)
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "PATH": f"{script.parent}:{os.environ['PATH']}"}
    done = subprocess.run(
        ["bash", "-c", ASK], input="".join(f"{line}\n" for line in LINES),
        cwd=tmp_path, env=env, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0 and done.stderr == ""
    answers = dict(line.split(" => ") for line in done.stdout.splitlines())
    assert {line: answer.split() for line, answer in answers.items()} == LINES
