"""`python -m lepton_nb.cli`, for where scripts are not on the path."""

from .main import main

main()
