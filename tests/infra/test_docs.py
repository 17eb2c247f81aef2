"""The documentation as it is built and served: whole, small, and of nothing from elsewhere."""

from __future__ import annotations

import gzip
import json
import re
import shutil
from pathlib import Path

import pytest

from infra.local import docs
from infra.local.console import ConsoleError
from infra.local.docs import DocsError, build, finish, gather
from infra.local.embedded import ROOT

LARGEST_BYTES = 9_000_000
LARGEST_FILE_BYTES = 1_000_000  # an answer of a function has at most 6 MB
OUTSIDE = re.compile(r'<(?:script|img|iframe|link|form)\b[^>]*\b(?:src|href|action)="?(?:https?:)?//[^>]*>')


@pytest.fixture(scope="module")
def site() -> Path:
    """Built by MkDocs, which refuses broken links and anchors, and pages without a place in the navigation."""
    assert docs.main() == 0
    return docs.TARGET


def test_every_page_of_the_repository_is_in_the_site(site: Path) -> None:
    pages = {path.relative_to(docs.SOURCE).with_suffix(".html") for path in docs.SOURCE.rglob("*.md")}
    missing = {page for page in pages if page.name != "README.html" and not (site / page).exists()}
    assert not missing
    for page in ("index.html", "changelog.html", "examples.html", "decisions/index.html"):
        assert (site / page).exists()


def test_the_site_is_small_and_loads_nothing_from_elsewhere(site: Path) -> None:
    files = [path for path in site.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < LARGEST_BYTES
    assert max(path.stat().st_size for path in files) < LARGEST_FILE_BYTES
    pages = [path for path in files if path.suffix == ".html"]
    assert [found[0] for path in pages for found in OUTSIDE.finditer(path.read_text())] == []
    assert not any("@import" in path.read_text() or "url(http" in path.read_text() for path in site.rglob("*.css"))
    compressed = site / "search" / "search_index.json.gz"
    found = json.loads(gzip.decompress(compressed.read_bytes()))["docs"]
    assert any(entry["location"].startswith("operate.html#") for entry in found)


def test_no_markdown_is_left_in_the_pages(site: Path) -> None:
    """GitHub and MkDocs differ in how far what belongs to a list is indented: four spaces suit both."""
    left = []
    for path in site.rglob("*.html"):
        article = path.read_text().partition("<article")[2].partition("</article>")[0]
        text = re.sub(r"<(pre|code)\b.*?</\1>", "", article, flags=re.DOTALL)
        left += [(path.name, found[0]) for found in re.finditer(r"\*\*|```|\n(?:- |\| |\d\. ).{40}", text)]
    assert left == []


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A project with one page, and the site's configuration but for its navigation."""
    root = tmp_path / "project"
    (root / "docs" / "decisions").mkdir(parents=True)
    (root / "examples").mkdir()
    (root / "examples" / "a.json").write_text('{"name": "a"}\n')
    (root / "README.md").write_text("# Project\n[page](docs/page.md#a-b) [example](examples/a.json) [all](examples/)\n")
    (root / "CHANGELOG.md").write_text("# Changes\n[page](docs/page.md)\n")
    (root / "docs" / "page.md").write_text("# Page\n## A & b, c\n[home](../README.md) `[no](link)`\n")
    (root / "docs" / "decisions" / "first.md").write_text("# First\n[page](../page.md)\n")
    config = (ROOT / "mkdocs.yml").read_text().partition("\nnav:")[0]
    (root / "mkdocs.yml").write_text(f"{config}\nnav: [index.md, page.md, changelog.md]\n")
    return root


def test_links_of_the_repository_are_links_of_the_site(checkout: Path, tmp_path: Path) -> None:
    gather(checkout, tmp_path / "pages")
    pages = tmp_path / "pages"
    assert (
        (pages / "index.md")
        .read_text()
        .endswith("[page](page.md#a-b) [example](files/examples/a.json) [all](examples.md)\n")
    )
    assert (pages / "page.md").read_text().endswith("[home](index.md) `[no](link)`\n")
    assert '```json\n{"name": "a"}\n```' in (pages / "examples.md").read_text()
    assert (pages / "files" / "examples" / "a.json").exists()


def test_a_link_to_nothing_is_refused(checkout: Path, tmp_path: Path) -> None:
    with (checkout / "docs" / "page.md").open("a") as page:
        page.write("[gone](gone.md)\n")
    with pytest.raises(DocsError, match=r"docs/page\.md: the link to gone\.md leads nowhere"):
        gather(checkout, tmp_path / "pages")


def test_an_anchor_that_no_heading_makes_and_a_page_without_a_place_are_refused(checkout: Path, tmp_path: Path) -> None:
    """The heading of the page has the anchor `a--b-c`, as on GitHub."""
    (checkout / "docs" / "new.md").write_text("# New\n")
    with pytest.raises(ConsoleError) as refused:
        build(checkout, tmp_path / "work")
    assert "'page.md#a-b'" in str(refused.value) and "- new.md" in str(refused.value)


@pytest.mark.parametrize(
    "element",
    [
        '<p style="color: red">',
        '<a onclick="x()">',
        "<style>p {}</style>",
        '<script type="module">x()</script>',
        '<script src="https://example.com/x.js"></script>',
        '<img alt="" src="//example.com/x.png">',
    ],
)
def test_what_the_browser_would_refuse_fails_the_build(tmp_path: Path, element: str) -> None:
    (tmp_path / "assets").mkdir()
    (tmp_path / "index.html").write_text(f"<p>ok</p><script>run()</script>{element}")
    with pytest.raises(DocsError, match=r"index\.html: the browser would refuse"):
        finish(tmp_path)


def test_inline_scripts_become_files_and_the_rest_goes(tmp_path: Path) -> None:
    (tmp_path / "assets" / "javascripts" / "lunr").mkdir(parents=True)
    (tmp_path / "assets" / "main.css.map").write_text("{}")
    (tmp_path / "decisions").mkdir()
    (tmp_path / "decisions" / "index.html").write_text("<script>run(a && b)</script>" + "x" * 2_000)
    shutil.copy(tmp_path / "decisions" / "index.html", tmp_path / "404.html")
    finish(tmp_path)
    page = (tmp_path / "decisions" / "index.html").read_text()
    [name] = re.findall(r'<script src="\.\./(assets/inline\.\w+\.js)"></script>', page)
    assert (tmp_path / name).read_text() == "run(a && b)"
    assert gzip.decompress((tmp_path / "decisions" / "index.html.gz").read_bytes()).decode() == page
    assert not list(tmp_path.rglob("*.map")) and not (tmp_path / "404.html").exists()
