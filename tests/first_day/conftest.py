"""The sample app and what scrapes it, started once for all tests that ask."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from places import WIKI, headwater

# Generous, because a loaded machine is slow, and only a failure waits so long.
PATIENCE_SECONDS = 60


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def wait_for(what: str, is_there: Callable[[], Any], seconds: float = PATIENCE_SECONDS) -> Any:
    """What `is_there` gives, as soon as it is true."""
    ends = time.monotonic() + seconds
    while True:
        try:
            if found := is_there():
                return found
            trouble = "it is not there"
        except (OSError, urllib.error.URLError) as error:
            trouble = str(error)
        assert time.monotonic() < ends, f"{what}: {trouble} after {seconds:g} s"
        time.sleep(0.2)


@contextmanager
def running(arguments: list[object], log: Path, **options: Any) -> Iterator[subprocess.Popen[str]]:
    """A process that ends with the block; what it wrote is in `log`."""
    with log.open("a") as out:
        process = subprocess.Popen([str(a) for a in arguments], stdout=out, stderr=subprocess.STDOUT, text=True, **options)
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@dataclass(frozen=True)
class Wiki:
    url: str

    def visit(self, *options: object) -> None:
        """Sends visitors, as `python -m wiki.traffic` does."""
        subprocess.run(
            [sys.executable, "-m", "wiki.traffic", self.url, *(str(option) for option in options)],
            cwd=WIKI,
            check=True,
            timeout=600,
            stdout=subprocess.DEVNULL,
        )


@contextmanager
def serving_wiki(folder: Path, port: int | None = None) -> Iterator[Wiki]:
    port = port or free_port()
    environment = {**os.environ, "WIKI_PORT": str(port), "WIKI_DATABASE": str(folder / "wiki.db"), "WIKI_FAULTS": "1"}
    with running([sys.executable, "-m", "wiki"], folder / "wiki.log", cwd=WIKI, env=environment):
        wiki = Wiki(f"http://127.0.0.1:{port}")
        wait_for("the wiki", lambda: urllib.request.urlopen(f"{wiki.url}/healthz", timeout=5))
        yield wiki


@pytest.fixture(scope="session")
def wiki(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wiki]:
    with serving_wiki(tmp_path_factory.mktemp("wiki")) as wiki:
        yield wiki


@dataclass(frozen=True)
class Served:
    """Prometheus's API in front of the wiki's samples."""

    url: str

    def ask(self, path: str, **parameters: str) -> dict[str, Any]:
        """The envelope of an answer, also where it is an error's."""
        query = urllib.parse.urlencode(parameters)
        try:
            with urllib.request.urlopen(f"{self.url}/api/v1/{path}?{query}", timeout=30) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            return json.load(error)

    def result(self, expression: str) -> list[Any]:
        answer = self.ask("query", query=expression)
        assert answer["status"] == "success", f"{expression}: {answer.get('error')}"
        return answer["data"]["result"]


@pytest.fixture(scope="session")
def served(wiki: Wiki, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """`gpx_headwater serve`, which scrapes the wiki and itself every half second."""
    folder, port = tmp_path_factory.mktemp("serve"), free_port()
    config = folder / "prometheus.yml"
    config.write_text(
        yaml.safe_dump(
            {
                "global": {"scrape_interval": "500ms"},
                "scrape_configs": [
                    {
                        "job_name": "wiki",
                        "static_configs": [{"targets": [wiki.url.removeprefix("http://")], "labels": {"namespace": "example"}}],
                    },
                    {"job_name": "headwater", "static_configs": [{"targets": [f"127.0.0.1:{port}"]}]},
                ],
            }
        )
    )
    arguments = [headwater(), "serve", "--listen", f"127.0.0.1:{port}", "--data-dir", folder / "data", "--config", config]
    with running(arguments, folder / "serve.log"):
        served = Served(f"http://127.0.0.1:{port}")
        wait_for("gpx_headwater serve", lambda: len(served.result("up == 1")) == 2)
        yield served
