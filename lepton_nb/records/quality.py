"""How often a deployed model is right."""

from __future__ import annotations

from dataclasses import dataclass

from .shown import Result, Table

__all__ = ["Feedback", "Quality", "QualityStep", "Segment"]


@dataclass(frozen=True)
class QualityStep:
    """One step of time.

    Args:
        start: its start, seconds since the epoch.
        seconds: its length.
        version: the model that answered.
        labelled: its predictions whose label is known.
        accuracy: share of these that were right; None without labels, or where the answer is a number.
        error: mean absolute error, where the answer is a number.
        expected_accuracy: an estimate for all predictions of the step, labelled or not; None where there is none.
        f1: of the labelled ones, as are the others: those of the model card; None where one is not known.
        roc_auc: see `f1`; None where only one class occurs, too.
        log_loss: in nats.
        calibration_error: expected, 15 bins.
        rmse: root of the mean squared error, where the answer is a number.
    """

    start: float
    seconds: float
    version: str
    labelled: int
    accuracy: float | None
    error: float | None = None
    expected_accuracy: float | None = None
    f1: float | None = None
    roc_auc: float | None = None
    log_loss: float | None = None
    calibration_error: float | None = None
    rmse: float | None = None


@dataclass(frozen=True)
class Segment:
    """The rows with one value of a category column.

    Args:
        column: name of the column.
        value: the value; empty where it was missing, `*` where training did not know it.
        labelled: rows whose label is known.
        accuracy: share of these that were right; None where the answer is a number.
        f1: as in `QualityStep`, and so are the others; None for more than 20 classes, or where some of the rows were
            counted before segments had other scores than accuracy.
        roc_auc: area under the ROC curve.
        log_loss: in nats.
        calibration_error: expected, 15 bins.
        mae: mean absolute error, where the answer is a number.
        rmse: root of the mean squared error, likewise.
    """

    column: str
    value: str
    labelled: int
    accuracy: float | None
    f1: float | None = None
    roc_auc: float | None = None
    log_loss: float | None = None
    calibration_error: float | None = None
    mae: float | None = None
    rmse: float | None = None

    def __str__(self) -> str:
        shown = {"": "(missing)", "*": "(unseen)"}.get(self.value, self.value)
        return f"{self.column} = {shown}"


@dataclass(frozen=True)
class Quality(Result):
    """How often one version of a model was right, by the labels that came, and by an estimate.

    Args:
        deployment: its name.
        version: the model; empty where nothing is known of it.
        predictions: rows answered, labelled or not.
        labelled: rows whose label is known.
        unmatched: labels of the deployment that belong to no known prediction.
        accuracy: share of right rows; None without labels. The other scores are those of the model card.
        f1: macro mean over the classes.
        f1_positive: of the second class, when there are two.
        roc_auc: area under the ROC curve.
        log_loss: in nats.
        calibration_error: expected, 15 bins.
        mae: mean absolute error, where the answer is a number.
        rmse: root of the mean squared error, likewise.
        classes: class names.
        confusion: rows are the true classes, the last one those that the model does not have; columns the predicted.
        card_accuracy: what the model card says; None without a card.
        card_rows: held-out rows that this was measured on.
        fell: how likely chance alone makes the accuracy as much smaller than the card's; None where one is not known.
        expected_accuracy: an estimate for all predictions from calibrated confidence: nobody has measured it.
        expected_low: of an interval that holds the true one in 95 % of the cases, if confidence means what it did.
        expected_high: its other end.
        expected_from: what the confidence was calibrated on.
        segments: values of category columns with enough labelled rows, the worst first.
        steps: over time, of every version.
    """

    deployment: str
    version: str
    predictions: int
    labelled: int
    unmatched: int
    accuracy: float | None = None
    f1: float | None = None
    f1_positive: float | None = None
    roc_auc: float | None = None
    log_loss: float | None = None
    calibration_error: float | None = None
    mae: float | None = None
    rmse: float | None = None
    classes: tuple[str, ...] = ()
    confusion: tuple[tuple[int, ...], ...] = ()
    card_accuracy: float | None = None
    card_rows: int = 0
    fell: float | None = None
    expected_accuracy: float | None = None
    expected_low: float | None = None
    expected_high: float | None = None
    expected_from: str = ""
    segments: tuple[Segment, ...] = ()
    steps: tuple[QualityStep, ...] = ()

    @property
    def worst_segment(self) -> Segment | None:
        """The segment with the lowest accuracy, or the largest error, when there are two at least to compare."""
        return self.segments[0] if len(self.segments) > 1 else None

    def rows(self) -> list[tuple[object, ...]]:
        """Lines of a card."""
        found: list[tuple[object, ...]] = [("labelled", f"{self.labelled} of {self.predictions} predictions")]
        if self.unmatched:
            found.append(("unmatched labels", self.unmatched))
        if self.accuracy is not None:
            card = "" if self.card_accuracy is None else f" (card {self.card_accuracy:.4g})"
            found.append(("accuracy", f"{self.accuracy:.4g}{card}"))
        scores = {
            "F1 (macro)": self.f1,
            "AUC": self.roc_auc,
            "log loss": self.log_loss,
            "calibration error": self.calibration_error,
            "mean absolute error": self.mae,
            "root mean squared error": self.rmse,
        }
        found += [(name, value) for name, value in scores.items() if value is not None]
        if self.f1_positive is not None:
            found.append((f"F1 of {self.classes[1]}", self.f1_positive))
        if (worst := self.worst_segment) is not None:
            measure, value = ("error", worst.mae) if worst.accuracy is None else ("accuracy", worst.accuracy)
            found.append(("worst segment", f"{worst}: {measure} {value:.4g} of {worst.labelled} rows"))
        if self.expected_accuracy is not None:
            between = f"{self.expected_low:.4g} to {self.expected_high:.4g}"
            text = f"{self.expected_accuracy:.4g}, {between} (an estimate from confidence on {self.expected_from})"
            found.append(("expected accuracy", text))
        return found

    def table(self) -> Table:
        """The scores, then the estimate."""
        return Table(f"quality of {self.version or self.deployment}", (), self.rows())


@dataclass(frozen=True)
class Feedback(Result):
    """Labels that were written for a deployment.

    Args:
        deployment: its name.
        labels: how many were written.
        joined: labels that found their prediction now.
        unmatched: labels that have not, those of before as well.
    """

    deployment: str
    labels: int
    joined: int
    unmatched: int

    def table(self) -> Table:
        """How many, and what they belong to."""
        rows = [("labels", self.labels), ("joined with a prediction", self.joined), ("unmatched", self.unmatched)]
        return Table(f"feedback for {self.deployment}", (), rows, f"next: lepton monitor {self.deployment}")
