"""The pod of Kubernetes that serves a Bento, with no more rights than it needs."""

from __future__ import annotations

from typing import Any

from .docker import LOG_DIR, USER
from .plan import ENVIRONMENT, PORT, Plan, start_command

__all__ = ["pod"]

_SECRETS = "/run/secrets/lepton"
_MIB = 1024 * 1024
# Interpreter, server and ONNX Runtime, in MiB; a loaded model takes some times the size of its file.
_BASE_MIB, _PER_MODEL = 320, 4


def pod(plan: Plan, labels: dict[str, str]) -> dict[str, Any]:
    """The specification of the pod.

    Args:
        plan: what is deployed.
        labels: of all pods of it.
    """
    spread = {
        "maxSkew": 1,
        "topologyKey": "kubernetes.io/hostname",
        "whenUnsatisfiable": "ScheduleAnyway",
        "labelSelector": {"matchLabels": labels},
    }
    return {
        # The server never speaks to the cluster.
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": 30,
        "topologySpreadConstraints": [spread],
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER,
            "runAsGroup": USER,
            "fsGroup": USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [_container(plan)],
        "volumes": [
            {"name": "log", "emptyDir": {"sizeLimit": "2Gi"}},
            {"name": "tmp", "emptyDir": {"sizeLimit": "64Mi"}},
            {"name": "token", "secret": {"secretName": f"{plan.name}-token", "defaultMode": 0o440}},
        ],
    }


def _container(plan: Plan) -> dict[str, Any]:
    return {
        "name": "model",
        "image": plan.image,
        "imagePullPolicy": "IfNotPresent",
        # One worker each: pods are what is scaled.
        "command": start_command("0.0.0.0", str(PORT), "1"),  # noqa: S104 - in a container
        "ports": [{"name": "http", "containerPort": PORT, "protocol": "TCP"}],
        "env": _environment(plan),
        "resources": _resources(plan),
        "startupProbe": _probe("/readyz", periodSeconds=1, failureThreshold=60),
        "readinessProbe": _probe("/readyz", periodSeconds=5, failureThreshold=2),
        "livenessProbe": _probe("/livez", periodSeconds=10, failureThreshold=3),
        # Requests still come for a moment after a pod is told to end.
        "lifecycle": {"preStop": {"exec": {"command": ["sleep", "5"]}}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [
            {"name": "log", "mountPath": LOG_DIR},
            {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 - in a container
            {"name": "token", "mountPath": _SECRETS, "readOnly": True},
        ],
    }


def _environment(plan: Plan) -> list[dict[str, Any]]:
    """The names that the service is called by come last: they are made of what the cluster tells."""
    service = f"{plan.name}.$(POD_NAMESPACE)"
    # Prometheus asks a pod by its address; in brackets it is one of IPv6.
    hosts = [plan.name, service, f"{service}.svc", f"{service}.svc.cluster.local", "$(POD_IP)", "[$(POD_IP)]"]
    plain = {
        **ENVIRONMENT,
        "LEPTON_TOKEN_FILE": f"{_SECRETS}/token",
        "LEPTON_LOG_DIR": LOG_DIR,
        # A day of it, in seconds: the volume is small, and goes with the pod.
        "LEPTON_LOG_KEEP": "86400",
    }
    told = {"POD_NAMESPACE": "metadata.namespace", "POD_IP": "status.podIP"}
    return [
        *({"name": name, "value": value} for name, value in plain.items()),
        *({"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}} for name, path in told.items()),
        {"name": "LEPTON_ALLOWED_HOSTS", "value": ",".join(hosts)},
    ]


def _resources(plan: Plan) -> dict[str, dict[str, str]]:
    memory = _BASE_MIB + _PER_MODEL * -(-plan.bento.model_bytes // _MIB)
    return {
        "requests": {"cpu": "250m", "memory": f"{memory}Mi", "ephemeral-storage": "256Mi"},
        "limits": {"cpu": "1", "memory": f"{memory * 2}Mi", "ephemeral-storage": "3Gi"},
    }


def _probe(path: str, **often: int) -> dict[str, Any]:
    return {"httpGet": {"path": path, "port": "http"}, "timeoutSeconds": 2, **often}
