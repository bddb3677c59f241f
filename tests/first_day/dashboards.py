"""Dashboards: what they ask, and what is wrong with them."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

COLUMNS = 24
PLUGIN = "headwater-metrics-datasource"


def read(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text())


def panels(board: dict[str, Any]) -> list[dict[str, Any]]:
    return [panel for panel in board["panels"] if panel["type"] != "row"]


def expressions(board: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Each query with the place where it stands."""
    for panel in panels(board):
        for target in panel["targets"]:
            yield f"{panel['title']} {target['refId']}", target["expr"]
    for annotation in board["annotations"]["list"]:
        if "expr" in annotation:
            yield f"annotation {annotation['name']}", annotation["expr"]


def complaints(board: dict[str, Any]) -> Iterator[str]:
    """What does not follow Grafana's habits, or ours."""
    for key in ("uid", "title", "description", "time", "refresh", "links", "annotations", "templating"):
        if not board.get(key):
            yield f"the dashboard has no {key}"
    if board.get("id") is not None:
        yield "the dashboard has an id, which is only good in the Grafana that gave it"
    all_panels = board["panels"]
    ids = [panel["id"] for panel in all_panels]
    if len(ids) != len(set(ids)):
        yield "two panels have the same id"
    taken: dict[tuple[int, int], str] = {}
    for panel in all_panels:
        place, name = panel["gridPos"], panel.get("title") or f"panel {panel['id']}"
        if not panel.get("title"):
            yield f"{name} has no title"
        if place["x"] < 0 or place["x"] + place["w"] > COLUMNS:
            yield f"{name} stands outside of the {COLUMNS} columns"
        for x in range(place["x"], place["x"] + place["w"]):
            for y in range(place["y"], place["y"] + place["h"]):
                if other := taken.get((x, y)):
                    yield f"{name} lies over {other}"
                    break
                taken[x, y] = name
            else:
                continue
            break
        if panel["type"] == "row":
            continue
        defaults = panel["fieldConfig"]["defaults"]
        for what, is_there in {
            "description": panel.get("description"),
            "unit": defaults.get("unit"),
            "no-data text": defaults.get("noValue"),
            "thresholds": defaults.get("thresholds"),
            "query": panel.get("targets"),
        }.items():
            if not is_there:
                yield f"{name} has no {what}"
        for asked in [panel, *panel.get("targets", [])]:
            if asked.get("datasource") != {"type": PLUGIN, "uid": "${datasource}"}:
                yield f"{name} does not ask the data source that was chosen"
