import sys

from perennial.cli import main

if __name__ == "__main__":
    sys.exit(main())
