"""A fake of GitHub on loopback: one repository's comments, issues and merges, in memory.

It does what the canary's commands ask for, as https://docs.github.com/rest says: pages with links,
a token, the limit of a body. Who asks is a job's own user, `github-actions[bot]`.
"""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

REPOSITORY = "octo/canary"
TOKEN = "fake-token"
LONGEST_BODY = 65_536
BOT = {"login": "github-actions[bot]", "type": "Bot"}
MERGED = "2026-11-26T12:00:00Z"
PERSON = {"login": "mallory", "type": "User"}

Object = dict[str, Any]


@dataclass
class FakeGitHub:
    """The repository's content, and what a test makes of it."""

    url: str = ""
    issues: list[Object] = field(default_factory=list)
    comments: list[Object] = field(default_factory=list)
    pulls: dict[str, int] = field(default_factory=dict)
    """The number of the pull request by the commit that merged it."""
    failures: list[int] = field(default_factory=list)
    """Statuses that the next requests are answered with, instead of being carried out."""
    requests: list[str] = field(default_factory=list)
    """`METHOD /path?query` of what was asked for."""

    def environment(self, **more: str) -> dict[str, str]:
        """What a job's steps are given of GitHub."""
        return {
            "GITHUB_API_URL": self.url,
            "GITHUB_SERVER_URL": "https://github.example",
            "GITHUB_REPOSITORY": REPOSITORY,
            "GITHUB_RUN_ID": "42",
            "GITHUB_TOKEN": TOKEN,
            **more,
        }

    def comment(self, issue: int, body: str, user: Object = BOT) -> Object:
        """Add a comment."""
        made = {"id": 1000 + len(self.comments), "issue": issue, "user": user, "body": body}
        made["html_url"] = f"https://github.example/c/{made['id']}"
        self.comments.append(made)
        return made

    def issue(self, title: str, body: str, user: Object = BOT, **more: Any) -> Object:
        """Open an issue."""
        made = {"number": 1 + len(self.issues), "title": title, "body": body, "user": user, **more}
        made |= {"state": "open", "html_url": f"https://github.example/i/{made['number']}"}
        self.issues.append(made)
        return made

    def merged(self, commit: str) -> int:
        """Merge a pull request; its number."""
        return self.pulls.setdefault(commit, 100 + len(self.pulls))

    def answer(self, method: str, path: str, query: dict[str, str], given: Object) -> Any:
        """The status and the object, or a page of objects, of one request."""
        if len(given.get("body") or "") > LONGEST_BODY:
            return 422, {"message": "Validation Failed: body is too long"}
        found: Any = None
        match method, path.strip("/").split("/"):
            case "GET", ["issues", number, "comments"]:
                found = [c for c in self.comments if c["issue"] == int(number)]
            case "POST", ["issues", number, "comments"]:
                found = self.comment(int(number), given["body"])
            case "PATCH", ["issues", "comments", number]:
                found = _changed(self.comments, "id", int(number), given)
            case "GET", ["issues"]:
                found = [i for i in self.issues if i["state"] == query.get("state", "open")]
            case "POST", ["issues"]:
                found = self.issue(given["title"], given["body"])
            case "GET", ["commits", commit, "pulls"]:
                known = [self.pulls[commit]] if commit in self.pulls else []
                found = [{"number": number, "merged_at": MERGED} for number in known]
            case "PATCH", ["issues", number]:
                found = _changed(self.issues, "number", int(number), given)
        if found is None:
            return 404, {"message": "Not Found"}
        return 201 if method == "POST" else 200, found


def _changed(objects: list[Object], key: str, value: int, given: Object) -> Object | None:
    for found in objects:
        if found[key] == value:
            found.update(given)
            return found
    return None


@contextmanager
def fake_github() -> Iterator[FakeGitHub]:
    """Serve an empty repository."""
    github = FakeGitHub()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._serve()

        def do_POST(self) -> None:
            self._serve()

        def do_PATCH(self) -> None:
            self._serve()

        def _serve(self) -> None:
            github.requests.append(f"{self.command} {self.path}")
            given = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            url = urlsplit(self.path)
            query = {key: values[0] for key, values in parse_qs(url.query).items()}
            prefix = f"/repos/{REPOSITORY}"
            if github.failures:
                self._send(github.failures.pop(0), {"message": "fake failure"})
            elif self.headers.get("Authorization") != f"Bearer {TOKEN}":
                self._send(401, {"message": "Bad credentials"})
            elif not url.path.startswith(prefix):
                self._send(404, {"message": "Not Found"})
            else:
                path = url.path.removeprefix(prefix)
                status, found = github.answer(self.command, path, query, json.loads(given or "{}"))
                self._send(status, *_page(found, query, f"{github.url}{url.path}"))

        def _send(self, status: int, found: Any, link: str = "") -> None:
            content = json.dumps(found).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json; charset=utf-8")
            self.send_header("Content-Length", str(len(content)))
            if link:
                self.send_header("Link", link)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    github.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield github
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _page(found: Any, query: dict[str, str], url: str) -> tuple[Any, str]:
    """A list's page, and the link to the next."""
    if not isinstance(found, list):
        return found, ""
    number, size = int(query.get("page", "1")), min(int(query.get("per_page", "30")), 100)
    rest = found[number * size :]
    asked = "&".join(f"{key}={value}" for key, value in query.items() if key != "page")
    link = f'<{url}?{asked}&page={number + 1}>; rel="next"' if rest else ""
    return found[(number - 1) * size : number * size], link
