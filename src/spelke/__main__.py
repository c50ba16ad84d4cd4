"""`python -m spelke` is `spelke`."""

import sys

from spelke.cli.main import main

sys.exit(main())
