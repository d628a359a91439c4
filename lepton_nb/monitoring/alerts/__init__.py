"""Who is told when something is amiss with a deployment? Rules in YAML, and events that arrive at least once."""

from .evaluating import alerts, check_alerts, evaluate_alerts, remember_alerts

__all__ = ["alerts", "check_alerts", "evaluate_alerts", "remember_alerts"]
