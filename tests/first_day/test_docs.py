"""The documents: their links lead somewhere, their code blocks parse, and their reference is that of the code."""

import json
import re
from pathlib import Path

import pytest
import yaml

import configuration
from conftest import Served
from places import ROOT, headwater, program, run, tracked

DOCUMENTS = [path for path in tracked("*.md") if "testdata" not in path.parts]
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.M | re.S)
LARGEST_IMAGE_BYTES = 200_000


def without_code(text: str) -> str:
    return re.sub(r"`[^`\n]*`", "", FENCE.sub("", text))


def anchors(path: Path) -> set[str]:
    """The headings of a page, as a link names them."""
    headings = re.findall(r"^#+ (.*)$", FENCE.sub("", path.read_text()), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


def broken_links(path: Path) -> list[str]:
    broken = []
    for target in re.findall(r"\]\(([^)\s]+)\)", without_code(path.read_text())):
        if re.match(r"https?://|mailto:", target):
            continue
        name, _, anchor = target.partition("#")
        there = (path.parent / name).resolve() if name else path
        if not there.exists() or (anchor and there.suffix == ".md" and anchor not in anchors(there)):
            broken.append(target)
    return broken


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(path: Path) -> None:
    assert not broken_links(path)


def test_a_broken_link_is_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# A page\n\n[here](#a-page) [gone](gone.md) [nowhere](#no-such-heading) `[code](x)`\n")
    assert broken_links(page) == ["gone.md", "#no-such-heading"]


BLOCKS = [
    (f"{path.relative_to(ROOT)}:{number}", language, text)
    for path in DOCUMENTS
    for number, (language, text) in enumerate(FENCE.findall(path.read_text()))
]


@pytest.mark.parametrize(("place", "language", "text"), BLOCKS, ids=[place for place, _, _ in BLOCKS])
def test_a_code_block_is_of_its_language(place: str, language: str, text: str) -> None:
    if language in ("yaml", "yml"):
        list(yaml.safe_load_all(text))
    elif language == "json":
        json.loads(text)
    elif language in ("bash", "sh"):
        checked = run(program("bash"), "-n", input=text)
        assert checked.returncode == 0, checked.stdout


def test_every_promql_block_parses(served: Served) -> None:
    blocks = [(place, text) for place, language, text in BLOCKS if language == "promql"]
    assert blocks, "no document shows a query"
    for place, text in blocks:
        answer = served.ask("query", query=text.replace("$__rate_interval", "1m"))
        assert answer["status"] == "success", f"{place}: {answer.get('error')}"


def test_the_programs_commands_in_the_documents_exist() -> None:
    known = set(re.findall(r"^  ([a-z-]+) ", run(headwater(), "--help").stdout, re.M)) | {"help"}
    shown = {
        command
        for path in DOCUMENTS
        for command in re.findall(r"gpx_headwater ([a-z][a-z-]+)", path.read_text())
    }
    assert shown <= known, shown - known


def test_the_targets_of_mage_in_the_documents_exist() -> None:
    source = (ROOT / "Magefile.go").read_text()
    aliases = re.search(r"^var Aliases = .*", source, re.M)
    assert aliases
    known = set(re.findall(r'"(\w+)":', aliases.group()))
    # A target of a namespace is asked for as `bench:peers`.
    for namespace, name in re.findall(r"^func (?:\((\w+)\) )?([A-Z]\w*)\(\)(?: error)? {", source, re.M):
        known.add(f"{namespace}:{name}".lstrip(":").lower())
    for path in DOCUMENTS:
        for target in re.findall(r"go run mage\.go ([A-Za-z][\w:]+)", path.read_text()):
            assert target.lower() in known, f"{path.name}: {target}"


def test_the_configuration_reference_is_that_of_the_settings_types() -> None:
    page = configuration.PAGE.read_text()
    assert page == configuration.made(page), "run `python configuration.py` in tests/first_day"


def test_every_key_that_the_code_reads_is_in_the_reference() -> None:
    page = configuration.PAGE.read_text()
    reading = re.compile(r"(?:text|switch|count|duration|duration_ms|texts|secret|bytes)\(\s*\"([A-Za-z]\w*)\"")
    for file in ("src/grafana/settings/mod.rs", "src/grafana/settings/remote.rs", "src/wiring/wanted.rs"):
        source = (ROOT / file).read_text().split("#[cfg(test)]")[0]
        for key in set(reading.findall(source)):
            assert f"`{key}" in page, f"{file} reads {key}"


def test_pictures_are_small() -> None:
    pictures = [*tracked("docs/*.jpg"), *tracked("docs/*.png"), *tracked("docs/images/*")]
    assert pictures
    for picture in pictures:
        assert picture.stat().st_size < LARGEST_IMAGE_BYTES, picture.name
