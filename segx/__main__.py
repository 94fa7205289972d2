"""python -m segx."""

import sys

from segx.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
