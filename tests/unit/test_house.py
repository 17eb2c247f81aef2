"""The house: which layer may import which, what stays pure, and what is reached through one place only."""

from __future__ import annotations

import ast
import dataclasses
import re
import sys
import tomllib
from pathlib import Path

import pytest

from tests.builders import ROOT, template
from tests.module_graph import MODULES, PACKAGE, circles, imports_of, layer_imports, loaded_with, mentions, tree
from waybill.entities.fieldtypes import TYPES
from waybill.exports.destinations import DESTINATIONS
from waybill.exports.formats import FORMATS
from waybill.settings import Settings

FUNCTIONS = sorted(path for path in (ROOT / "functions").iterdir() if (path / "app.py").exists())
OUR_CODE = sorted([*PACKAGE.rglob("*.py"), *(ROOT / "functions").rglob("*.py")])

# Top to bottom; a module imports what is in its own package or in a lower row. Packages of one row are strangers.
LAYERS = (
    ("bootstrap",),
    ("upkeep",),
    ("webhooks",),
    ("sources",),  # its places are those of exports, read the other way
    ("exports", "imports"),
    ("wire",),
    ("jobs",),
    ("entities",),
    ("tabular", "aws", "encryption_process"),
    ("sizes", "schedule", "hosts", "encryption"),
    ("native", "joined", "errors", "settings", "telemetry", "clock", "ids", "timestamps", "validation"),
)
ROWS = {f"waybill.{name}": row for row, names in enumerate(LAYERS) for name in names}

# These must be pure; others are when their docstring says so. What they may load besides the standard library:
PURE = ("jobs.model", "jobs.items", "jobs.permissions", "entities.fieldtypes", "entities.fields", "entities.schema")
PURE_THIRD_PARTY = {"pyarrow", "pydantic_core", "webencodings", "xlrd", "xxhash"}
# fmt: off
DOES_IO = {
    "asyncio", "ftplib", "http", "multiprocessing", "os", "pathlib", "queue", "random", "secrets", "select", "shutil",
    "signal", "smtplib", "socket", "sqlite3", "ssl", "subprocess", "tempfile", "threading", "time", "urllib",
    "waybill.aws", "waybill.bootstrap", "waybill.clock", "waybill.ids", "waybill.settings", "waybill.telemetry",
}
# fmt: on
#: Old workbooks and Parquet are read by a process of their own, whose memory ends with it.
MAY_DO_IO = {
    "waybill.tabular.xls": {"os", "signal", "subprocess", "tempfile"},
    "waybill.tabular.parquet": {"os", "signal", "subprocess"},
    "waybill.native": {"pathlib"},
}

CLOCK_AND_IDS = re.compile(
    r"time\.(time|monotonic|perf_counter|process_time)(_ns)?|time\.sleep|asyncio\.sleep"
    r"|datetime\.(datetime\.)?(now|utcnow|today)|datetime\.date\.today"
    r"|uuid\.uuid[14]|os\.urandom|random\.\w+|secrets\.(token_\w+|randbelow|choice|randbits)"
)


