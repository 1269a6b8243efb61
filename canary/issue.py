"""One open issue for as long as something is so, found again by a mark at its start."""

from canary import github
from canary.github import GitHub, Object


class Issue:
    """The issue of a mark: at most one that is open."""

    def __init__(self, repository: GitHub, mark: str) -> None:
        """Looks for it. Raises CanaryError, as the others do."""
        self._repository, self._mark = repository, mark
        listed = repository.listed("/issues", state="open")
        issues = (issue for issue in listed if "pull_request" not in issue)
        self._open = next((each for each in issues if github.is_own(each, mark)), None)

    @property
    def is_open(self) -> bool:
        """Whether there is one."""
        return self._open is not None

    @property
    def text(self) -> str:
        """Of the one that is open; empty where there is none."""
        return str(self._open.get("body") or "") if self._open else ""

    def keep(self, title: str, body: str) -> str:
        """Open it, or bring its text up to date; what was done."""
        text = f"{self._mark}{body}"
        if self._open is None:
            made = self._repository.create("/issues", title=title, body=text)
            return f"opened {made['html_url']}"
        self._repository.change(_path(self._open), body=text)
        return f"brought up to date {self._open['html_url']}"

    def close(self, said: str) -> str:
        """Close the one that is open, with a comment; what was done."""
        if self._open is None:
            return "there is no issue to close"
        path, link = _path(self._open), github.run_link()
        comment = said + (f" {link}" if link else "")
        self._repository.create(f"{path}/comments", body=comment)
        self._repository.change(path, state="closed", state_reason="completed")
        return f"closed {self._open['html_url']}"


def _path(issue: Object) -> str:
    return f"/issues/{issue['number']}"
