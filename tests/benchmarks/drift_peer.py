"""What Evidently says of two Parquet files, in an environment of its own: run by bench_drift.py.

python drift_peer.py METHOD CURRENT REFERENCE    METHOD: psi or jensenshannon; prints one JSON object.
"""

import json
import sys

import pandas as pd
from evidently import DataDefinition, Dataset, Report
from evidently.presets import DataDriftPreset


def main() -> None:
    method, current, reference = sys.argv[1:]
    frames = [pd.read_parquet(path) for path in (current, reference)]
    numbers = list(frames[0].select_dtypes("number").columns)
    others = [name for name in frames[0].columns if name not in numbers]
    definition = DataDefinition(numerical_columns=numbers, categorical_columns=others)
    now, before = (Dataset.from_pandas(frame, definition) for frame in frames)
    found = Report([DataDriftPreset(num_method=method, cat_method=method)]).run(now, before).dict()
    values = {
        one["config"]["column"]: float(one["value"]) for one in found["metrics"] if "ValueDrift" in one["metric_name"]
    }
    print(json.dumps(values))


if __name__ == "__main__":
    main()
