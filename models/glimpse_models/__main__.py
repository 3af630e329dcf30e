"""`python -m glimpse_models STEP`, the same as `glimpse-models STEP`."""

import sys

from glimpse_models.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
