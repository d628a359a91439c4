"""Two nodes made by Ray's own cluster utility, on loopback: `python two_nodes.py FOLDER`, ended by closing its input.

It prints the address and the number of the second node's process, which it kills when a line comes in.
"""

import os
import sys
from pathlib import Path

sys.modules["rfc3987_syntax"] = None


def main(folder: Path) -> None:
    # Nobody shall find it by accident.
    os.environ |= {"RAY_TMPDIR": str(folder), "RAY_USAGE_STATS_ENABLED": "0"}
    os.environ |= {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
    (folder / "ray").mkdir()
    (folder / "light").mkdir()
    (folder / "light" / "rfc3987_syntax.py").write_text("raise ImportError")
    os.environ["PYTHONPATH"] = str(folder / "light")
    from ray.cluster_utils import Cluster

    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    options = {"num_cpus": 1, "include_log_monitor": False}
    cluster = Cluster(
        initialize_head=True,
        head_node_args={
            **options,
            "memory": 4 * 2**30,
            "include_dashboard": False,
            "no_monitor": True,
            "temp_dir": str(folder),
        },
    )
    second = cluster.add_node(**options, memory=8 * 2**30)
    raylet = second.all_processes["raylet"][0].process.pid
    print(cluster.address, raylet, file=answers, flush=True)
    for _ in sys.stdin:
        cluster.remove_node(second, allow_graceful=False)
        print("killed", file=answers, flush=True)
    cluster.shutdown()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
