"""For each alert its unit test, and the files of them that `promtool test rules` runs."""

from __future__ import annotations

from typing import Any

import yaml

from ops.monitoring.case import Case
from ops.monitoring.quality_cases import QUALITY_CASES
from ops.monitoring.rules import ALERTS
from ops.monitoring.serving_cases import SERVING_CASES

CASES: dict[str, Case] = SERVING_CASES | QUALITY_CASES


def cases_yaml(rules: str = "bands.rules.yml", *, long: bool = False) -> str:
    """Unit tests for `promtool test rules`; `rules` is the file of rules, seen from the file of tests.

    The `long` cases are a file of their own, evaluated every ten minutes: every minute would take long.
    """
    tests: list[dict[str, Any]] = []
    for alert in ALERTS:
        case = CASES[alert.name]
        if case.is_long != long:
            continue
        look = f'(count(ALERTS{{alertname="{alert.name}",alertstate="firing"}}) or vector(0)) > bool 0'
        for series, firing in [(s, 1) for s in case.fires] + [(s, 0) for s in case.silent]:
            expected = {
                "expr": look,
                "eval_time": case.at,
                "exp_samples": [{"labels": "{}", "value": firing}],
            }
            inputs = [{"series": name, "values": values} for name, values in series.items()]
            tests.append({"interval": "1m", "input_series": inputs, "promql_expr_test": [expected]})
    every = "10m" if long else "1m"
    told = {"rule_files": [rules], "evaluation_interval": every, "tests": tests}
    return yaml.safe_dump(told, sort_keys=False, width=100, allow_unicode=True)
