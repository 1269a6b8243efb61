"""GitHub's REST API, as far as one repository's comments and issues go.

https://docs.github.com/rest, version 2022-11-28.
"""

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase
from urllib3.util import Retry

from canary.errors import CanaryError

Object = Mapping[str, Any]

_API = "https://api.github.com"
_TIMEOUT = 30
_PAGE = 100


class _Bearer(AuthBase):
    """A token. As a header alone it would give way to what a .netrc has for the host."""

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request


class GitHub:
    """One repository, with a token's rights.

    What only reads, or sets what is there, is repeated where GitHub is busy; what makes something
    new is not, so that nothing is made twice. Failures are CanaryErrors.
    """

    def __init__(self, api: str, repository: str, token: str) -> None:
        """`api` is the API's address, `repository` is OWNER/NAME."""
        self._base = f"{api.rstrip('/')}/repos/{repository}"
        self._session = requests.Session()
        self._session.auth = _Bearer(token)
        self._session.headers.update(
            {
                "Accept": "application/vnd.github+json",
                "X-GitHub-Api-Version": "2022-11-28",
            }
        )
        retry = Retry(
            total=3,
            backoff_factor=0.5,
            status_forcelist=(429, 500, 502, 503, 504),
            allowed_methods=("GET", "PATCH"),
            raise_on_status=False,
        )
        for scheme in ("https://", "http://"):
            self._session.mount(scheme, HTTPAdapter(max_retries=retry))

    @classmethod
    def of_job(cls) -> "GitHub":
        """The repository and rights of the job that runs."""
        api = os.environ.get("GITHUB_API_URL") or _API
        return cls(api, variable("GITHUB_REPOSITORY"), variable("GITHUB_TOKEN"))

    def listed(self, path: str, **query: str) -> Iterator[Object]:
        """All objects of a list, over its pages."""
        url, given = f"{self._base}{path}", {"per_page": str(_PAGE), **query}
        while url:
            answer = self._ask("GET", url, params=given)
            yield from answer.json()
            # The address of the next page has the query in it.
            url, given = answer.links.get("next", {}).get("url", ""), {}

    def create(self, path: str, **values: Any) -> Object:
        """Make an object; what GitHub made of it."""
        return self._object("POST", path, values)

    def change(self, path: str, **values: Any) -> Object:
        """Change an object; what GitHub made of it."""
        return self._object("PATCH", path, values)

    def _object(self, method: str, path: str, values: Object) -> Object:
        found: Object = self._ask(method, f"{self._base}{path}", json=values).json()
        return found

    def _ask(self, method: str, url: str, **more: Any) -> requests.Response:
        what = f"GitHub: {method} {url}"
        try:
            answer = self._session.request(method, url, timeout=_TIMEOUT, **more)
            if not answer.ok:
                raise CanaryError(f"{what}: {_refusal(answer)}")
            answer.json()
        except requests.JSONDecodeError:
            raise CanaryError(f"{what}: its answer is no JSON") from None
        except requests.RequestException as error:
            raise CanaryError(f"{what}: no answer ({type(error).__name__})") from None
        return answer


def _refusal(answer: requests.Response) -> str:
    try:
        said = str(answer.json().get("message", ""))
    except (requests.JSONDecodeError, AttributeError):
        said = answer.reason
    hint = "; does the job's `permissions` give this?" if answer.status_code in (401, 403) else ""
    return f"{answer.status_code} {' '.join(said.split())[:200]}{hint}"


def is_own(found: Object, mark: str) -> bool:
    """Whether a comment or issue is one that a job wrote with this mark at its start.

    A mark that a person has copied into a text of their own does not count.
    """
    user = found.get("user") or {}
    return user.get("type") == "Bot" and str(found.get("body") or "").startswith(mark)


def mark(what: str, stack: str) -> str:
    """A line that Markdown does not show, by which a job finds again what it wrote."""
    return f"<!-- linkerd-canary {what} {stack} -->\n"


def run_link() -> str:
    """A link to the run of the job, in Markdown; empty outside of one."""
    server, run = os.environ.get("GITHUB_SERVER_URL"), os.environ.get("GITHUB_RUN_ID")
    repository = os.environ.get("GITHUB_REPOSITORY")
    return f"[log]({server}/{repository}/actions/runs/{run})" if server and run else ""


def add_to_summary(markdown: str) -> None:
    """Add to the job's summary, where there is a job ($GITHUB_STEP_SUMMARY). Raises CanaryError."""
    job = os.environ.get("GITHUB_STEP_SUMMARY")
    if not job:
        return
    try:
        with Path(job).open("a", encoding="utf-8") as file:
            file.write(markdown)
    except OSError as error:
        raise CanaryError(f"cannot write $GITHUB_STEP_SUMMARY ({job}): {error.strerror}") from None


def event() -> Object:
    """What the job runs for ($GITHUB_EVENT_PATH)."""
    path = Path(variable("GITHUB_EVENT_PATH"))
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CanaryError(f"cannot read $GITHUB_EVENT_PATH ({path}): {error}") from None
    return found if isinstance(found, dict) else {}


def variable(name: str) -> str:
    """A variable of a job's environment. Raises CanaryError where it is not set."""
    value = os.environ.get(name)
    if not value:
        raise CanaryError(f"${name} is not set: this command is for a job of GitHub Actions")
    return value
