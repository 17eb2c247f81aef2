"""What `sam package` does, without the SAM CLI: code to zip files, and a template that points at them.

What MiniStack makes necessary here is marked "MiniStack:"; the rest holds for AWS too.
"""

from __future__ import annotations

import hashlib
import importlib.util
import io
import json
import os
import py_compile
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from samtranslator.yaml_helper import yaml_parse

from infra.local.embedded import ROOT

Template = dict[str, Any]
Upload = Callable[[str, bytes], str]
"""Stores (name, content), returns the `s3://` address."""


def load_template(path: Path = ROOT / "template.yaml") -> Template:
    """Read a template; short forms such as `!Ref` become `{"Ref": …}`."""
    template: Template = yaml_parse(path.read_text(encoding="utf-8"))
    return template


def package(template: Template, upload: Upload, workers: int) -> Template:
    """Upload the files that the template names by path, and return a template for MiniStack with their addresses.

    Args:
        template: from `load_template`; changed in place.
        upload: stores a file. Names derive from the content, so that unchanged files are not replaced.
        workers: that a Map state runs in parallel; MiniStack ignores `MaxConcurrencyPath`.
    """
    resources: dict[str, Any] = template["Resources"]
    for name, resource in list(resources.items()):
        properties = resource.get("Properties", {})
        match resource["Type"]:
            case "AWS::Serverless::Function":
                properties.pop("Layers", None)
                properties["CodeUri"] = _upload_zip(upload, ROOT / properties["CodeUri"])
            case "AWS::Serverless::LayerVersion" if name != "SharedLayer":
                del resources[name]  # it has only dependencies
            case "AWS::Serverless::LayerVersion":
                # MiniStack: functions run in its own Python, where the layers' dependencies are installed.
                code = ROOT / properties["ContentUri"] / "waybill"
                properties["ContentUri"] = _upload_zip(upload, code, "python/waybill")
            case "AWS::Serverless::StateMachine":
                properties["DefinitionUri"] = _upload_definition(upload, ROOT / properties["DefinitionUri"], workers)
            case "AWS::Logs::QueryDefinition":
                del resources[name]  # MiniStack: it has none
            case "AWS::S3::BucketPolicy":
                del resources[name]  # it requires TLS; the embedded AWS uses plain HTTP, on loopback
    return template


def suit_policies(template: Template) -> Template:
    """Remove from policies what MiniStack cannot evaluate: conditions on the source of an event or the sender of a
    mail, and SES identities as resources. Only these permissions are wider than on AWS.

    Args:
        template: changed in place.
    """
    for resource in template["Resources"].values():
        properties = resource.get("Properties", {})
        documents = [policy for policy in properties.get("Policies", []) if isinstance(policy, dict)]
        documents += [properties["PolicyDocument"]] if resource["Type"] == "AWS::IAM::Policy" else []
        documents = [document.get("PolicyDocument", document) for document in documents]  # a role's have names
        for statement in (statement for document in documents for statement in document.get("Statement", [])):
            if statement["Action"] == ["events:PutEvents"]:
                statement.pop("Condition", None)
            elif statement["Action"] == ["ses:SendEmail"]:
                statement.pop("Condition", None)
                statement["Resource"] = "*"
    return template


def zip_folder(folder: Path, prefix: str = "") -> bytes:
    """Zip the Python files of a folder, compiled too; the same files always give the same bytes.

    Compiled files are of the "unchecked" kind (PEP 552): unpacking a zip file changes the times that the
    other kind compares, and starting without them takes three times as long.
    """
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for path in sorted(folder.rglob("*")):
            relative = path.relative_to(folder)
            if not path.is_file() or "__pycache__" in relative.parts:
                continue
            name = os.path.join(prefix, relative)
            archive.writestr(zipfile.ZipInfo(name), path.read_bytes())
            if path.suffix == ".py":
                cache = importlib.util.cache_from_source(name)
                archive.writestr(zipfile.ZipInfo(cache), _compile(path, name))
    return buffer.getvalue()


def _compile(path: Path, name: str) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        target = os.path.join(folder, "module.pyc")
        mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
        py_compile.compile(str(path), target, dfile=name, doraise=True, invalidation_mode=mode)
        return Path(target).read_bytes()


def _upload_zip(upload: Upload, folder: Path, prefix: str = "") -> str:
    content = zip_folder(folder, prefix)
    return upload(f"{hashlib.sha256(content).hexdigest()}.zip", content)


def _upload_definition(upload: Upload, path: Path, workers: int) -> str:
    definition = json.loads(path.read_text(encoding="utf-8"))
    for state in definition["States"].values():
        if state.pop("MaxConcurrencyPath", None):
            state["MaxConcurrency"] = workers
    content = json.dumps(definition).encode()
    return upload(f"{hashlib.sha256(content).hexdigest()}.json", content)
