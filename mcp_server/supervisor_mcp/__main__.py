"""`python -m supervisor_mcp` is the console script."""

import sys

from supervisor_mcp.server import main

sys.exit(main())
