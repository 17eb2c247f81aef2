"""`waybill fix`: corrections from a CSV become a relaunch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli_service import JOB_ID, OTHER_ID, Service, answer, job, partial
from waybill_cli.corrections import read_corrections
from waybill_cli.failures import UsageFailure
from waybill_cli.main import main

pytestmark = pytest.mark.usefixtures("home")


def written(tmp_path: Path, data: str | bytes) -> str:
    path = tmp_path / "rows.csv"
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return str(path)


@pytest.mark.parametrize(
    ("data", "corrections"),
    [
        ("_row,email\n102,a@b.example\n", [{"rowNumber": 102, "cells": {"email": "a@b.example"}}]),
        ("\ufeff_row;email;n\n2;a;\n3;b\n", [
            {"rowNumber": 2, "cells": {"email": "a", "n": ""}}, {"rowNumber": 3, "cells": {"email": "b"}},
        ]),
        ('_row,_type,_reason,note\n5,type-error,"x, y","a\nb"\n\n', [{"rowNumber": 5, "cells": {"note": "a\nb"}}]),
        ("email\t_row\nx\t7\n", [{"rowNumber": 7, "cells": {"email": "x"}}]),
    ],
)  # fmt: skip
def test_each_column_beside_the_row_number_is_a_corrected_cell(
    tmp_path: Path, data: str, corrections: list[dict[str, Any]]
) -> None:
    assert read_corrections(written(tmp_path, data)) == corrections


@pytest.mark.parametrize(
    "data",
    [
        "",
        "_row,email\n",
        "email\nx\n",
        "_row,_type\n1,a\n",
        "_row,email\nx,y\n",
        "_row,email\n1,2,3\n",
        "_row,email\n1\n",
        b"_row,email\n1,\xff\n",
        "_row,email\n" + "1,x\n" * 5_001,
    ],
)
def test_a_file_without_corrections_is_refused_before_anything_is_sent(
    stack: Service, tmp_path: Path, data: str | bytes
) -> None:
    assert main(["fix", JOB_ID, "--rows", written(tmp_path, data)]) == 2
    assert stack.sent("POST", f"/v1/jobs/{JOB_ID}/relaunch") == []
    with pytest.raises(UsageFailure):
        read_corrections(str(tmp_path / "nothing.csv"))


def test_fix_prints_the_child_and_is_sent_once(
    stack: Service, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stack.routes[f"POST /v1/jobs/{JOB_ID}/relaunch"] = answer(job(jobId=OTHER_ID, retryOf=JOB_ID), 202)
    rows = written(tmp_path, "_row,email\n102,a@b.example\n")
    assert main(["--json", "fix", JOB_ID, "--rows", rows, "--only-corrected"]) == 0
    assert json.loads(capsys.readouterr().out)["jobId"] == OTHER_ID
    [request] = stack.sent("POST", f"/v1/jobs/{JOB_ID}/relaunch")
    assert request.json == {
        "corrections": [{"rowNumber": 102, "cells": {"email": "a@b.example"}}],
        "only": "corrected",
    }
    assert request.headers["idempotency-key"]


def test_fix_watches_the_child(stack: Service, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stack.routes[f"POST /v1/jobs/{JOB_ID}/relaunch"] = answer(job(jobId=OTHER_ID), 202)
    stack.routes[f"GET /v1/jobs/{OTHER_ID}"] = answer(partial(jobId=OTHER_ID))
    assert main(["fix", JOB_ID, "--rows", written(tmp_path, "_row,email\n1,x\n"), "--watch"]) == 0
    [request] = stack.sent("POST", f"/v1/jobs/{JOB_ID}/relaunch")
    assert request.json["only"] == "all"
    assert "34,013" in capsys.readouterr().out
