"""`python -m lepton_nb.cli.verb`: what a forked process runs; it forks no other."""

import sys

from .main import main

main(sys.argv[1:])
