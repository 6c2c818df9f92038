"""`python -m ops.cli`: the `bands` command in the environment's own interpreter."""

from ops.cli.app import main

main()
