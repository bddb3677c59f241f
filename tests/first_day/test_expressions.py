"""Every expression of the dashboards and alert rules parses, and has data where the sample app runs."""

import re
from pathlib import Path

import pytest

import dashboards
import rules
from conftest import Served, Wiki, wait_for
from places import BAD, DASHBOARDS, ROOT, RULES

# What the panels' variables stand for where everything is chosen.
VARIABLES = {"$job": ".*", "$instance": ".*", "$namespace": ".*", "$__rate_interval": "10s", "$__interval": "1s"}

# Metrics of the plugin inside of Grafana: `serve`, which stands in for it here, does not count
# questions of panels. The end-to-end tests see these with data.
ONLY_IN_GRAFANA = re.compile(r"headwater_(queries|query_duration|resource_calls|streams|instances|in_flight)")

ASKED = [
    *((f"{path.stem}: {place}", expression) for path in DASHBOARDS for place, expression in dashboards.expressions(dashboards.read(path))),
    *((f"rule: {rule['title']}", expression) for rule in rules.read(RULES) for expression in rules.expressions(rule)),
]


def filled(expression: str) -> str:
    for name, value in VARIABLES.items():
        expression = expression.replace(name, value)
    assert "$" not in expression, f"a variable has no value: {expression}"
    return expression


@pytest.fixture(scope="module")
def visited(served: Served, wiki: Wiki) -> Served:
    wiki.visit()
    wiki.visit("--rate", 20, "--seconds", 3, "--errors", 0.2)
    wait_for("rates of what the visitors did", lambda: served.result("sum(rate(users_created_total[10s])) > 0"))
    return served


@pytest.mark.parametrize(("place", "expression"), ASKED, ids=[place for place, _ in ASKED])
def test_an_expression_parses_and_has_data(visited: Served, place: str, expression: str) -> None:
    result = visited.result(filled(expression))
    # Annotations mark what is rare: a restart, a target that is down. Parsing is all that is sure.
    if "annotation" in place or ONLY_IN_GRAFANA.search(expression):
        return
    assert result, f"{filled(expression)} has no data"
    values = [entry["value"][1] for entry in result]
    assert any(value != "NaN" for value in values), f"{filled(expression)} is {values}"


def test_a_broken_expression_is_refused(visited: Served) -> None:
    [rule] = rules.read(BAD / "rules.yaml")
    [expression] = rules.expressions(rule)
    answer = visited.ask("query", query=expression)
    assert (answer["status"], answer["errorType"]) == ("error", "bad_data")


def test_the_plugins_metrics_on_the_dashboard_exist() -> None:
    sources = "\n".join(
        (ROOT / "src" / name).read_text() for name in ("grafana/metrics.rs", "wiring/store_metrics.rs")
    )
    asked = {name for _, expression in ASKED for name in re.findall(r"headwater_[a-z_]+", expression)}
    assert asked, "no dashboard asks for the plugin's own metrics"
    for name in asked:
        assert f'"{re.sub("_bucket$", "", name)}"' in sources, f"the plugin has no {name}"


def test_every_variable_of_a_dashboard_has_values(visited: Served) -> None:
    for path in DASHBOARDS:
        for variable in dashboards.read(path)["templating"]["list"]:
            if variable["type"] != "query":
                continue
            metric, label = re.fullmatch(r"label_values\((\w+).*, (\w+)\)", variable["query"]["query"]).groups()
            answer = visited.ask(f"label/{label}/values", **{"match[]": metric})
            assert answer["data"], f"{path.stem}: {variable['name']} has no values"
