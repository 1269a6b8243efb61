"""Serve the plugin: print the port on standard output, and end with the engine.

python -u -m local.standins.kubernetes [ADDRESS OF THE ENGINE]
"""

import sys

from local.standins.kubernetes.provider import Provider
from local.standins.serving import serve

if __name__ == "__main__":
    serve(Provider(sys.argv[1] if len(sys.argv) > 1 else None))