#: Who removes the items of each family of keys in the jobs table. A new family must be added here, with its owner.
FAMILIES = {
    "JOB#{jobId} / JOB": "TTL, at the job's `expiresAt`; retention, where TTL is late",
    "JOB#{jobId} / DEFINITION": "retention, at the job's `expiresAt`",
    "JOB#{jobId} / CHUNK#{chunk}#{part}": "retention, at the job's `expiresAt`",
    "JOB#{jobId} / CORRECTIONS#{part}": "retention, at the job's `expiresAt`",
    "JOB#{jobId} / TAKER#{takerId}": "retention, at the job's `expiresAt`",
    "RUNS#{exportId} / {submittedAt}#{jobId}": "retention, at the job's `expiresAt`",
    "SWEEP / {due}#{jobId}": "retention, when all of the job is removed",
    "ACTIVE#{entityUid} / {jobId}": "the end of the job; the deletion of its entity, where it was left over",
    "CHECKUP / {due}#{jobId}": "the check that finds the job ended",
    "CHECKUP / {due}#{entityUid}": "the check that finds the entity's queue empty",
    "QUEUE#{uid} / {submittedAt}#{jobId}": "the end of the job; the next look at the queue, where it was left over",
    "ORDER#{uid} / LATEST": "TTL, a week after the entity's newest import",
    "RUNNING#{uid} / IMPORT": "the end of the job",
    "HORIZON#{uid} / NEXT": "the deletion of the entity",
    "USUAL#{uid} / {mode}#{sourceId}": "TTL, 400 days after the latest import like it; the deletion of the entity",
    "OUTBOX / {jobId}#{status}": "its publication; TTL, a week after the change",
    "DROP#{sha256 of the key} / LATEST": "TTL, 30 hours after the deletion of the object: its event may be repeated",
    "DROP#{sha256 of the key} / SWEPT#{etag}": "TTL, after 30 hours: the event may come after all",
    "DROP#{sha256 of the key} / GONE#{jobId}": "TTL, after 30 hours, in which the event may be repeated",
    "DROPPASS / LATEST": "nobody: one item for the whole drop folder",
    "CONTENT#{uid} / {mode}#{sha256}": "TTL, after 30 days in which the same file is recognised; digests and ids only",
    "UPLOAD#{uploadId} / UPLOAD": "TTL, at the upload's `expiresAt`",
    "SWEEP / {due}#{uploadId}": "retention, when the upload has expired",
    "IDEMPOTENCY#{hash of caller and key} / KEY": "TTL, after a day",
    "MAILS#{day} / SENT": "TTL, a week after the day's last mail",
    "WEBHOOKS#{day} / SENT": "TTL, a week after the day's last webhook",
    "WEBHOOKS#{day} / {of}": "TTL, a week after the day's last webhook",
    "WEBHOOK / {due}#{webhookId}": "its delivery, or the end of the attempts; when it is due and its entity is gone",
    "CALLER#{sha256 of the subject} / JOBS": "TTL, a week after the caller's last job began or ended",
    "CALLER#{sha256 of the subject} / UPLOADS": "TTL, a week after the caller's last upload in parts expires",
    "CALLER#{sha256 of the subject} / PREVIEWS#{minute}": "TTL, after an hour",
    "CALLER#{sha256 of the subject} / CHECKS#{minute}": "TTL, after an hour",
    "CALLER#{sha256 of the subject} / COUNTS#{minute}": "TTL, after an hour",
    "AUDIT#{month} / {time}#{token}": "TTL, after `AuditRetentionDays`: entries outlive what they tell of",
    "SOURCE#{sourceId} / FILE#{mark}": "TTL, after 400 days in which the file was not seen any more",
    "SOURCE#{sourceId} / SEEN#{seenAt}#{mark}": "TTL, after 400 days",
    "SOURCE#{sourceId} / AFTER#{mark}": "the run that moves or deletes the file, the failure of its import; TTL",
    "SOURCE#{sourceId} / FETCH": "the run that has fetched the file; TTL, after a day",
    "AFTER / {sourceId}": "the run that looks at what is ready; TTL",
    "CALLER#{sha256 of the subject} / GROUPS": "TTL, at `OwnerGroupsMaxAgeDays` after the caller's last request",
}


def package_of(module: str) -> str:
    return ".".join(module.split(".")[:2])


def test_every_package_has_its_layer() -> None:
    assert {package_of(module) for module in MODULES} - {"waybill"} == ROWS.keys()


@pytest.mark.parametrize("module", sorted(MODULES.keys() - {"waybill"}))
def test_imports_point_down(module: str) -> None:
    """Those for types and those in functions too."""
    package = package_of(module)
    for imported in layer_imports(module):
        other = package_of(imported)
        assert other == package or ROWS[other] > ROWS[package], f"{module} imports {imported}"


def test_no_modules_import_each_other_in_a_circle() -> None:
    assert circles() == []


def is_pure(module: str) -> bool:
    says_so = re.search(r"\bPure\b", ast.get_docstring(tree(MODULES[module])) or "")
    return bool(says_so) or module.removeprefix("waybill.").startswith(PURE) or package_of(module) == "waybill.tabular"


