"""python -m meghna: the command line."""

import sys

from meghna.cli.main import main

sys.exit(main())
