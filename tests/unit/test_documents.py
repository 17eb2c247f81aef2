"""The pages that people choose, operate and debug by say what the code says."""

from __future__ import annotations

import argparse
import importlib
import json
import re
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.api_builders import load_function
from tests.builders import ROOT
from waybill.entities.model import DataType
from waybill.jobs.model import SERVICE_FAILURES

DOCS = ROOT / "docs"
CODE = "\n".join(
    file.read_text(encoding="utf-8")
    for folder in ("shared", "functions", "cli", "infra")
    for file in (ROOT / folder).rglob("*.py")
    if "node_modules" not in file.parts
)
MODULES = {
    "sizes": "waybill.sizes",
    "schema": "waybill.entities.schema",
    "cleaning": "waybill.entities.cleaning",
    "dialect": "waybill.tabular.dialect",
    "definition": "waybill.exports.definition",
    "encryption": "waybill.encryption",
    "recipients": "waybill.jobs.recipients",
    "webhooks": "waybill.jobs.webhooks",
    "usual_rows": "waybill.jobs.usual_rows",
    "webhook_queue": "waybill.jobs.webhook_queue",
    "file_names": "waybill.exports.file_names",
    "filter": "waybill.exports.filter",
    "idempotency": "waybill.jobs.idempotency",
    "labels": "waybill.tabular.labels",
    "compressed": "waybill.tabular.compressed",
    "fetch": "waybill.sources.fetch",
    "source": "waybill.sources.definition",
    "xlsx_sheet": "waybill.tabular.xlsx_sheet",
    "xlsx": "waybill.exports.formats.xlsx",
    "xls": "waybill.tabular.xls",
    "part_uploads": "waybill.imports.part_uploads",
    "conversion": "waybill.imports.conversion",
    "foreign_keys": "waybill.imports.foreign_keys",
    "attributes": "waybill.entities.fieldtypes.attributes",
    "row_compiler": "waybill.entities.row_compiler",
}
#: Constants of sizes.py that are no limit of what users give.
NO_LIMIT = {"MAX_MESSAGE"}


def rows(page: str) -> Iterator[list[str]]:
    for line in (DOCS / page).read_text(encoding="utf-8").splitlines():
        if line.startswith("| ") and not line.startswith("|---"):
            yield [cell.strip() for cell in line.strip("|").split(" | ")]


def written(value: int | timedelta) -> set[str]:
    """How a page may write a number, a number of bytes, or days."""
    if isinstance(value, timedelta):
        return {f"{value.days} days"}
    forms = {f"{value:,}"}
    for unit, size in (("KiB", 1024), ("MiB", 1024**2), ("GiB", 1024**3)):
        if value >= size and value % size == 0:
            forms.add(f"{value // size} {unit}")
    return forms


@pytest.fixture(scope="module")
def api_modules() -> dict[str, Any]:
    return {"request": load_function("api", "request"), "jobs": load_function("api", "models.jobs")}


def test_each_limit_of_the_page_is_that_of_the_code(api_modules: dict[str, Any]) -> None:
    named = set()
    for cells in rows("limits.md"):
        for module, constant in re.findall(r"`(\w+)\.(MAX_\w+)`", cells[-1]):
            known = api_modules.get(module) or importlib.import_module(MODULES[module])
            value = getattr(known, constant)
            if constant != "MAX_EXPRESSION_BYTES":  # the page says how many fields that are
                assert any(form in cells[1] for form in written(value)), (constant, value, cells)
            named.add((module, constant))
    assert len(named) > 25


def test_each_limit_on_what_users_give_is_on_the_page() -> None:
    import waybill.sizes

    page = (DOCS / "limits.md").read_text(encoding="utf-8")
    limits = {name for name in vars(waybill.sizes) if name.startswith("MAX_")} - NO_LIMIT
    assert [name for name in sorted(limits) if f"`sizes.{name}`" not in page] == []