@pytest.mark.parametrize("module", [module for module in MODULES if is_pure(module)])
def test_pure_modules_load_nothing_that_does_io(module: str) -> None:
    loaded = {module: {module}} | loaded_with(module)
    for name, importers in loaded.items():
        root = name.partition(".")[0]
        assert root == "waybill" or root in sys.stdlib_module_names | PURE_THIRD_PARTY, f"{importers} import {name}"
        if {root, package_of(name)} & DOES_IO:
            guilty = {importer for importer in importers if root not in MAY_DO_IO.get(importer, ())}
            assert not guilty, f"{guilty} import {name}"


@pytest.mark.parametrize("path", OUR_CODE, ids=lambda path: str(path.relative_to(ROOT)))
def test_time_chance_and_ids_come_through_clock_and_ids(path: Path) -> None:
    if path not in (PACKAGE / "clock.py", PACKAGE / "ids.py"):
        assert [(name, line) for name, line in mentions(path) if CLOCK_AND_IDS.fullmatch(name)] == []


def test_the_check_of_clocks_finds_every_spelling(tmp_path: Path) -> None:
    source = tmp_path / "module.py"
    source.write_text(
        "import time, os as system\nimport datetime\nfrom datetime import datetime as moment, date\n"
        "from time import sleep\nfrom uuid import uuid4\nimport random\n"
        "time.monotonic()\nsystem.urandom(1)\nmoment.now()\ndatetime.datetime.utcnow()\ndate.today()\nrandom.random()\n"
        "def f(clock=time.time): ...\ntime.gmtime(0)\nself.clock.now()\nself.random.choice()\n"
    )
    found = {name for name, _ in mentions(source) if CLOCK_AND_IDS.fullmatch(name)}
    assert found == {
        *("time.monotonic", "time.sleep", "time.time", "os.urandom", "uuid.uuid4", "random.random"),
        *("datetime.datetime.now", "datetime.datetime.utcnow", "datetime.date.today"),
    }


def test_only_the_aws_package_talks_to_aws() -> None:
    for path in OUR_CODE:
        if path.parent != PACKAGE / "aws":
            forbidden = {name for name in imports_of(path) if name.partition(".")[0] in ("boto3", "botocore", "pycurl")}
            assert not forbidden, f"{path.relative_to(ROOT)} imports {forbidden}"


#: Folders whose modules are reached through the registry in their `__init__.py`, and what stands beside its lines.
REGISTRIES = {"exports/destinations": ("base", "folder"), "exports/formats": ("base", "cells")}


@pytest.mark.parametrize("folder", REGISTRIES)
def test_modules_of_a_registry_are_reached_through_it(folder: str) -> None:
    package = "waybill." + folder.replace("/", ".")
    open_to_all = {package, *(f"{package}.{name}" for name in REGISTRIES[folder])}
    for path in OUR_CODE:
        if PACKAGE / folder not in path.parents:
            reached = {name for name in imports_of(path) if name == package or name.startswith(f"{package}.")}
            assert reached <= open_to_all, f"{path.relative_to(ROOT)} imports {reached - open_to_all}"


def test_only_a_registry_tells_one_kind_from_another() -> None:
    """What differs by destination or format stands in its own module: nobody else compares its name."""
    names = {*DESTINATIONS, *FORMATS}
    places = (PACKAGE / "exports", PACKAGE / "sources", PACKAGE / "upkeep", ROOT / "functions")
    for path in (path for place in places for path in place.rglob("*.py")):
        if any(PACKAGE / folder in path.parents for folder in REGISTRIES):
            continue
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.Compare | ast.MatchValue):
                compared = {each.value for each in ast.walk(node) if isinstance(each, ast.Constant)}
                assert not compared & names, f"{path.relative_to(ROOT)}:{node.lineno} compares {compared & names}"


