"""What travels between the rooms: frozen records that know how to show themselves."""

from .ages import seconds_of
from .alerts import Alert, AlertStatus, Severity
from .cleaning import Cleaning, Removal
from .comparison import Comparison
from .curves import Line
from .dashboards import Dashboard
from .data import TASKS, Column, Data, Series, Task, Texts, refuse_duplicates
from .doctor import Diagnosis, Finding
from .events import (
    Curve,
    Drawing,
    Epoch,
    Event,
    Failed,
    Finished,
    Note,
    Progress,
    Report,
    Resumed,
    Started,
    Usage,
    decode,
    encode,
    silent,
)
from .exports import Export, Exports
from .layers import layered
from .loop import Decision, Stage, Watch, Watches
from .metrics import better, monitored
from .models import Artifact, Bento, Card
from .monitoring import Drift, DriftStep, FeatureDrift, FeatureHistogram, Health, Traffic, UsageStep
from .networks import Layer, Layers, Network, Networks
from .pipelines import FAILURES, Graph, Outputs, PipelineRun, Step, StepStatus
from .plays import Play
from .profiles import Check, ColumnProfile, Problem, Profile
from .quality import Feedback, Quality, QualityStep, Segment
from .runs import Metric, Metrics, Run, Runs, RunStatus, ago, duration
from .serving import Deployment, Deployments, Load, Logs, Predictions, Scored
from .shown import Result, Table, cell, plain, printable
from .starter import Starter
from .tuning import Objective, Studies, Study, StudyStatus, Trial, TrialStatus, best_of
from .written import Written

__all__ = [
    "FAILURES",
    "TASKS",
    "Alert",
    "AlertStatus",
    "Artifact",
    "Bento",
    "Card",
    "Check",
    "Cleaning",
    "Column",
    "ColumnProfile",
    "Comparison",
    "Curve",
    "Dashboard",
    "Data",
    "Decision",
    "Deployment",
    "Deployments",
    "Diagnosis",
    "Drawing",
    "Drift",
    "DriftStep",
    "Epoch",
    "Event",
    "Export",
    "Exports",
    "Failed",
    "FeatureDrift",
    "FeatureHistogram",
    "Feedback",
    "Finding",
    "Finished",
    "Graph",
    "Health",
    "Layer",
    "Layers",
    "Line",
    "Load",
    "Logs",
    "Metric",
    "Metrics",
    "Network",
    "Networks",
    "Note",
    "Objective",
    "Outputs",
    "PipelineRun",
    "Play",
    "Predictions",
    "Problem",
    "Profile",
    "Progress",
    "Quality",
    "QualityStep",
    "Removal",
    "Report",
    "Result",
    "Resumed",
    "Run",
    "RunStatus",
    "Runs",
    "Scored",
    "Segment",
    "Series",
    "Severity",
    "Stage",
    "Started",
    "Starter",
    "Step",
    "StepStatus",
    "Studies",
    "Study",
    "StudyStatus",
    "Table",
    "Task",
    "Texts",
    "Traffic",
    "Trial",
    "TrialStatus",
    "Usage",
    "UsageStep",
    "Watch",
    "Watches",
    "Written",
    "ago",
    "best_of",
    "better",
    "cell",
    "decode",
    "duration",
    "encode",
    "layered",
    "monitored",
    "plain",
    "printable",
    "refuse_duplicates",
    "seconds_of",
    "silent",
]
