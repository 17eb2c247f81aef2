"""`waybill fix`: corrections from a CSV become a relaunch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli_service import JOB_ID, OTHER_ID, Service, answer, job, partial
from waybill.entities.row_results import RowError
from waybill.imports.conversion import _unusual
from waybill.imports.plan_document import DialectRejects
from waybill.imports.rejects import RejectsFormat
from waybill.tabular.dialect import Dialect
from waybill.tabular.scan import record_text
from waybill_cli.corrections import Reading, read_corrections
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
        "_row,email,email\n1,a@b.example,\n",
        "_row,email\n1\n",
        b"_row,email\n1,\xff\n",
        "_row,email\n" + "1,x\n" * 5_001,
    ],
)
def test_a_file_without_corrections_is_refused_before_anything_is_sent(
    stack: Service, tmp_path: Path, data: str | bytes
) -> None:
    stack.routes[f"GET /v1/jobs/{JOB_ID}"] = answer(partial())
    assert main(["fix", JOB_ID, "--rows", written(tmp_path, data)]) == 2
    assert stack.sent("POST", f"/v1/jobs/{JOB_ID}/relaunch") == []
    with pytest.raises(UsageFailure):
        read_corrections(str(tmp_path / "nothing.csv"))


def test_fix_prints_the_child_and_is_sent_once(
    stack: Service, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stack.routes[f"POST /v1/jobs/{JOB_ID}/relaunch"] = answer(job(jobId=OTHER_ID, retryOf=JOB_ID), 202)
    rows = written(tmp_path, "_row,email\n102,a@b.example\n")
    stack.routes[f"GET /v1/jobs/{JOB_ID}"] = answer(partial())
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
    stack.routes[f"GET /v1/jobs/{JOB_ID}"] = answer(partial())
    stack.routes[f"GET /v1/jobs/{OTHER_ID}"] = answer(partial(jobId=OTHER_ID))
    assert main(["fix", JOB_ID, "--rows", written(tmp_path, "_row,email\n1,x\n"), "--watch"]) == 0
    [request] = stack.sent("POST", f"/v1/jobs/{JOB_ID}/relaunch")
    assert request.json["only"] == "all"
    assert "34,013" in capsys.readouterr().out


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|", "^"])
@pytest.mark.parametrize(
    ("quote", "escape", "doubles"),
    [
        ('"', None, True),
        ("'", None, True),
        (None, None, True),
        ('"', "\\", False),
        ("'", "\\", True),
        (None, "\\", True),
    ],
)
def test_a_rejects_file_is_read_as_the_service_writes_it(
    tmp_path: Path, encoding: str, delimiter: str, quote: str | None, escape: str | None, doubles: bool
) -> None:
    dialect = Dialect(delimiter, quote, doubles, escape)
    codec = {"utf-8-sig": "utf-8", "utf-16": "utf-16-le"}.get(encoding, encoding)
    form: RejectsFormat = RejectsFormat(delimiter, quote, codec)
    if escape:
        form = DialectRejects(delimiter, quote, codec, dialect=dialect)
    texts = ["Zoë", "l'été", 'dit "oui"', "a b"] + ([", ; | ^ \t"] if quote or escape else [])
    texts += ["une\r\nautre\nligne"] if quote else []
    texts += ["C:\\dossier\\", "x" * 200_000]
    rows = [(number, RowError(number, 2, "n", "type-error", "x", f'"x" is no number{delimiter} or so'), text)
            for number, text in enumerate(texts, 2)]  # fmt: skip
    data = form.header(record_text(["n", "t"], dialect))
    data += b"".join(form.rejected(record_text(["1", text], dialect), [error]) for _, error, text in rows)
    if codec != encoding:
        data = "\ufeff".encode(codec) + data
    shown = {"encoding": codec, "bom": codec != encoding, "delimiter": delimiter, "headerRow": 1, **_unusual(dialect)}
    read = read_corrections(written(tmp_path, data), Reading.of(shown))
    assert read == [{"rowNumber": number, "cells": {"n": "1", "t": text}} for number, _, text in rows]


SINGLE = {"encoding": "utf-8", "delimiter": ",", "quoteChar": "'"}
LATIN = {"encoding": "cp1252", "delimiter": ";"}


@pytest.mark.parametrize(
    ("detected", "data", "told"),
    [
        (SINGLE, "_row,_type,_reason,id\n2,type-error,\"'x, or y'\",'k1'\n", "other quotes"),
        (SINGLE, "_row,_type,_reason,id\n2,type-error,no number,'k1'\n", "other quotes"),
        (SINGLE, "_row,id\n2,'k1'\n", "take quotes and escapes of the source off"),
        ({**SINGLE, "quoteChar": ""}, '_row,_type,_reason,id\n2,type-error,"n: ""x"" is",k\n', "other quotes"),
        (
            {"encoding": "utf-8", "delimiter": ",", "escapeChar": "\\"},
            "_row,id\n2,a\\\\b\n",
            "take quotes and escapes of the source off",
        ),
        (LATIN, "_row;_type;_reason;t\n2;type-error;x;Zoë\n", "--encoding"),
        ({"encoding": "utf-8", "delimiter": ","}, "_row,t\n2,Zoë\n".encode("cp1252"), "is not utf-8"),
        ({"encoding": "utf-8", "delimiter": ","}, '_row,t\n2,"a"b\n', "leave out the row"),
    ],
)
def test_what_could_be_read_in_two_ways_is_refused_with_what_to_do(
    stack: Service,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    detected: dict[str, Any],
    data: str | bytes,
    told: str,
) -> None:
    stack.routes[f"GET /v1/jobs/{JOB_ID}"] = answer(partial(detected=detected))
    assert main(["fix", JOB_ID, "--rows", written(tmp_path, data)]) == 2
    assert told in " ".join(capsys.readouterr().err.split())
    assert stack.sent("POST", f"/v1/jobs/{JOB_ID}/relaunch") == []


@pytest.mark.parametrize(
    ("detected", "data", "options", "cells"),
    [
        (SINGLE, "_row,id\n2,'k1'\n", ["--dialect", '{"quoteChar": "\'"}'], {"id": "k1"}),
        (SINGLE, "_row,id\n2,'k1'\n", ["--dialect", "{}"], {"id": "'k1'"}),
        (SINGLE, '_row,id\n2,"k,1"\n', [], {"id": "k,1"}),
        (LATIN, "_row;t\n2;Zoë\n", ["--encoding", "utf-8"], {"t": "Zoë"}),
        (LATIN, "_row;t\n2;Zoë\n", ["--encoding", "cp1252"], {"t": "ZoÃ«"}),
        (LATIN, "\ufeff_row;t\n2;Zoë\n", [], {"t": "Zoë"}),
        (LATIN, "_row;t\n2;Ō\x81\n", [], {"t": "Ō\x81"}),  # 0x81 is nothing in Windows-1252
        (None, "_row\tt\n2\tZoë\n", [], {"t": "Zoë"}),
        ({"encoding": None, "delimiter": None, "format": "xlsx"}, "_row,t\n2,Zoë\n", [], {"t": "Zoë"}),
    ],
)
def test_other_files_are_csv_with_double_quotes_unless_declared(
    stack: Service,
    tmp_path: Path,
    detected: dict[str, Any] | None,
    data: str,
    options: list[str],
    cells: dict[str, str],
) -> None:
    stack.routes[f"GET /v1/jobs/{JOB_ID}"] = answer(partial(detected=detected))
    stack.routes[f"POST /v1/jobs/{JOB_ID}/relaunch"] = answer(job(jobId=OTHER_ID), 202)
    assert main(["fix", JOB_ID, "--rows", written(tmp_path, data), *options]) == 0
    [request] = stack.sent("POST", f"/v1/jobs/{JOB_ID}/relaunch")
    assert request.json["corrections"] == [{"rowNumber": 2, "cells": cells}]


@pytest.mark.parametrize("options", [["--encoding", "none"], ["--dialect", '{"delimiter": ",,"}'],
                                     ["--dialect", '{"quoteChar": 7}']])  # fmt: skip
def test_a_declaration_that_cannot_be_is_refused(stack: Service, tmp_path: Path, options: list[str]) -> None:
    stack.routes[f"GET /v1/jobs/{JOB_ID}"] = answer(partial())
    assert main(["fix", JOB_ID, "--rows", written(tmp_path, "_row,t\n2,x\n"), *options]) == 2
    assert stack.sent("POST", f"/v1/jobs/{JOB_ID}/relaunch") == []
