"""What is deployed to AWS: `sam build` works, and the layer needs nothing but itself.

The embedded AWS cannot show that: it runs functions in its own environment, which has everything.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from infra.local.embedded import ROOT
from infra.native import source_hash

SAM = ROOT / ".venv-sam" / "bin" / "sam"
LAMBDA_LIMIT_BYTES = 250 * 1024 * 1024  # function and layers unpacked (AWS, *Lambda quotas*)

IMPORT_EVERYTHING = """
import importlib, pkgutil, sys
sys.path[:0] = sys.argv[1:]
import asyncssh, aws_lambda_powertools, boto3, certifi, msgspec, pycurl, pydantic, tzdata, xxhash
import cryptography.hazmat.primitives.asymmetric.rsa
import waybill
for module in pkgutil.walk_packages(waybill.__path__, "waybill."):
    importlib.import_module(module.name)
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
        command, cwd=cwd, env=os.environ | environment, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr


def isolated(code: str, *path: Path) -> None:
    """Run code with the standard library and `path`, and nothing else: no site-packages, no environment."""
    run(sys.executable, "-I", "-S", "-W", "ignore", "-c", code, *path, AWS_REGION="us-east-1")


@pytest.fixture(scope="module")
def layer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The layer as `sam build` makes it, but for the Python that runs this test."""
    folder = tmp_path_factory.mktemp("layer")
    run(
        "make",
        "build-SharedLayer",
        f"ARTIFACTS_DIR={folder}",
        f"PYTHON={sys.executable}",
        f"LAYER_PYTHON={sys.version_info.major}.{sys.version_info.minor}",
        "LAYER_PLATFORMS=",
        "COMPILER=false",  # compiled files are for speed only
        cwd=ROOT / "shared",
    )
    return folder / "python"


def test_the_layer_holds_all_that_its_modules_import(layer: Path) -> None:
    isolated(IMPORT_EVERYTHING, layer)


def test_the_layer_has_the_native_library_and_can_load_it(layer: Path) -> None:
    isolated("import sys; sys.path.insert(0, sys.argv[1]); from waybill.native import library; assert library()", layer)


@pytest.mark.parametrize("name", ["api", "console", "start_import", "import_steps", "export_steps", "schedule"])
def test_each_function_starts_with_its_folder_and_the_layer(layer: Path, name: str) -> None:
    isolated(IMPORT_HANDLER, ROOT / "functions" / name, layer)


def test_sam_builds_what_lambda_can_load(tmp_path: Path) -> None:
    assert SAM.exists(), "run `make test`, which installs the SAM CLI into an environment of its own"
    run(
        SAM,
        "build",
        "--build-dir",
        tmp_path / "build",
        PATH=f"{SAM.parent}{os.pathsep}{os.environ['PATH']}",
        SAM_CLI_TELEMETRY="0",
        __SAM_CLI_APP_DIR=str(tmp_path / "sam"),
    )
    layer = tmp_path / "build" / "SharedLayer" / "python"
    assert (layer / "waybill" / "settings.py").is_file()
    library = (layer / "waybill" / "native" / "native.lib").read_bytes()
    assert library[:5] == b"\x7fELF\x02" and library[18] == 62, "for x86-64 (ELF: e_machine), whatever this machine is"
    assert source_hash().encode() in library
    compiled = {path.name.partition(".")[0] for path in layer.rglob("*.cpython-313-x86_64-linux-gnu.so")}
    assert {"_pydantic_core", "_pycurl", "_xxhash"} <= compiled
    assert sum(path.stat().st_size for path in layer.rglob("*") if path.is_file()) < LAMBDA_LIMIT_BYTES
