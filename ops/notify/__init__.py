"""Notifications to a webhook, for those who run no Alertmanager: drift, retraining, releases."""

from ops.notify.courier import Courier
from ops.notify.message import Notification, notification
from ops.notify.sources import sources
from ops.notify.webhook import Webhook, read_webhook

__all__ = ["Courier", "Notification", "Webhook", "notification", "read_webhook", "sources"]
