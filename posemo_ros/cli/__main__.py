"""``python -m posemo_ros.cli``: the same as ``posemo``, where no script is on the path."""

import sys

from . import main

sys.exit(main())