def test_each_parameter_that_the_pages_name_is_one_of_the_template() -> None:
    from infra.local.package import load_template

    parameters = load_template()["Parameters"].keys()
    for page in ("limits.md", "costs.md", "operate.md", "entities.md", "deploy.md", "keys-and-networks.md"):
        text = (DOCS / page).read_text(encoding="utf-8")
        for name in re.findall(
            r"`((?:Api|Max|Workers|Mails|Import|Export|Files|Audit|Log|Target|Other|Delivery|Kms|Foreign|Domain)\w+)`",
            text,
        ):
            assert name in parameters or name in CODE or name in (ROOT / "template.yaml").read_text(), (page, name)


def test_every_code_of_a_job_is_explained() -> None:
    """Those that an error of the code bears, and those that end jobs."""
    page = (DOCS / "errors.md").read_text(encoding="utf-8")
    sys.path.insert(0, str(ROOT / "shared"))
    from waybill import errors

    codes = set(SERVICE_FAILURES)
    codes |= {
        str(kind.job_code)
        for kind in vars(errors).values()
        if isinstance(kind, type) and isinstance(getattr(kind, "job_code", None), str)
    }
    codes |= set(
        re.findall(r'^[A-Z_]+ = "([a-z]+(?:-[a-z]+)+)"$', (ROOT / "shared/waybill/jobs/giving_up.py").read_text(), re.M)
    )
    assert {"timed-out", "internal-error", "delivery-failed"} <= codes
    assert [code for code in sorted(codes - {"given-up"}) if f"`{code}`" not in page] == []


def test_every_member_of_an_entity_is_explained() -> None:
    models = load_function("api", "models.entities")
    page = (DOCS / "entities.md").read_text(encoding="utf-8")
    for name, field in models.EntityRequest.model_fields.items():
        assert f"`{field.alias or name}`" in page, name
    assert [kind for kind in DataType if f"`{kind}`" not in page] == []


def api_words(schema: Any) -> Iterator[str]:
    """The words that a schema of the API's description lists for members."""
    if isinstance(schema, dict):
        yield from (word for word in schema.get("enum", ()) if isinstance(word, str))
        for part in schema.values():
            yield from api_words(part)
    elif isinstance(schema, list):
        for part in schema:
            yield from api_words(part)


#: What no page has to name: it is said in other words, or by the reference alone.
SAID_OTHERWISE = {
    *("\r\n", "\r", "clear"),  # `lineTerminator`, as LF, CR and CR LF; the default of `blanks`
    *("wed", "thu", "fri", "sat", "sun"),  # follow from `mon` and `tue`
}


@pytest.mark.parametrize(
    ("schema", "pages"),
    [
        ("EntityRequest", ("entities.md", "validation.md", "files.md")),
        ("PermissionsRequest", ("entities.md",)),
        ("QualityRequest", ("entities.md",)),
        ("TargetRequest", ("entities.md",)),
        ("TableSchema", ("validation.md", "entities.md")),
        ("TableDialect", ("files.md",)),
        ("ImportRequest", ("files.md",)),
        ("ExportRequest", ("exports.md",)),
        ("SourceRequest", ("sources.md",)),
        ("Status", ("api.md",)),
        ("Outcome", ("api.md",)),
    ],
)
def test_each_member_and_word_of_the_api_is_on_its_page(schema: str, pages: tuple[str, ...]) -> None:
    described = json.loads((ROOT / "functions/api/openapi.json").read_text())["components"]["schemas"][schema]
    text = "\n".join((DOCS / page).read_text(encoding="utf-8") for page in pages)
    wanted = {*described.get("properties", ()), *api_words(described)} - SAID_OTHERWISE
    assert wanted
    assert [word for word in sorted(wanted) if not re.search(rf"\b{re.escape(word)}\b", text)] == []


