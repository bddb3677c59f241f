"""A real Grafana of the tests' own: started, asked, stopped, and its plugin killed."""

import base64
import json
import os
import secrets
import shutil
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from conftest import free_port, running, wait_for
from places import ROOT

PLUGIN = "headwater-metrics-datasource"
# A first start migrates Grafana's database, which takes its time on a slow disk.
START_SECONDS = 240


def home() -> Path:
    """Where the Grafana to test with is installed."""
    named = os.environ.get("GRAFANA_HOME", "")
    assert named, "set GRAFANA_HOME to the folder of an installed Grafana: it has bin/, conf/ and public/"
    return Path(named)


class Grafana:
    def __init__(self, folder: Path, provisioning: Path, environment: dict[str, str]) -> None:
        self.folder, self.port = folder, free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.password = secrets.token_urlsafe(12)
        plugins = folder / "plugins"
        # A copy, as an installation is one: samples lie beside the folder that holds the plugin, and
        # behind a link that would be one place for every Grafana on this machine.
        shutil.copytree(ROOT / "dist", plugins / PLUGIN, dirs_exist_ok=True)
        self._process: subprocess.Popen[str] | None = None
        self._environment = {
            **os.environ,
            "GF_SERVER_HTTP_ADDR": "127.0.0.1",
            "GF_SERVER_HTTP_PORT": str(self.port),
            "GF_PATHS_DATA": str(folder / "data"),
            "GF_PATHS_LOGS": str(folder / "logs"),
            "GF_PATHS_PLUGINS": str(plugins),
            "GF_PATHS_PROVISIONING": str(provisioning),
            "GF_SECURITY_ADMIN_PASSWORD": self.password,
            "GF_PLUGINS_ALLOW_LOADING_UNSIGNED_PLUGINS": PLUGIN,
            "GF_PLUGINS_PREINSTALL_DISABLED": "true",
            "GF_PLUGINS_PUBLIC_KEY_RETRIEVAL_DISABLED": "true",
            "GF_ANALYTICS_ENABLED": "false",
            "GF_ANALYTICS_REPORTING_ENABLED": "false",
            "GF_ANALYTICS_CHECK_FOR_UPDATES": "false",
            "GF_ANALYTICS_CHECK_FOR_PLUGIN_UPDATES": "false",
            "GF_NEWS_NEWS_FEED_ENABLED": "false",
            "SLACK_WEBHOOK_URL": "http://127.0.0.1:9/slack",
            "PAGERDUTY_INTEGRATION_KEY": "not-set",
            "ALERT_EMAIL": "nobody@localhost",
            "HEADWATER_METRICS_URL": f"{self.url}/metrics/plugins/{PLUGIN}",
            **environment,
        }

    @contextmanager
    def started(self) -> Iterator["Grafana"]:
        """Runs until the block ends; may be entered again, as after a restart."""
        arguments = [home() / "bin" / "grafana", "server", "--homepath", home(), "--packaging=dev"]
        with running(arguments, self.folder / "grafana.log", cwd=home(), env=self._environment) as process:
            self._process = process
            wait_for("Grafana", self._is_healthy, START_SECONDS)
            yield self

    def _is_healthy(self) -> bool:
        assert self._process and self._process.poll() is None, f"Grafana ended: {self.folder / 'grafana.log'}"
        return self.ask("/api/health")["database"] == "ok"

    def ask(self, path: str, content: object = None, method: str | None = None) -> Any:
        body = None if content is None else json.dumps(content).encode()
        credentials = base64.b64encode(f"admin:{self.password}".encode()).decode()
        headers = {"Authorization": f"Basic {credentials}", "Content-Type": "application/json"}
        request = urllib.request.Request(self.url + path, body, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            if error.code >= 500 and path == "/api/health":
                return {"database": "not yet"}
            return json.load(error)

    def query(self, expression: str, uid: str = "headwater", **more: Any) -> list[dict[str, Any]]:
        """The frames of a query over the last ten minutes, as a panel asks."""
        target = {"refId": "A", "datasource": {"uid": uid, "type": PLUGIN}, "expr": expression, "range": True}
        now = int(time.time() * 1000)
        asked = {"queries": [{**target, "intervalMs": 1000, "maxDataPoints": 600, **more}]}
        answer = self.ask("/api/ds/query", {**asked, "from": str(now - 600_000), "to": str(now)})
        result = answer["results"]["A"]
        assert "error" not in result, f"{expression}: {result['error']}"
        return result["frames"]

    def value(self, expression: str, uid: str = "headwater") -> float | None:
        """The value of an instant query with one series; None without one."""
        frames = [frame for frame in self.query(expression, uid, range=False, instant=True) if frame["data"]["values"]]
        values = [frame["data"]["values"][-1] for frame in frames]
        return values[0][-1] if values and values[0] else None

    def plugin_processes(self) -> list[int]:
        assert self._process
        found = subprocess.run(["pgrep", "-P", str(self._process.pid), "-f", "gpx_headwater"], text=True, capture_output=True)
        return [int(line) for line in found.stdout.split()]

    def kill_plugin(self) -> None:
        [process] = self.plugin_processes()
        os.kill(process, signal.SIGKILL)
        wait_for("another plugin process", lambda: [p for p in self.plugin_processes() if p != process])


def has_data(frames: list[dict[str, Any]]) -> bool:
    """Whether a frame holds a number that is one."""
    return any(
        value is not None
        for frame in frames
        for column in frame["data"]["values"][1:]
        for value in column
    )
