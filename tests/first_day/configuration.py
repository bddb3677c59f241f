"""docs/configuration.md, made of the settings types: `python configuration.py` writes it anew.

What a key means and its default stand in the documentation comments of the Rust types that hold the
settings; a comment that begins with the key's name names it, other fields have theirs in KEYS.
"""

import re
import sys
from dataclasses import dataclass
from pathlib import Path

from places import ROOT

PAGE = ROOT / "docs" / "configuration.md"
BEGIN, END = "<!-- made of the settings types: {} -->\n", "<!-- end -->"


@dataclass(frozen=True)
class Part:
    name: str
    file: str
    struct: str
    # The key of a field whose comment does not name it.
    keys: dict[str, str]
    # What is no setting of a data source.
    left_out: frozenset[str] = frozenset()


PARTS = [
    Part("remote", "src/engine/remote/settings.rs", "RemoteSettings", {"basic_auth": "", "tls": "", "proxy": ""}),
    Part("tls", "src/engine/remote/settings.rs", "TlsSettings", {}),
    Part(
        "targets",
        "src/scrape/settings/job.rs",
        "Job",
        {
            "name": "job",
            "interval": "interval",
            "timeout": "timeout",
            "fallback_format": "fallbackScrapeProtocol",
            "accept": "scrapeProtocols",
            "relabel": "relabel",
            "sources": "url`, `urls`, `dns`, `file",
        },
        frozenset({"limits", "http"}),
    ),
    Part("limits", "src/scrape/settings/job.rs", "Limits", {}),
    Part(
        "http",
        "src/scrape/settings/http.rs",
        "HttpSettings",
        {"headers": "headers`, `headerSecrets"},
    ),
    Part(
        "store",
        "src/store/options.rs",
        "Options",
        {"retention": "retention", "retention_size": "retentionSize", "max_series": "maxSeries"},
        # Bounds that no setting changes.
        frozenset(
            "max_labels max_labels_bytes max_targets max_metadata max_exemplars max_future block_range"
            " compacted_range wal_segment_bytes checkpoint_bytes max_late_samples index_cache_bytes".split()
        ),
    ),
    Part(
        "queries",
        "src/engine/embedded/mod.rs",
        "EmbeddedSettings",
        {},
        frozenset({"max_points", "query_threads"}),
    ),
]


def camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(part.capitalize() for part in rest)


def rows(part: Part) -> list[tuple[str, str]]:
    source = (ROOT / part.file).read_text()
    body = re.search(rf"pub struct {part.struct} \{{\n(.*?)\n\}}", source, re.S)
    assert body, f"{part.file} has no struct {part.struct}"
    found, comment = [], []
    for line in body[1].splitlines():
        line = line.strip()
        if line.startswith("///"):
            comment.append(line.removeprefix("///").strip())
        elif field := re.match(r"pub (?:\(crate\) )?(\w+):", line):
            name, text = field[1], " ".join(comment)
            comment = []
            if name in part.left_out or part.keys.get(name) == "":
                continue
            named = re.match(r"((?:`[\w…]+`(?: with `\w+`)?(?:, )?)+): (.*)", text)
            key, meaning = (named[1], named[2]) if named else (f"`{part.keys.get(name, camel(name))}`", text)
            # Links to types are for those who read the code.
            meaning = re.sub(r"\[`(?:\w+::)*(\w+)`\]", lambda link: f"`{link[1].lower()}`", meaning)
            # A setting is written as a duration; the field counts milliseconds.
            meaning = meaning.replace("this many milliseconds", "this").replace(", in milliseconds", "")
            found.append((key, (meaning[0].upper() + meaning[1:]).replace("|", "\\|")))
    assert found, f"{part.file}: {part.struct} has no fields"
    return found


def table(part: Part) -> str:
    lines = ["| key | meaning |", "|---|---|", *(f"| {key} | {meaning} |" for key, meaning in rows(part))]
    return "\n".join(lines) + "\n"


def made(page: str) -> str:
    for part in PARTS:
        begin = BEGIN.format(part.name)
        assert begin in page, f"{PAGE.name} has no place for {part.name}"
        head, rest = page.split(begin)
        _, tail = rest.split(END, 1)
        page = f"{head}{begin}\n{table(part)}\n{END}{tail}"
    return page


if __name__ == "__main__":
    PAGE.write_text(made(PAGE.read_text()))
    sys.exit(0)