def test_each_reason_of_a_failed_delivery_is_explained() -> None:
    from waybill.errors import DeliveryFailed

    page = (DOCS / "exports.md").read_text(encoding="utf-8")
    assert [reason for reason in DeliveryFailed.REASONS if f"`{reason}`" not in page] == []


def commands(parser: argparse.ArgumentParser, path: str = "") -> Iterator[tuple[str, str]]:
    """(command, option), the option empty for the command itself."""
    yield path, ""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, child in action.choices.items():
                yield from commands(child, f"{path} {name}".strip())
        elif action.option_strings:
            yield path, max(action.option_strings, key=len)


def test_each_command_and_option_of_waybill_is_explained() -> None:
    sys.path.insert(0, str(ROOT / "cli"))
    from waybill_cli import main

    page = (DOCS / "cli.md").read_text(encoding="utf-8")
    found = set(commands(main._parser()))
    assert len(found) > 60
    unexplained = {(command, option) for command, option in found if option and option not in page}
    assert {option for _, option in unexplained} <= {"--help", "--output"}, "the page writes -o for --output"
    assert [command for command, option in found if not option and command.rpartition(" ")[2] not in page] == []


def messages(page: str) -> list[str]:
    """The first cell's texts that are sentences: codes have no space."""
    found = [text for cells in rows(page) for text in re.findall(r"`([^`]+)`", cells[0])]
    return [text for text in found if " " in text]


def test_each_message_that_troubleshooting_quotes_is_one_that_people_see() -> None:
    """Numbers stand for what the code puts there."""
    sources = CODE + (ROOT / "Makefile").read_text(encoding="utf-8")
    joined = re.sub(r'"\s*\n\s*f?"', "", sources)  # texts over two lines
    found = messages("troubleshooting.md")
    assert len(found) >= 12
    for message in found:
        parts = [part for part in re.split(r"\d{4}", message) if part.strip()]
        assert all(part.strip() in joined for part in parts) or message == "Too Many Requests", message


def test_the_sums_of_the_costs_are_right() -> None:
    sums: list[float] = [0.0, 0.0, 0.0]
    table = [cells for cells in rows("costs.md")]
    start = next(index for index, cells in enumerate(table) if cells[0].startswith("$"))
    for cells in table[start + 1 :]:
        figures = [float(cell.strip("* ")) for cell in cells[1:]]
        if cells[0].startswith("**"):
            assert [round(value, 2) for value in sums] == figures
            return
        sums = [total + figure for total, figure in zip(sums, figures, strict=True)]
    pytest.fail("no sum")


@pytest.mark.parametrize("page", sorted(path.name for path in DOCS.glob("*.md")))
def test_links_between_pages_lead_somewhere(page: str) -> None:
    text = (DOCS / page).read_text(encoding="utf-8")
    for target, anchor in re.findall(r"\]\(([\w./-]*)(?:#([\w-]+))?\)", text):
        file = (DOCS / target).resolve() if target else DOCS / page
        assert file.exists(), target
        if anchor and file.suffix == ".md":
            assert anchor in anchors(file), f"{target}#{anchor}"


def anchors(file: Path) -> set[str]:
    """As GitHub makes them of headings."""
    headings = [line for line in file.read_text(encoding="utf-8").splitlines() if line.startswith("#")]
    plain = [re.sub(r"[^\w\s-]", "", heading.lstrip("#").strip().lower()) for heading in headings]
    return {heading.replace(" ", "-") for heading in plain}


def test_each_option_of_a_dropped_file_is_in_the_table_of_options() -> None:
    source = (ROOT / "shared/waybill/imports/options.py").read_text()
    read = set(re.findall(r'metadata(?:\.get\(|, |\[)"([\w-]+)"', source))
    assert {"mode", "on-error", "keep-previous", "recipients"} <= read
    table = {name for cells in rows("files.md") if len(cells) == 5 for name in re.findall(r"`([\w-]+)`", cells[1])}
    assert read <= table
