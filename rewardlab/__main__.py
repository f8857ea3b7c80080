"""`python -m rewardlab` is `rewardlab`."""

import sys

from rewardlab.cli import main

sys.exit(main())
