"""A pytest plugin: a failure is printed the moment it happens, not when all tests have run."""

import pytest


class FailuresAtOnce:
    """Prints each failed report: a line with the test's name and the reason, then all of it."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        terminal = self._config.pluginmanager.get_plugin("terminalreporter")
        if terminal is None or not report.failed:
            return
        kind = "ERROR" if report.when in ("setup", "teardown") else "FAILED"
        terminal.write("\n")  # the letters of tests before it end without one
        terminal.write_line(f"{kind} {report.nodeid} - {reason(report)}", red=True)
        terminal.write_line(report.longreprtext)
        terminal.flush()  # a pipe, as to a log, holds lines back otherwise


def reason(report: pytest.TestReport) -> str:
    """The first line of what was raised, or the last of a report that is text alone."""
    crash = getattr(report.longrepr, "reprcrash", None)
    if crash is not None:
        return str(crash.message).partition("\n")[0]
    return report.longreprtext.rstrip().rpartition("\n")[2]


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):  # xdist's processes report to the one with a terminal
        config.pluginmanager.register(FailuresAtOnce(config))
