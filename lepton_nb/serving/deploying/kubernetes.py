"""Objects of Kubernetes, one file each, to be applied by `kubectl apply -k`."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

from ..handing import Part
from .docker import LOG_DIR
from .plan import PORT, Plan
from .pod import pod
from .yaml_text import yaml_text

__all__ = ["parts", "steps"]

_MONITOR = "servicemonitor.yaml"
_COMMENTS = {
    "deployment.yaml": (
        "The pods that answer. autoscaler.yaml says how many: a number here would undo its own at each apply.\n"
        f"The log of predictions lies in the pod ({LOG_DIR}) and goes with it: LEPTON_LOG_URL copies its sealed\n"
        "parts to any place that fsspec knows, and network.yaml must then let the pod out."
    ),
    "service.yaml": "The address of the pods within the cluster.",
    "autoscaler.yaml": "More pods where they are busy. It needs the metrics server.",
    "disruption.yaml": "Of the pods one at a time is moved to another node.",
    "network.yaml": (
        "Who may reach the pods: this namespace, and Prometheus in the namespace `monitoring`. An ingress controller\n"
        "needs an entry of its own. The pods themselves reach nobody."
    ),
    _MONITOR: "What Prometheus reads, with the token. It needs the Prometheus operator, so `apply -k` leaves it out.",
}


def parts(plan: Plan) -> dict[str, Part]:
    """A kustomization, and the files that it names."""
    objects = {
        "deployment.yaml": _deployment(plan),
        "service.yaml": _service(plan),
        "autoscaler.yaml": _autoscaler(plan),
        "disruption.yaml": _object("policy/v1", "PodDisruptionBudget", plan, maxUnavailable=1, **_selected(plan)),
        "network.yaml": _network(plan),
        _MONITOR: _monitor(plan),
    }
    kustomization = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": [name for name in objects if name != _MONITOR],
    }
    head = f"{plan.bento.tag} in Kubernetes; written by `lepton deploy`."
    return {
        "kustomization.yaml": Part(yaml_text(head, kustomization)),
        **{name: Part(yaml_text(f"{head}\n{_COMMENTS[name]}", value)) for name, value in objects.items()},
    }


def _labels(plan: Plan) -> dict[str, str]:
    return {"app.kubernetes.io/name": plan.name}


def _selected(plan: Plan) -> dict[str, Any]:
    return {"selector": {"matchLabels": _labels(plan)}}


def _object(version: str, kind: str, plan: Plan, **spec: Any) -> dict[str, Any]:
    labels = {**_labels(plan), "app.kubernetes.io/version": plan.version, "app.kubernetes.io/managed-by": "lepton"}
    return {
        "apiVersion": version,
        "kind": kind,
        "metadata": {"name": plan.name, "labels": labels},
        "spec": spec,
    }


def _deployment(plan: Plan) -> dict[str, Any]:
    labels = {**_labels(plan), "app.kubernetes.io/version": plan.version}
    return _object(
        "apps/v1",
        "Deployment",
        plan,
        **_selected(plan),
        strategy={"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}},
        revisionHistoryLimit=5,
        template={"metadata": {"labels": labels}, "spec": pod(plan, _labels(plan))},
    )


def _service(plan: Plan) -> dict[str, Any]:
    ports = [{"name": "http", "port": 80, "targetPort": "http", "protocol": "TCP"}]
    return _object("v1", "Service", plan, type="ClusterIP", selector=_labels(plan), ports=ports)


def _autoscaler(plan: Plan) -> dict[str, Any]:
    return _object(
        "autoscaling/v2",
        "HorizontalPodAutoscaler",
        plan,
        scaleTargetRef={"apiVersion": "apps/v1", "kind": "Deployment", "name": plan.name},
        minReplicas=plan.replicas,
        maxReplicas=plan.replicas * 4,
        metrics=[
            {
                "type": "Resource",
                "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 70}},
            }
        ],
        behavior={"scaleDown": {"stabilizationWindowSeconds": 300}},
    )


def _network(plan: Plan) -> dict[str, Any]:
    monitoring = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}
    inbound = {"from": [{"podSelector": {}}, monitoring], "ports": [{"protocol": "TCP", "port": PORT}]}
    return _object(
        "networking.k8s.io/v1",
        "NetworkPolicy",
        plan,
        podSelector={"matchLabels": _labels(plan)},
        policyTypes=["Ingress", "Egress"],
        ingress=[inbound],
        egress=[],
    )


def _monitor(plan: Plan) -> dict[str, Any]:
    token = {"name": f"{plan.name}-token", "key": "token"}
    endpoint = {
        "port": "http",
        "path": "/metrics",
        "interval": "15s",
        "authorization": {"type": "Bearer", "credentials": token},
    }
    return _object("monitoring.coreos.com/v1", "ServiceMonitor", plan, **_selected(plan), endpoints=[endpoint])


def steps(plan: Plan, folder: Path) -> tuple[str, ...]:
    """The image, the token, the objects."""
    place = shlex.quote(str(folder))
    context = f"{plan.name}-docker"
    token = f'kubectl create secret generic {plan.name}-token --from-literal=token="$(openssl rand -hex 32)"'
    return (
        f"lepton deploy {plan.bento.tag} --to docker --image {plan.image} --out {context}",
        f"docker build -t {plan.image} {context} && docker push {plan.image}",
        token,
        f"kubectl apply -k {place}",
        f"kubectl apply -f {place}/{_MONITOR}  # where the Prometheus operator runs",
        f"kubectl rollout status deployment/{plan.name}",
    )
