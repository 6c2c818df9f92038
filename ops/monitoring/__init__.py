"""Monitoring as code: what is scraped, when somebody is told, by which way, and one dashboard.

Alerts and panels are lists in this package; the files that Prometheus, Alertmanager and Grafana read are
generated from them by `python -m ops.monitoring` and kept beside, so that they can be used as they are.
"""

from ops.monitoring.alert import Alert
from ops.monitoring.rules import ALERTS

__all__ = ["ALERTS", "Alert"]
