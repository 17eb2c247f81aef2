"""Who may import whom: functions → operations → pure modules; `bootstrap` alone builds what talks to AWS."""

from __future__ import annotations

import ast
import dataclasses
import re
import tomllib
from pathlib import Path

import pytest

from tests.builders import ROOT, template
from waybill.entities.fieldtypes import TYPES
from waybill.exports.destinations import DESTINATIONS
from waybill.exports.formats import FORMATS
from waybill.settings import Settings

PACKAGE = ROOT / "shared" / "waybill"
FUNCTIONS = sorted(path for path in (ROOT / "functions").iterdir() if (path / "app.py").exists())

# Only the standard library, their format library, and each other.
PURE = ("tabular", "jobs/model.py", "jobs/items.py", "entities/fieldtypes", "entities/fields.py", "entities/schema.py")
PURE_MAY_IMPORT = (
    "waybill.tabular",
    "waybill.errors",
    "waybill.joined",
    "waybill.timestamps",
    "waybill.validation",
    "waybill.native",
    "waybill.jobs.model",
    "waybill.jobs.items",
    "waybill.entities",
    "pydantic_core",
    "python_calamine",
    "xxhash",
)


def imports_of(path: Path, runtime_only: bool = False) -> set[str]:
    tree = ast.parse(path.read_text())
    if runtime_only:
        tree.body = [
            node for node in tree.body if not (isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test))
        ]
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            found.add(node.module)
    return found


def modules(where: str) -> list[Path]:
    path = PACKAGE / where
    return sorted(path.rglob("*.py")) if path.is_dir() else [path]


@pytest.mark.parametrize("where", PURE)
def test_pure_modules_stay_pure(where: str) -> None:
    import sys

    for path in modules(where):
        for name in imports_of(path):
            root = name.partition(".")[0]
            assert root in sys.stdlib_module_names or name.startswith(PURE_MAY_IMPORT), f"{path.name} imports {name}"


def test_only_the_aws_package_talks_to_aws() -> None:
    for path in PACKAGE.rglob("*.py"):
        if path.parent.name != "aws":
            forbidden = {name for name in imports_of(path) if name.partition(".")[0] in ("boto3", "botocore", "pycurl")}
            assert not forbidden, f"{path.relative_to(PACKAGE)} imports {forbidden}"


def test_only_bootstrap_builds_adapters() -> None:
    for path in PACKAGE.rglob("*.py"):
        if path.name != "bootstrap.py":
            assert "waybill.bootstrap" not in imports_of(path, runtime_only=True), (
                f"{path.name} builds its own services"
            )


def test_exports_and_imports_do_not_import_each_other() -> None:
    for area, other in (("exports", "waybill.imports"), ("imports", "waybill.exports")):
        for path in modules(area):
            assert not any(name.startswith(other) for name in imports_of(path)), f"{path.relative_to(PACKAGE)}"


#: Folders whose modules are reached through the registry in their `__init__.py`, and what stands beside its lines.
REGISTRIES = {"exports/destinations": ("base", "hosts"), "exports/formats": ("cells",)}


@pytest.mark.parametrize("folder", REGISTRIES)
def test_modules_of_a_registry_are_reached_through_it(folder: str) -> None:
    package = "waybill." + folder.replace("/", ".")
    open_to_all = {package, *(f"{package}.{name}" for name in REGISTRIES[folder])}
    for path in [*PACKAGE.rglob("*.py"), *(ROOT / "functions").rglob("*.py")]:
        if PACKAGE / folder not in path.parents:
            reached = {name for name in imports_of(path) if name == package or name.startswith(f"{package}.")}
            assert reached <= open_to_all, f"{path.relative_to(ROOT)} imports {reached - open_to_all}"


def test_only_a_registry_tells_one_kind_from_another() -> None:
    """What differs by destination or format stands in its own module: nobody else compares its name."""
    names = {*DESTINATIONS, *FORMATS}
    places = (PACKAGE / "exports", PACKAGE / "upkeep", ROOT / "functions")
    for path in (path for place in places for path in place.rglob("*.py")):
        if any(PACKAGE / folder in path.parents for folder in REGISTRIES):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Compare | ast.MatchValue):
                compared = {each.value for each in ast.walk(node) if isinstance(each, ast.Constant)}
                assert not compared & names, f"{path.relative_to(ROOT)}:{node.lineno} compares {compared & names}"


def test_the_steps_of_an_import_do_not_import_each_other() -> None:
    operations = ("plan", "precheck", "deduplicate", "load", "finish", "start", "relaunch", "preview")
    names = {f"waybill.imports.{name}" for name in operations}
    for path in modules("imports"):
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


def test_the_readme_names_each_place_once_and_where_it_is() -> None:
    section = (ROOT / "README.md").read_text().partition("## Where is X")[2].partition("\n## ")[0]
    places = re.findall(r"`(\w[\w./-]*(?:/|\.\w+))`", section)
    assert [name for name in places if not (ROOT / name).exists()] == []
    assert len(places) > 20 and len(set(places)) == len(places)
