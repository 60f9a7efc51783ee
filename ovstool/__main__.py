import sys

from ovstool.shell import main

sys.exit(main())
