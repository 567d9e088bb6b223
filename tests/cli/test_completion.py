"""`fleet completion`: scripts that the shells take, and that complete commands and options."""

from __future__ import annotations

import os
import pty
import select
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Self

import pytest

from tests.cli.invoke import fleet

SHELLS = ("bash", "zsh", "fish")
TYPED = [("va", "validate"), ("dead pu", "purge"), ("up --det", "--detach")]


def needs(shell: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(
        shutil.which(shell) is None, reason=f"{shell} is not installed (apt install {shell})"
    )


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """With this `fleet` on the PATH, and a home folder without anybody's settings."""
    (tmp_path / "fleet").write_text(f'#!/bin/sh\nexec {sys.executable} -m fleet "$@"\n')
    (tmp_path / "fleet").chmod(0o755)
    return {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}", "HOME": str(tmp_path), "TERM": "dumb"}


@pytest.mark.parametrize("shell", SHELLS)
def test_the_completion_script_is_taken_by_its_shell(shell: str, tmp_path: Path) -> None:
    outcome = fleet("completion", shell)
    assert outcome.code == 0
    assert "_FLEET_COMPLETE" in outcome.out
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed (apt install {shell})")
    script = tmp_path / "script"
    script.write_text(outcome.out)
    subprocess.run([shell, "-n", script], check=True)


@needs("bash")
@pytest.mark.parametrize(("typed", "wanted"), TYPED)
def test_bash_completes_what_is_typed(typed: str, wanted: str, environment: dict[str, str]) -> None:
    words = ["fleet", *typed.split(" ")]
    ask = (
        f"{fleet('completion', 'bash').out}\n"
        f"COMP_WORDS=({' '.join(words)}); COMP_CWORD={len(words) - 1}\n"
        '_fleet_completion fleet; echo "${COMPREPLY[@]}"\n'
    )
    done = subprocess.run(["bash", "-c", ask], env=environment, capture_output=True, text=True, check=True)
    assert wanted in done.stdout.split()


@needs("fish")
def test_fish_completes_what_is_typed(environment: dict[str, str]) -> None:
    ask = fleet("completion", "fish").out + "".join(f"\ncomplete -C 'fleet {typed}'" for typed, _ in TYPED)
    done = subprocess.run(["fish", "-c", ask], env=environment, capture_output=True, text=True, check=True)
    assert [line.split("\t")[0] for line in done.stdout.splitlines()] == [wanted for _, wanted in TYPED]


@needs("zsh")
def test_zsh_completes_what_is_typed(environment: dict[str, str], tmp_path: Path) -> None:
    """In a terminal of its own: zsh completes only where somebody types."""
    (tmp_path / "script").write_text(fleet("completion", "zsh").out)
    with Terminal(["zsh", "-f", "-i"], environment) as terminal:
        terminal.type(
            f"autoload -U compinit; compinit -D -u; source {tmp_path}/script; print READY$((1+1))\n"
        )
        terminal.wait_for("READY2")
        for typed, wanted in TYPED:
            terminal.type(f"\x15fleet {typed}\t")  # ^U: what stands there goes
            terminal.wait_for(wanted)


class Terminal:
    """A program on a pseudo terminal, and what it has written since the last wait."""

    def __init__(self, command: list[str], environment: dict[str, str]) -> None:
        self._pid, self._fd = pty.fork()
        if self._pid == 0:
            os.execvpe(command[0], command, environment)
        self._text = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.kill(self._pid, signal.SIGKILL)
        os.waitpid(self._pid, 0)
        os.close(self._fd)

    def type(self, text: str) -> None:
        os.write(self._fd, text.encode())

    def wait_for(self, text: str, *, within: float = 60.0) -> None:
        deadline = time.monotonic() + within
        while text not in self._text:
            left = deadline - time.monotonic()
            assert left > 0, f"no {text!r} in {self._text!r}"
            if select.select([self._fd], [], [], left)[0]:
                self._text += os.read(self._fd, 4096).decode(errors="replace")
        self._text = ""


@pytest.mark.parametrize("shell", SHELLS)
def test_install_writes_the_script_into_the_home_folder_and_says_where(
    shell: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("XDG_DATA_HOME", "XDG_CONFIG_HOME", "BASH_COMPLETION_USER_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    outcome = fleet("completion", shell, "--install")
    assert outcome.code == 0
    (written,) = (path for path in tmp_path.rglob("*") if path.is_file())
    assert str(written) in outcome.err
    assert written.read_text() == fleet("completion", shell).out


def test_a_home_folder_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "file"))
    outcome = fleet("completion", "fish", "--install")
    assert outcome.code == 1
    assert "`fleet completion fish` prints it" in outcome.err