def test_the_steps_of_an_import_do_not_import_each_other() -> None:
    operations = ("plan", "precheck", "deduplicate", "load", "finish", "start", "relaunch", "preview")
    names = {f"waybill.imports.{name}" for name in operations}
    for path in (PACKAGE / "imports").glob("*.py"):
        assert not imports_of(path) & names, f"{path.name} imports {imports_of(path) & names}"


def test_a_field_type_is_known_to_its_module_and_the_registry_only() -> None:
    modules_of_types = {kind.__module__.rpartition(".")[2] for kind in TYPES.values()}
    assert modules_of_types == set(TYPES)
    for path in PACKAGE.rglob("*.py"):
        if path.parent.name != "fieldtypes":
            source = path.read_text()
            named = set(re.findall(r"fieldtypes\.(\w+) import", source)) & modules_of_types
            assert not named, f"{path.relative_to(PACKAGE)} imports {named}"
            ladder = re.search(r"\bkind\.name (==|!=|in|not in) ", source)
            assert not ladder, f"{path.relative_to(PACKAGE)} tells types apart by name: {ladder[0]}"


def test_powertools_stays_at_the_edge() -> None:
    for path in PACKAGE.rglob("*.py"):
        if path.name != "telemetry.py":
            assert not any(name.startswith("aws_lambda_powertools") for name in imports_of(path)), path.name


def test_functions_never_import_each_other() -> None:
    names = {path.name for path in FUNCTIONS}
    for function in FUNCTIONS:
        for path in function.rglob("*.py"):
            assert not {name.partition(".")[0] for name in imports_of(path)} & (names | {"functions"}), path


def test_every_function_has_its_settings() -> None:
    variables = template()["Globals"]["Function"]["Environment"]["Variables"]
    given_by_lambda = {"AWS_REGION", "AWS_ENDPOINT_URL"}
    wanted = {field.name.upper() for field in dataclasses.fields(Settings)}
    assert wanted - given_by_lambda == {name for name in variables if not name.startswith(("POWERTOOLS_", "MALLOC_"))}


def test_no_folder_of_tests_is_left_out() -> None:
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["pytest"]["ini_options"]["testpaths"]
    assert sorted(listed) == sorted({f"tests/{path.parent.name}" for path in ROOT.glob("tests/*/test_*.py")})
    assert not list(ROOT.glob("tests/test_*.py")) and not list(ROOT.glob("tests/*/*/test_*.py"))


# What a page is at one moment; what follows an `expect` of the same thing is stable, but nobody sees which.
ONE_MOMENT = re.compile(
    r"\bassert\b.*(page\.url|scrollWidth|bounding_box\(\)|\.count\(\)|inner_text\(\)|text_content\(\)|input_value\(\)"
    r"|get_attribute\(|\.is_(visible|hidden|enabled|disabled|checked|editable)\(\))"
)


def test_browser_tests_wait_for_what_they_expect() -> None:
    files = sorted((ROOT / "tests" / "browser").glob("*.py"))
    lines = [(path.name, line.strip()) for path in files for line in path.read_text(encoding="utf-8").splitlines()]
    assert len(files) > 30
    assert [(name, line) for name, line in lines if ONE_MOMENT.search(line)] == []
    assert ONE_MOMENT.search('    assert "step=6" in page.url')


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda path: path.name)
def test_handlers_are_short_and_read_nothing_at_import(function: Path) -> None:
    source = (function / "app.py").read_text()
    assert len(source.splitlines()) < 100
    if function.name != "console":  # which is no part of the layer's world, and has no settings of it
        assert "os.environ" not in source and "getenv" not in source


def test_the_index_of_decisions_lists_every_file() -> None:
    folder = ROOT / "docs" / "decisions"
    listed = re.findall(r"\]\(([^)]+\.md)\)", (folder / "README.md").read_text())
    assert sorted(listed) == sorted(path.name for path in folder.glob("*.md") if path.name != "README.md")
    dated = [name for name in listed if name[0].isdigit()]
    assert [name[:10] for name in dated] == sorted(name[:10] for name in dated), "newest last"
    for name in dated:
        assert re.match(rf"# .+\n\n{name[:10]} · \S+", (folder / name).read_text()), f"{name}: title, date, status"


