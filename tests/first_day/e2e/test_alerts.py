"""Every alert rule fires from traffic that causes it, is told to whom it concerns, and resolves.

The rules are those of provisioning/alerting with shorter times; see `shortened`.
"""

import json
import re
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from conftest import Wiki, free_port, running, serving_wiki, wait_for
from e2e import shortened
from e2e.grafana import Grafana
from places import WIKI

# An evaluation every ten seconds, a window of twenty, ten of `for`, and a busy machine.
PATIENCE_SECONDS = 180


class Receiver:
    """What the contact points were told: (contact point, status, alert)."""

    def __init__(self) -> None:
        self.told: set[tuple[str, str, str]] = set()
        self.texts: set[str] = set()
        told, texts = self.told, self.texts

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                message = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                for alert in message["alerts"]:
                    told.add((self.path.strip("/"), alert["status"], alert["labels"]["alertname"]))
                    texts.update(alert["annotations"].values())
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()

    def expect(self, point: str, status: str, alert: str) -> None:
        wait_for(f"{alert} {status} at {point}", lambda: (point, status, alert) in self.told, PATIENCE_SECONDS)


class Alerts:
    def __init__(self, grafana: Grafana, receiver: Receiver, folder: Path, port: int) -> None:
        self.grafana, self.receiver, self._folder, self._port = grafana, receiver, folder, port
        self._app = ExitStack()
        self.start_app()

    def start_app(self) -> None:
        self.wiki = self._app.enter_context(serving_wiki(self._folder, self._port))

    def stop_app(self) -> None:
        self._app.close()

    def rules(self) -> list[dict[str, Any]]:
        groups = self.grafana.ask("/api/prometheus/grafana/api/v1/rules")["data"]["groups"]
        return [rule for group in groups for rule in group["rules"]]

    def states(self) -> dict[str, str]:
        return {rule["name"]: rule["state"] for rule in self.rules()}

    def expect(self, alert: str, state: str) -> None:
        wait_for(f"{alert} {state}", lambda: self.states().get(alert) == state, PATIENCE_SECONDS)


@pytest.fixture(scope="module")
def alerts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Alerts]:
    folder, port = tmp_path_factory.mktemp("alerts"), free_port()
    receiver = Receiver()
    provisioning = folder / "provisioning"
    provisioning.mkdir()
    shortened.write(provisioning, receiver.url)
    address = f"http://127.0.0.1:{port}/metrics"
    grafana = Grafana(folder, provisioning, {"WIKI_METRICS_URL": address, "PROMETHEUS_URL": "http://127.0.0.1:9"})
    alerts = Alerts(grafana, receiver, folder, port)
    with grafana.started():
        yield alerts
    alerts.stop_app()
    receiver.close()


def visitors(wiki: Wiki, *options: str):
    arguments = [sys.executable, "-m", "wiki.traffic", wiki.url, "--seconds", "600", *options]
    return running(arguments, Path("/dev/null"), cwd=WIKI)


def test_texts_are_filled_in_without_a_value_before_the_first_visitor(alerts: Alerts) -> None:
    of_visits = {"Error rate above 5 %", "P95 above 2 s"}
    # A rule that was not evaluated yet has the year 1 there.
    wait_for(
        f"an evaluation of {of_visits}",
        lambda: of_visits <= {rule["name"] for rule in alerts.rules() if rule["lastEvaluation"] > "2"},
        PATIENCE_SECONDS,
    )
    assert "Error in expanding template" not in (alerts.grafana.folder / "grafana.log").read_text()


def test_nothing_fires_while_all_is_well(alerts: Alerts) -> None:
    alerts.wiki.visit()
    with visitors(alerts.wiki, "--rate", "5"):
        for alert in ("Error rate above 5 %", "P95 above 2 s", "Target down", "App restarted"):
            alerts.expect(alert, "inactive")
    assert not alerts.receiver.told


@pytest.mark.parametrize(
    ("alert", "points", "options"),
    [
        ("Error rate above 5 %", ["on-call", "team"], ["--rate", "10", "--errors", "0.5"]),
        ("P95 above 2 s", ["team"], ["--rate", "5", "--slow", "0.5", "--slow-seconds", "3"]),
    ],
)
def test_an_alert_fires_from_its_traffic_and_resolves_after_it(
    alerts: Alerts, alert: str, points: list[str], options: list[str]
) -> None:
    with visitors(alerts.wiki, *options):
        alerts.expect(alert, "firing")
        for point in points:
            alerts.receiver.expect(point, "firing", alert)
    with visitors(alerts.wiki, "--rate", "5"):
        for point in points:
            alerts.receiver.expect(point, "resolved", alert)
        alerts.expect(alert, "inactive")


def test_an_app_that_is_down_and_comes_back_is_told_and_a_mute_timing_mutes(alerts: Alerts) -> None:
    alerts.stop_app()
    alerts.expect("Target down", "firing")
    alerts.expect("Target down, muted", "firing")
    for point in ("on-call", "team"):
        alerts.receiver.expect(point, "firing", "Target down")
    alerts.start_app()
    alerts.receiver.expect("team", "firing", "App restarted")
    for point in ("on-call", "team"):
        alerts.receiver.expect(point, "resolved", "Target down")
    alerts.receiver.expect("team", "resolved", "App restarted")
    # It fired as long as the other, and all the others' messages have come.
    assert not [told for told in alerts.receiver.told if told[2] == "Target down, muted"]


def test_the_texts_of_what_was_told_are_filled_in(alerts: Alerts) -> None:
    texts = alerts.receiver.texts
    # A text that Grafana could not fill is sent as the template it was, or with a hole in it.
    assert not [text for text in texts if "{{" in text or "no value" in text]
    for said in (
        r"wiki answers \d[\d.]*% of its requests with an error",
        r"requests to \S+:\d+ ended with a 5xx status",
        r"wiki is slow: P95 is \d[\d.]*s",
        r"wiki at \S+:\d+ cannot be scraped",
        r"wiki at \S+:\d+ was restarted",
    ):
        assert any(re.search(said, text) for text in texts), f"{said} in {sorted(texts)}"
