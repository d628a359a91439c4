"""Who is told when something is amiss with a deployment? Rules in YAML, and events that arrive at least once."""

from .evaluating import alerts, evaluate_alerts, remember_alerts

__all__ = ["alerts", "evaluate_alerts", "remember_alerts"]
