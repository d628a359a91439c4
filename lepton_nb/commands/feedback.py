"""`lepton feedback`: what was right, told later."""

from __future__ import annotations

from typing import Annotated

from ..records import Deployment, Feedback
from ..workspace import current
from .declare import Arg, Opt
from .find import named, source_of


def feedback(
    deployment: Annotated[
        object, Arg("name of a deployment, running or stopped.", "DEPLOYMENT", completes="deployment")
    ],
    *,
    labels: Annotated[object, Opt("File or DataFrame with the columns id and label.", "LABELS")],
) -> Feedback:
    """Tell a deployment which class was right, by the ids of its predictions.

    The labels are in a .csv or .parquet file, or in a DataFrame of the notebook; all of them are written, or none. A
    client may as well send them to POST /feedback. From them monitor tells how often the model is right.
    """
    from .. import monitoring

    found = named(deployment, Deployment)
    return monitoring.feedback(current(), found if isinstance(found, Deployment) else str(found), source_of(labels))
