"""Serve the plugin: print the port on standard output, and end with the engine.

python -u -m tests.standins.azure_native [ADDRESS OF THE ENGINE]
"""

from tests.standins.azure_native.cloud import Cloud
from tests.standins.azure_native.provider import Provider
from tests.standins.azure_native.serving import serve

if __name__ == "__main__":
    serve(Provider(Cloud.of_environment()))