def test_every_page_is_in_the_readme_and_in_the_navigation_of_the_site() -> None:
    """A page without a place fails the build of the site."""
    pages = sorted(path.name for path in (ROOT / "docs").glob("*.md"))
    navigation = re.findall(r": ([\w-]+\.md)$", (ROOT / "mkdocs.yml").read_text(), re.MULTILINE)
    assert sorted({*navigation} - {"index.md", "changelog.md"}) == pages
    section = (ROOT / "README.md").read_text().partition("## Documentation")[2].partition("\n## ")[0]
    assert sorted(set(re.findall(r"\(docs/([\w-]+\.md)\)", section))) == pages


def test_the_readme_names_each_place_once_and_where_it_is() -> None:
    section = (ROOT / "README.md").read_text().partition("## Where is X")[2].partition("\n## ")[0]
    places = re.findall(r"`(\w[\w./-]*(?:/|\.\w+))`", section)
    assert [name for name in places if not (ROOT / name).exists()] == []
    assert len(places) > 20 and len(set(places)) == len(places)


def test_every_family_of_keys_has_somebody_who_removes_it() -> None:
    """`tests/integration/test_nothing_stays.py` runs jobs to their end and looks for what is left."""
    written = set()
    for path in [*(PACKAGE / "jobs").glob("*.py"), PACKAGE / "sources" / "files.py"]:
        written |= set(re.findall(r"^ {0,4}([A-Z]+(?:#\{[^}]*\})? / \S+)", path.read_text(), re.MULTILINE))
    assert written == FAMILIES.keys()


#: An ARN of one partition, or a host of one: what works in one partition only.
ONE_PARTITION = re.compile(r"arn:aws[\w-]*:|[\w-]*amazonaws\.(com|eu)[.\w]*|amazoncognito\.com")
#: The names of services in policies are the same in every partition.
SERVICE = re.compile(r"Principal: (\{Service: )?[a-z]+\.amazonaws\.com\b")
PRODUCT = (
    "shared",
    "functions",
    "cli/waybill_cli",
    "infra",
    "console/src",
    "template.yaml",
    "samconfig.toml",
    "Makefile",
)
SUFFIXES = {".py", ".yaml", ".json", ".toml", ".ts", ".tsx", ".html", ""}


def of_one_partition(path: Path) -> list[str]:
    text = SERVICE.sub("", path.read_text())
    return [found[0] for found in ONE_PARTITION.finditer(text)]


def product_files() -> list[Path]:
    folders = [ROOT / name for name in PRODUCT]
    found = [path for folder in folders for path in (folder.rglob("*") if folder.is_dir() else [folder])]
    skipped = {"node_modules", "static", "docs", "__pycache__"}  # docs and static are built
    return [
        one
        for one in found
        if one.is_file() and one.suffix in SUFFIXES and not skipped & {*one.relative_to(ROOT).parts}
    ]


def test_nothing_names_one_partition() -> None:
    """`waybill.aws.partitions` says where a host comes from instead."""
    files = product_files()
    assert len(files) > 150
    only = ROOT / "shared" / "waybill" / "aws" / "partitions.py"
    named = {str(path.relative_to(ROOT)): of_one_partition(path) for path in files if path != only}
    assert {name: found for name, found in named.items() if found} == {}


def test_the_check_of_partitions_finds_every_spelling(tmp_path: Path) -> None:
    source = tmp_path / "x.yaml"
    source.write_text(
        "arn:aws:s3:::a arn:aws-cn:s3:::a arn:${AWS::Partition}:s3:::a arn:*:s3:::a\n"
        "https://cognito-idp.eu-west-1.amazonaws.com/ s3.cn-north-1.amazonaws.com.cn a.auth.x.amazoncognito.com\n"
        "Principal: apigateway.amazonaws.com\nPrincipal: {Service: events.amazonaws.com}\n"
    )
    assert of_one_partition(source) == [
        *("arn:aws:", "arn:aws-cn:", "amazonaws.com", "amazonaws.com.cn", "amazoncognito.com"),
    ]
