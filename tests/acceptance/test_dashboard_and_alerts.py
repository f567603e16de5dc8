"""The dashboard and the alert rules ask for what a real server tells, by labels that it has."""

import json
import re
import shutil
import subprocess
from typing import Any

import httpx
import promql_parser
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from tests.acceptance.server import ServerProcess
from tests.docs.pages import ROOT, page

pytestmark = [pytest.mark.postgres, pytest.mark.slow]

FOLDER = ROOT / "docs" / "operations"
RULES = FOLDER / "alerts.yml"
ENDINGS = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count"), "gauge": ("",)}
GIVEN_BY_PROMETHEUS = {"instance", "job", "le"}
_ROW = re.compile(r"^\| `(saga_\w+)` \| (\w+) \|(.*?)\| .+ \|$", re.M)
_GROUPED = re.compile(r"\bby \(([^)]*)\)")


def rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load(RULES.read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def dashboard() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((FOLDER / "grafana-dashboard.json").read_text())
    return loaded


def expressions() -> list[str]:
    targets = [target["expr"] for panel in dashboard()["panels"] for target in panel["targets"]]
    return [*targets, *(rule["expr"] for rule in rules())]


def parsed(expression: str) -> promql_parser.Expr:
    """Grafana puts its variable in before Prometheus reads it. Raises ValueError for what Prometheus would
    refuse, wrong types included."""
    return promql_parser.parse(expression.replace("$__rate_interval", "5m"))


def nodes(expression: str) -> list[Any]:
    found: list[Any] = []

    def take(node: Any) -> bool:
        found.append(node)
        return True

    promql_parser.walk(parsed(expression), take)
    return found


def selectors(expression: str) -> list[promql_parser.VectorSelector]:
    """The series that it asks for."""
    return [node for node in nodes(expression) if isinstance(node, promql_parser.VectorSelector)]


def test_every_metric_that_they_name_is_served(server: ServerProcess) -> None:
    text = httpx.get(f"{server.url}/metrics", timeout=60).raise_for_status().text
    served = {
        one.name + ending
        for one in text_string_to_metric_families(text)
        for ending in ENDINGS.get(one.type, ())
    }

    named = {selector.name for each in expressions() for selector in selectors(each)}

    assert len(named) > 20
    assert named - served == set()


@pytest.mark.parametrize("expression", expressions())
def test_labels_are_those_of_the_metrics(expression: str) -> None:
    rows = {name: set(re.findall(r"`(\w+)`", labels)) for name, _, labels in _rows()}
    metrics = [str(selector.name) for selector in selectors(expression)]
    known = [rows[re.sub(r"_(total|bucket|sum|count)$", "", metric)] for metric in metrics]
    grouped = {label.strip() for group in _GROUPED.findall(expression) for label in group.split(",")}
    matched = {each.name for selector in selectors(expression) for each in selector.matchers.matchers}

    assert known
    for labels in known:
        assert (grouped | matched) - GIVEN_BY_PROMETHEUS <= labels


@pytest.mark.parametrize("wrong", ["sum by (saga) (saga_stuck", "rate(saga_ended_total)", "saga_stuck >"])
def test_an_expression_that_prometheus_refuses_is_refused(wrong: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        parsed(wrong)


def _rows() -> list[tuple[str, str, str]]:
    return _ROW.findall(page("docs/operations/observe.md").text)


def test_every_alert_has_a_runbook_and_every_runbook_an_alert() -> None:
    names = [rule["alert"] for rule in rules()]

    assert re.findall(r"^## (\w+)$", page("docs/operations/alerts.md").text, re.M) == names
    for rule in rules():
        assert rule["annotations"]["runbook"] == f"docs/operations/alerts.md#{rule['alert'].lower()}"
        assert rule["labels"]["severity"] in {"warning", "critical"}
        assert re.fullmatch(r"\d+m", rule["for"])


def test_prometheus_takes_the_rules() -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed")
    checked = subprocess.run([promtool, "check", "rules", RULES], capture_output=True, text=True, check=False)

    assert checked.returncode == 0, checked.stderr


def test_the_dashboard_can_be_provisioned() -> None:
    board = dashboard()

    assert board["uid"]
    assert "__inputs" not in board
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
    assert {panel["datasource"]["uid"] for panel in board["panels"]} == {"${datasource}"}
