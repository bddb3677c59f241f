"""Grafana's provisioned alert rules, and what is made of them."""

from pathlib import Path
from typing import Any, Iterator

import yaml


def read(path: Path) -> list[dict[str, Any]]:
    return [rule for group in yaml.safe_load(path.read_text())["groups"] for rule in group["rules"]]


def expressions(rule: dict[str, Any]) -> Iterator[str]:
    for query in rule["data"]:
        if query["datasourceUid"] != "__expr__":
            yield query["model"]["expr"]


def threshold(rule: dict[str, Any]) -> tuple[str, float]:
    """The comparison of the rule's condition, and what is compared with."""
    condition = next(query["model"] for query in rule["data"] if query["refId"] == rule["condition"])
    evaluator = condition["conditions"][0]["evaluator"]
    return {"gt": ">", "lt": "<"}[evaluator["type"]], evaluator["params"][0]


def for_prometheus(path: Path) -> str:
    """The same rules as a Prometheus rule file, which promtool can check."""
    rules = []
    for rule in read(path):
        [expression] = expressions(rule)
        comparison, bound = threshold(rule)
        rules.append(
            {
                "alert": rule["title"],
                "expr": f"({expression}) {comparison} {bound}",
                "for": rule["for"],
                "labels": rule["labels"],
            }
        )
    return yaml.safe_dump({"groups": [{"name": path.stem, "rules": rules}]})
