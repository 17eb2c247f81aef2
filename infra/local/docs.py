"""Builds the documentation site into `functions/console/docs/` (`make docs`) from `docs/`, README and CHANGELOG.

MkDocs is installed into `.venv-docs`. Broken links, broken anchors and pages without a place in the navigation
(`mkdocs.yml`) fail the build, and so does anything that the site's Content-Security-Policy would refuse.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import re
import shutil
import sys
from pathlib import Path

from infra.local.console import ConsoleError, alone, run
from infra.local.embedded import ROOT

CONFIG = ROOT / "mkdocs.yml"
SOURCE = ROOT / "docs"
TARGET = ROOT / "functions" / "console" / "docs"
WORK = ROOT / "build" / "docs"
PACKAGES = ROOT / ".venv-docs"
LOCK = ROOT / "requirements" / "docs.txt"
PAGES = {"README.md": "index.md", "CHANGELOG.md": "changelog.md"}
"""Pages outside `docs/` → their names in the site."""
LISTED = {"examples": "examples.md"}
"""Folders that pages link to → the page that shows their files."""
FILES = "files"
"""The site's folder of other files that pages link to."""
SMALLEST_COMPRESSED = 1_000

_SPANS = re.compile(r"^ *```.*?^ *```|`[^`\n]+`", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"(?<=\]\()(?![a-z]+:|#)([^)#\s]+)(?=[)#])")
_INLINE_SCRIPT = re.compile(r"<script>(.*?)</script>", re.DOTALL)
_REFUSED = re.compile(
    r"<style[\s>]|<script(?![^>]*(?:\ssrc=|type=\"application/json\"))[^>]*>|<[a-z][^>]*\s(?:style|on\w+)=|"
    r"<(?:script|img|iframe|link)\s[^>]*(?:src|href)=\"?(?:https?:)?//"
)
_UNUSED = ("sitemap.xml", "sitemap.xml.gz", "404.html", "assets/javascripts/lunr", "**/*.map")


class DocsError(Exception):
    """The site could not be built; the message is for the person who asked for it."""


def main() -> int:
    """Build the site if its source has changed since the last build; 1 if that failed."""
    stamp = TARGET / ".content"
    with alone(CONFIG):
        content = content_hash()
        if stamp.exists() and stamp.read_text() == content:
            return 0
        print("building the documentation (only after changes)", flush=True)
        try:
            site = build(ROOT, WORK)
        except (DocsError, ConsoleError) as error:
            print(f"the documentation could not be built: {error}", file=sys.stderr)
            return 1
        shutil.rmtree(TARGET, ignore_errors=True)
        site.rename(TARGET)
        stamp.write_text(content)
    return 0


