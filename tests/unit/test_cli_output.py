"""Progress, and text that is safe to print."""

from __future__ import annotations

import io
import re
import time
from pathlib import Path

import pytest

from tests.cli_service import Service, answer, job, offer_upload, partial
from waybill_cli import output
from waybill_cli.main import main
from waybill_cli.output import Progress, safe

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
