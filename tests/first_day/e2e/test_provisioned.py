"""The provisioning files, as they are, in a real Grafana."""

import time
import urllib.request
import json
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

import dashboards
from conftest import Wiki, free_port, running, serving_wiki, wait_for
from e2e.grafana import Grafana, has_data
from places import DASHBOARDS, PROVISIONING, program

SCRAPE_INTERVAL_SECONDS = 15


@dataclass
class Day:
    grafana: Grafana
    wiki: Wiki
    # What runs Grafana: leaving it stops Grafana, and nothing else.
    running: ExitStack

    def restart_grafana(self) -> None:
        self.running.close()
        self.running.enter_context(self.grafana.started())


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Day]:
    folder = tmp_path_factory.mktemp("day")
    with ExitStack() as beside:
        wiki = beside.enter_context(serving_wiki(folder))
        prometheus = beside.enter_context(_prometheus(folder, wiki))
        environment = {"WIKI_METRICS_URL": f"{wiki.url}/metrics", "PROMETHEUS_URL": prometheus}
        grafana = Grafana(folder, PROVISIONING, environment)
        with ExitStack() as running_grafana:
            running_grafana.enter_context(grafana.started())
            yield Day(grafana, wiki, running_grafana)


def _prometheus(folder: Path, wiki: Wiki):
    """Debian's Prometheus with the profile's configuration, at the addresses of this machine."""
    from contextlib import contextmanager

    @contextmanager
    def serving() -> Iterator[str]:
        port = free_port()
        config = yaml.safe_load((PROVISIONING / "prometheus" / "prometheus.yaml").read_text())
        addresses = {"wiki:8000": wiki.url.removeprefix("http://"), "localhost:9090": f"127.0.0.1:{port}"}
        for job in config["scrape_configs"]:
            for group in job["static_configs"]:
                group["targets"] = [addresses.get(target, target) for target in group["targets"]]
        (folder / "prometheus.yaml").write_text(yaml.safe_dump(config))
        arguments = [
            program("prometheus"),
            f"--config.file={folder / 'prometheus.yaml'}",
            f"--storage.tsdb.path={folder / 'prometheus'}",
            f"--web.listen-address=127.0.0.1:{port}",
        ]
        with running(arguments, folder / "prometheus.log"):
            url = f"http://127.0.0.1:{port}"
            wait_for("Prometheus", lambda: urllib.request.urlopen(f"{url}/-/ready", timeout=5))
            yield url

    return serving()


@pytest.mark.parametrize("uid", ["headwater", "headwater-prometheus"])
def test_a_provisioned_data_source_is_healthy(day: Day, uid: str) -> None:
    answer = wait_for(
        f"the health of {uid}",
        lambda: (health := day.grafana.ask(f"/api/datasources/uid/{uid}/health")).get("status") == "OK" and health,
    )
    assert answer["message"]


def test_every_query_of_every_dashboard_has_data(day: Day) -> None:
    day.wiki.visit()
    day.wiki.visit("--rate", 5, "--seconds", 2 * SCRAPE_INTERVAL_SECONDS + 5, "--errors", 0.02)
    for path in DASHBOARDS:
        board = dashboards.read(path)
        assert day.grafana.ask(f"/api/dashboards/uid/{board['uid']}")["dashboard"]["title"] == board["title"]
        for panel in dashboards.panels(board):
            for target in panel["targets"]:
                expression = target["expr"]
                for name in ("$job", "$instance", "$namespace"):
                    expression = expression.replace(name, ".*")
                asked = {key: target[key] for key in ("range", "instant", "format", "legendFormat")}
                wait_for(
                    f"data of {board['title']}, {panel['title']}",
                    lambda: has_data(day.grafana.query(expression, **asked)),
                    2 * SCRAPE_INTERVAL_SECONDS + 30,
                )


def test_remote_mode_shows_the_same_count(day: Day) -> None:
    def both() -> bool:
        asked = "sum(users_created_total)"
        embedded, remote = day.grafana.value(asked), day.grafana.value(asked, "headwater-prometheus")
        return embedded is not None and embedded == remote and embedded >= 20

    wait_for("the same count in both modes", both)


def test_a_new_user_is_there_within_one_scrape(day: Day) -> None:
    before = day.grafana.value("sum(users_created_total)") or 0
    body = json.dumps({"name": f"new-{time.time_ns()}"}).encode()
    headers = {"Content-Type": "application/json"}
    with urllib.request.urlopen(urllib.request.Request(f"{day.wiki.url}/users", body, headers)) as answer:
        assert answer.status == 201
    # A scrape is due within the interval; the rest is what a busy machine takes to answer.
    wait_for(
        "the new user",
        lambda: (day.grafana.value("sum(users_created_total)") or 0) > before,
        SCRAPE_INTERVAL_SECONDS + 10,
    )



def test_killing_the_plugin_loses_nothing(day: Day) -> None:
    scrapes = day.grafana.value('count_over_time(up{job="wiki"}[1h])')
    assert scrapes and scrapes >= 2
    day.grafana.kill_plugin()
    after = wait_for("an answer of the new process", lambda: day.grafana.value('count_over_time(up{job="wiki"}[1h])'))
    assert after >= scrapes
    wait_for("a scrape by the new process", lambda: (day.grafana.value('count_over_time(up{job="wiki"}[1h])') or 0) > scrapes)


def test_restarting_grafana_loses_nothing(day: Day) -> None:
    scrapes = day.grafana.value('count_over_time(up{job="wiki"}[1h])')
    assert scrapes and scrapes >= 2
    day.restart_grafana()
    # The plugin scrapes before Grafana serves its metrics, and asks for them again an interval later.
    wait_for(
        "health after the restart",
        lambda: day.grafana.ask("/api/datasources/uid/headwater/health")["status"] == "OK",
        SCRAPE_INTERVAL_SECONDS + 10,
    )
    assert (day.grafana.value('count_over_time(up{job="wiki"}[1h])') or 0) >= scrapes
    titles = {found["title"] for found in day.grafana.ask("/api/search?type=dash-db")}
    assert {dashboards.read(path)["title"] for path in DASHBOARDS} <= titles
