"""The web page that comes with argilla-server, made safe for hostile records: two mends, each enough by itself.

1. A custom field writes the record as JSON into a script of its own page: `</script>` in any text ends that script and
   begins whatever the text wants, with the annotator's rights, and `$&` in a text is taken for a pattern. The JSON gets
   escapes for the characters that do it.
2. A policy (CSP) lets scripts run only from the page's own files, and of inline ones only those that the page itself
   was built with, known by their hashes. What a text smuggles in does not run, wherever the page should let it through.
   Nothing is fetched from anywhere else: no fonts, no images, no measuring.
"""

import base64
import hashlib
import re
from collections.abc import Awaitable, Callable, MutableMapping
from pathlib import Path
from typing import Any

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Message, Receive, Send], Awaitable[None]]

CUSTOM_FIELDS = 8
"""Files of the page that hold the custom field's code."""

_JSON = re.compile(r"JSON\.stringify\(this\.sdkRecord\)")
_ESCAPED = (
    r"JSON.stringify(this.sdkRecord).replace(/[<$#\u2028\u2029]/g,"
    r"""(function(c){return"\\u"+("000"+c.charCodeAt(0).toString(16)).slice(-4)}))"""
)
_SANDBOX = re.compile(r"""return"".concat\('((?:[^'\\]|\\.)*)'\)\.concat\(this\.content\)""")
_FOREIGN = re.compile(r"@import url\(https?://[^)]*\);")
"""Style sheets of fonts: the policy would stop them, with two complaints a page in the browser's console."""

_INLINE = re.compile(r"<script(?![^>]*\ssrc=)[^>]*>(.*?)</script>", re.DOTALL)


class Changed(Exception):
    """The page is not the one that was read."""


def mend(statics: Path) -> str:
    """Mends the page's files in place, and gives the policy that fits them. Raises Changed where they are others."""
    mended = 0
    inline = set()
    for file in sorted(statics.rglob("*")):
        if file.suffix == ".css":
            style = file.read_text("utf-8")
            if _FOREIGN.search(style):
                file.write_text(_FOREIGN.sub("", style), "utf-8")
        elif file.suffix == ".html":
            inline.update(_INLINE.findall(file.read_text("utf-8")))
        elif file.suffix == ".js":
            code = file.read_text("utf-8")
            inline.update(script for shell in _SANDBOX.findall(code) for script in _INLINE.findall(_unescaped(shell)))
            code, count = _JSON.subn(lambda _: _ESCAPED, code)
            if count:
                file.write_text(code, "utf-8")
                mended += count
    if mended != CUSTOM_FIELDS:
        raise Changed(f"the page has {mended} custom fields, not {CUSTOM_FIELDS}")
    hashes = " ".join(sorted(f"'sha256-{_digest(script)}'" for script in inline))
    return "; ".join(
        (
            "default-src 'self'",
            f"script-src 'self' {hashes}",
            "style-src 'self' 'unsafe-inline'",
            "img-src 'self' data: blob:",
            "font-src 'self' data:",
            "object-src 'none'",
            "base-uri 'self'",
            "form-action 'self'",
            "frame-ancestors 'self'",
        )
    )


def with_headers(app: Application, policy: str) -> Application:
    """The application, with headers of safety on each of its replies."""
    headers = [
        (b"content-security-policy", policy.encode()),
        (b"x-content-type-options", b"nosniff"),
        (b"x-frame-options", b"SAMEORIGIN"),
        (b"referrer-policy", b"same-origin"),
        (b"cross-origin-opener-policy", b"same-origin"),
        (b"permissions-policy", b"camera=(), geolocation=(), microphone=()"),
    ]

    async def answer(scope: Message, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *headers]
            await send(message)

        await app(scope, receive, send_with_headers if scope["type"] == "http" else send)

    return answer


def _digest(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def _unescaped(literal: str) -> str:
    """What a string literal of JavaScript stands for."""
    return re.sub(r"\\(.)", lambda match: {"n": "\n", "t": "\t"}.get(match[1], match[1]), literal, flags=re.DOTALL)
