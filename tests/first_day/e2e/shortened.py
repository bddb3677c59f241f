"""Copies of the provisioning files in which five minutes are seconds, for tests to wait for.

Everything else is as it stands in provisioning/: what fires here fires there, later.
"""

import copy
import shutil
from pathlib import Path
from typing import Any

import yaml

from places import PROVISIONING

WINDOWS = {"[5m]": "[20s]", "[10m]": "[40s]"}
# Grafana evaluates no rule more often.
INTERVAL = "10s"
MUTED = "muted"


def write(folder: Path, webhook: str) -> None:
    for name in ("datasources", "dashboards", "alerting"):
        shutil.copytree(PROVISIONING / name, folder / name)
    _change(folder / "datasources" / "headwater.yaml", _scrape_every_second)
    _change(folder / "alerting" / "rules.yaml", _shorten)
    _change(folder / "alerting" / "contact-points.yaml", lambda content: _tell(content, webhook))
    _change(folder / "alerting" / "policies.yaml", _at_once)
    _change(folder / "alerting" / "mute-timings.yaml", _always)


def _change(path: Path, change: Any) -> None:
    content = yaml.safe_load(path.read_text())
    change(content)
    path.write_text(yaml.safe_dump(content, sort_keys=False))


def _scrape_every_second(content: dict[str, Any]) -> None:
    for source in content["datasources"]:
        source["jsonData"]["timeInterval"] = "1s"


def _shorten(content: dict[str, Any]) -> None:
    for group in content["groups"]:
        group["interval"] = INTERVAL
        for rule in group["rules"]:
            if rule["for"] != "0s":
                rule["for"] = INTERVAL
            for query in rule["data"]:
                if "expr" in query["model"]:
                    for long, short in WINDOWS.items():
                        query["model"]["expr"] = query["model"]["expr"].replace(long, short)
        # The same rule once more, for the route that is muted.
        down = copy.deepcopy(next(rule for rule in group["rules"] if rule["uid"] == "headwater-target-down"))
        down.update(uid="muted-target-down", title="Target down, muted", labels={"severity": MUTED})
        group["rules"].append(down)


def _tell(content: dict[str, Any], webhook: str) -> None:
    """Each contact point tells the tests besides."""
    for point in content["contactPoints"]:
        name = point["name"].lower().replace(" ", "-")
        point["receivers"].append({"uid": f"webhook-{name}", "type": "webhook", "settings": {"url": f"{webhook}/{name}"}})


def _at_once(content: dict[str, Any]) -> None:
    for policy in content["policies"]:
        policy.update(group_wait="1s", group_interval="5s")
        # The example mutes restarts at night, and the tests may run then.
        for route in policy["routes"]:
            route.pop("mute_time_intervals", None)
        policy["routes"].append(
            {"receiver": "Team", "object_matchers": [["severity", "=", MUTED]], "mute_time_intervals": ["Always"]}
        )


def _always(content: dict[str, Any]) -> None:
    always = {"times": [{"start_time": "00:00", "end_time": "24:00"}]}
    content["muteTimes"].append({"orgId": 1, "name": "Always", "time_intervals": [always]})
