"""Networks that several files train are found by their trainers, too: a job says where its notebook imports from."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
