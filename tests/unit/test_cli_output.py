"""Progress, and text that is safe to print."""

from __future__ import annotations

import io
import json
import re
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from tests.cli_service import Service, answer, job, offer_upload, partial
from waybill_cli import __version__, output
from waybill_cli.main import main
from waybill_cli.output import Output, Progress, safe
from waybill_cli.show import show_end

pytestmark = pytest.mark.usefixtures("home")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_in_a_terminal_long_work_shows_a_bar_with_rows_rate_and_time_left(
    stack: Service, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    monkeypatch.setenv("COLUMNS", "160")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    running = answer(job(), Retry_After="0")
    offer_upload(stack, [running, running, running, running, running, running, answer(partial())])
    (home / "contacts.csv").write_text("a\n1\n")
    assert main(["import", "contacts.csv", "--entity", "contacts", "--watch"]) == 0
    shown = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", terminal.getvalue())
    assert "Import of contacts.csv" in shown
    assert "1,200 of 34,033 rows, 5,400 rows/s, 6.0 s left" in shown


def test_short_work_prints_nothing_and_long_work_one_plain_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with Progress("Quick"):
        pass
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(output, "SHOW_AFTER_SECONDS", 0.01)
    with Progress("Slow") as progress:
        time.sleep(0.1)
        progress.update_bytes(5, 10)
    assert capsys.readouterr().err == "Slow …\n"


@pytest.mark.parametrize(
    ("text", "shown"), [("plain é 漢", "plain é 漢"), ("a\tb", r"a\tb"), ("\x9b31m", r"\x9b31m"), ("\u202e", r"\u202e")]
)
def test_safe_text_cannot_control_a_terminal(text: str, shown: str) -> None:
    assert safe(text) == shown


def test_no_line_and_no_document_controls_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """Messages of jobs and names of files are other people's."""
    out, hostile = Output(as_json=False), "\x1b]0;pwn\x07 \x9b31m"
    out.line(hostile)
    out.remark(hostile)
    show_end(out, job(status="FAILED", message=hostile, warnings=[{"code": "x", "message": hostile}]))
    out.document({"message": hostile})
    printed = capsys.readouterr()
    assert "pwn" in printed.out and "pwn" in printed.err
    assert not {"\x1b", "\x07", "\x9b"} & set(printed.out + printed.err)
    assert json.loads(printed.out[printed.out.rindex("{") :]) == {"message": hostile}


def test_tables_fit_the_terminal_and_ids_stay_whole(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    identifier = "0b0f6f3e-7d5b-4a86-9a36-3c1f6a7d1c11"
    rows = [
        (identifier, "contacts " * 10, "7", "a message of some length " * 3),
        (identifier, "ü" * 5, "1,200", "short"),
    ]
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    for columns in (80, 100, 200):
        monkeypatch.setenv("COLUMNS", str(columns))
        Output(False).table(("ID", "NAME", "ROWS", "MESSAGE"), rows)
        lines = capsys.readouterr().out.splitlines()
        assert all(len(line) <= columns for line in lines)
        assert all(line.startswith(identifier) for line in lines[1:])
        assert "…" in lines[1] and "1,200" in lines[2]
    monkeypatch.setattr("sys.stdout.isatty", lambda: False)
    Output(False).table(("ID", "NAME", "ROWS", "MESSAGE"), rows)
    assert "…" not in capsys.readouterr().out, "a file gets everything"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_knows_every_command_and_option(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", shell]) == 0
    script = capsys.readouterr().out
    for word in ("import", "exports", "activate", "dry-run"):
        assert word in script
    if shell == "bash" and shutil.which("bash"):
        ask = 'COMP_WORDS=(waybill exports act); COMP_CWORD=2; _waybill; echo "${COMPREPLY[@]}"'
        done = subprocess.run(["bash", "-c", f"{script}\n{ask}"], capture_output=True, text=True, check=True)
        assert done.stdout.split() == ["activate"]


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0 and capsys.readouterr().out == f"waybill {__version__}\n"