def content_hash() -> str:
    """SHA-256 of the names and contents of all that the site is built from."""
    digest = hashlib.sha256()
    sources = [CONFIG, LOCK, Path(__file__), *(ROOT / name for name in PAGES)]
    folders = [SOURCE, *(ROOT / name for name in LISTED)]
    for path in [*sources, *sorted(path for folder in folders for path in folder.rglob("*") if path.is_file())]:
        digest.update(f"{path.relative_to(ROOT).as_posix()}\0{path.stat().st_size}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def build(root: Path, work: Path) -> Path:
    """Build the site of a checkout in a folder of its own, and return where it is.

    Raises:
        DocsError: a page contains what cannot be served.
        ConsoleError: MkDocs refused a page, or could not be installed; with what it printed.
    """
    shutil.rmtree(work, ignore_errors=True)
    gather(root, work / "docs")
    shutil.copy(root / CONFIG.name, work)
    _install()
    environment = os.environ | {"PYTHONPATH": str(PACKAGES), "NO_MKDOCS_2_WARNING": "1"}
    run([sys.executable, "-m", "mkdocs", "build"], environment, work)
    finish(work / "site")
    return work / "site"


def _install() -> None:
    """Install MkDocs from its hash-locked packages: only files, in half the time that a virtual environment takes."""
    done = PACKAGES / ".done"
    with alone(LOCK):
        if not done.exists() or done.read_text() != LOCK.read_text():
            shutil.rmtree(PACKAGES, ignore_errors=True)
            options = ["--quiet", "--no-deps", "--require-hashes", "--no-compile", "--target", str(PACKAGES)]
            run([sys.executable, "-m", "pip", "install", *options, "-r", str(LOCK)], dict(os.environ), ROOT)
            done.write_text(LOCK.read_text())


def gather(root: Path, target: Path) -> None:
    """Copy the pages of a checkout, with links that work in the site, and the files that they link to.

    Raises:
        DocsError: a link leads to a file that is not there.
    """
    shutil.copytree(root / "docs", target)
    for name, page in PAGES.items():
        shutil.copy(root / name, target / page)
    for folder, page in LISTED.items():
        (target / page).write_text(_listing(root / folder), encoding="utf-8")
    for path in target.rglob("*.md"):
        page = path.relative_to(target).as_posix()
        text = path.read_text(encoding="utf-8")
        path.write_text(_with_links(text, page, root, target), encoding="utf-8")


def _listing(folder: Path) -> str:
    """A page with the texts of a folder's files."""
    parts = [f"# {folder.name.capitalize()}\n"]
    for path in sorted(folder.iterdir()):
        language = path.suffix.removeprefix(".")
        parts.append(f"## {path.name}\n\n```{language}\n{path.read_text(encoding='utf-8').rstrip()}\n```\n")
    return "\n".join(parts)


def _with_links(text: str, page: str, root: Path, target: Path) -> str:
    """The text of a page, whose links are those of a checkout, with links of the site."""
    names = {page: name for name, page in PAGES.items()}
    source = root / names.get(page, f"docs/{page}")

    def linked(match: re.Match[str]) -> str:
        file = Path(os.path.normpath(source.parent / match[1]))
        if not file.exists() or not file.is_relative_to(root):
            raise DocsError(f"{source.relative_to(root)}: the link to {match[1]} leads nowhere")
        inside = _place(file.relative_to(root).as_posix())
        if not (target / inside).exists():
            (target / inside).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, target / inside)
        return os.path.relpath(target / inside, (target / page).parent)

    done, parts = 0, []
    for span in _SPANS.finditer(text):  # code, in which nothing is a link
        parts += [_LINK.sub(linked, text[done : span.start()]), span[0]]
        done = span.end()
    return "".join([*parts, _LINK.sub(linked, text[done:])])


def _place(name: str) -> str:
    """Where the site has a file or folder of the repository."""
    if name in PAGES or name in LISTED:
        return PAGES.get(name) or LISTED[name]
    return name.removeprefix("docs/") if name.startswith("docs/") else f"{FILES}/{name}"


def finish(site: Path) -> None:
    """Prepare a built site for the function that serves it: no inline scripts, nothing unused, texts compressed.

    Raises:
        DocsError: a page contains what its Content-Security-Policy refuses.
    """
    for pattern in _UNUSED:
        for path in list(site.glob(pattern)):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    for path in site.rglob("*.html"):
        page = _without_inline_scripts(path, site)
        if refused := _REFUSED.search(page):
            raise DocsError(f"{path.relative_to(site)}: the browser would refuse {refused[0][:200]}")
        path.write_text(page, encoding="utf-8")
    for path in [path for path in site.rglob("*") if path.suffix in (".html", ".js", ".css", ".json", ".csv")]:
        if path.stat().st_size >= SMALLEST_COMPRESSED:
            path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes(), mtime=0))


def _without_inline_scripts(path: Path, site: Path) -> str:
    """The text of a page, whose inline scripts are files of the site instead."""

    def moved(found: re.Match[str]) -> str:
        name = f"assets/inline.{hashlib.sha256(found[1].encode()).hexdigest()[:12]}.js"
        (site / name).write_text(found[1], encoding="utf-8")
        return f'<script src="{os.path.relpath(site / name, path.parent)}"></script>'

    return _INLINE_SCRIPT.sub(moved, path.read_text(encoding="utf-8"))


if __name__ == "__main__":
    sys.exit(main())
