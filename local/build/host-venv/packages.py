"""Prints what `pip list -v --format json` does, without the cost of pip; see `python` beside it."""

import json
from importlib.metadata import distributions

print(
    json.dumps(
        [
            {
                "name": each.metadata["Name"],
                "version": each.version,
                "location": str(each.locate_file("")),
            }
            for each in distributions()
        ]
    )
)
