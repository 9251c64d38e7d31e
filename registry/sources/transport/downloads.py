"""Fetch a file: resumable, hashed while it comes, checked before it gets its name."""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Callable
from pathlib import Path

from registry.sources.transport.budgets import FILES
from registry.sources.transport.exchange import Ask, Patience, Received, exchange
from registry.sources.transport.partial import Known, Partial
from registry.sources.transport.policy import (
    Credentials,
    Policy,
    current_policy,
    host_and_path,
    without_tokens,
)
from registry.sources.upstream_errors import (
    AnswerTooLarge,
    DownloadStopped,
    HashMismatch,
    HtmlInsteadOfFile,
    SizeMismatch,
    UnexpectedAnswer,
    UpstreamError,
    UpstreamUnavailable,
)
from registry.weights.digests import BLOCK, Digests, digest_file
from registry.weights.errors import Unreadable

Progress = Callable[[int, int | None], None]
ShouldStop = Callable[[], bool]

# How often progress is told and a stop is looked for, in seconds.
TELL_EVERY = 0.2
# No file has more digits of bytes; what claims so is not believed.
_RANGE = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18}|\*)")
_LENGTH = re.compile(r"\d{1,18}")
_HTML = frozenset({"text/html", "application/xhtml+xml"})
_PAGES = (b"<!doctype", b"<html", b"<head", b"<?xml")
# What these are called says that their first bytes may look like a page's.
_TEXTS = frozenset({".html", ".htm", ".xml", ".svg", ".md", ".txt"})


def download(
    url: str,
    to: Path,
    *,
    size: int | None = None,
    sha256: str = "",
    credentials: Credentials | None = None,
    progress: Progress | None = None,
    should_stop: ShouldStop | None = None,
) -> Digests:
    """Fetch the file behind `url` to the path `to` and return its digests.

    What an earlier call fetched of it, even one that was killed, is not fetched again: it lies in `NAME.part`
    beside `to`, is hashed anew, and the rest is asked for by Range with If-Range. `size` in bytes and
    `sha256` (hex, any case) are what the upstream's record says, where it says so. A file already at `to`
    with that SHA256 is taken as it is. `progress(done, total)` in bytes; `should_stop()` is asked several
    times a second.

    Raises UpstreamError: HashMismatch, SizeMismatch and HtmlInsteadOfFile leave nothing behind,
    DownloadStopped, NotEnoughDisk and all temporary ones leave the part to go on with.
    """
    wanted = sha256.strip().lower()
    if wanted and to.is_file() and (found := _already(to, wanted)):
        return found
    return _Download(url, to, size, wanted, credentials, progress, should_stop).run()


def _already(to: Path, wanted: str) -> Digests | None:
    try:
        found = digest_file(to)
    except Unreadable:
        return None
    return found if found.sha256.lower() == wanted else None


class _Download:
    def __init__(
        self,
        url: str,
        to: Path,
        size: int | None,
        sha256: str,
        credentials: Credentials | None,
        progress: Progress | None,
        should_stop: ShouldStop | None,
    ) -> None:
        self._url, self._to, self._size, self._sha256 = url, to, size, sha256
        self._credentials, self._progress, self._should_stop = credentials, progress, should_stop
        self._policy: Policy = current_policy()
        self._address = hashlib.sha256(without_tokens(url).encode()).hexdigest()
        self._place = host_and_path(url)
        self._told = 0.0

    def run(self) -> Digests:
        patience = Patience(self._policy, self._pause)
        if self._size is not None and self._size > self._policy.file_cap:
            raise AnswerTooLarge(f"{self._place} has {self._size} bytes.")
        with Partial(self._to) as part:
            resumed = part.may_go_on(self._address, self._sha256)
            if not resumed:
                part.begin(Known())
            if self._size is not None:
                part.need(self._size)
            mismatched = False
            while True:
                before = part.size
                try:
                    self._fetch_rest(part)
                    break
                except UpstreamError as error:
                    # A part of another file than thought: its bytes are of no use.
                    if isinstance(error, HtmlInsteadOfFile | SizeMismatch | AnswerTooLarge):
                        part.begin(Known())
                    if isinstance(error, SizeMismatch) and not mismatched:
                        # One wrong length may be a proxy's mistake; two are another file.
                        mismatched = True
                        continue
                    if part.size > before:
                        patience.begin_anew()
                    patience.after(error)
                    resumed = True
            return self._finish(part, resumed=resumed)

    def _finish(self, part: Partial, *, resumed: bool) -> Digests:
        if self._size is not None and part.size != self._size:
            got = part.size
            part.begin(Known())
            raise SizeMismatch(f"{self._place} gave {got} bytes, its record says {self._size}.")
        digests = part.digests()
        if self._sha256 and digests.sha256.lower() != self._sha256:
            part.begin(Known())
            if resumed:
                # Put together from several answers: one clean try decides whether the file is another one.
                self._fetch_rest(part)
                return self._finish(part, resumed=False)
            raise HashMismatch(
                f"{self._place} gave SHA256 {digests.sha256.lower()}, its record says {self._sha256}."
            )
        part.finish()
        self._tell(part.size, part.size, now=True)
        return digests

    def _fetch_rest(self, part: Partial) -> None:
        """One request for what is missing. Returns when the file's end has come."""
        self._check_stop()
        known = part.known
        if part.size and known.total and part.size >= known.total:
            return
        headers = {"Accept": "*/*", "Accept-Encoding": "identity"}
        if part.size:
            part.read_back()
            validator = (known.etag or known.modified) if known.address == self._address else ""
            if validator or self._sha256:
                headers["Range"] = f"bytes={part.size}-"
                if validator:
                    headers["If-Range"] = validator
        ask = Ask("GET", self._url, FILES, headers, None, self._credentials)
        with exchange(ask, self._policy, self._pause) as received:
            if received.status == 416:
                self._past_the_end(received, part)
                return
            total = self._accept(received, part)
            self._receive(received, part, total)

    def _accept(self, received: Received, part: Partial) -> int | None:
        """Check what is about to come and make the part ready for it; the size of the whole file."""
        response = received.response
        if received.status not in {200, 206}:
            raise UnexpectedAnswer(f"{self._place} answers without a file.", status=received.status)
        if received.media_type in _HTML and self._to.suffix not in _TEXTS:
            raise HtmlInsteadOfFile(f"{self._place} answers with a web page.", status=received.status)
        if response.headers.get("Content-Encoding", "identity").strip().lower() not in {"", "identity"}:
            raise UnexpectedAnswer(f"{self._place} is sent packed, which a file must not be.")
        told = _RANGE.fullmatch(response.headers.get("Content-Range", "").strip())
        etag = response.headers.get("ETag", "")
        etag = "" if etag.startswith("W/") else etag
        if received.status == 206:
            if not told or int(told[1]) != part.size:
                part.begin(Known())
                raise UnexpectedAnswer(f"{self._place} sends another range than was asked for.")
            total = int(told[3]) if told[3] != "*" else None
            if total is None and self._size is None and not self._sha256:
                part.begin(Known())
                raise UnexpectedAnswer(f"{self._place} sends a part of a file and not how long it is.")
            known = part.known
            changed = known.total and total and total != known.total
            if changed or (known.etag and etag and known.address == self._address and etag != known.etag):
                part.begin(Known())
                raise UnexpectedAnswer(f"{self._place} has become another file meanwhile.")
        else:
            length = response.headers.get("Content-Length", "")
            total = int(length) if _LENGTH.fullmatch(length) else None
        if total is not None and self._size is not None and total != self._size:
            # A page or a message is told as such, not as a file of another size.
            self._check_start(next(received.blocks(BLOCK, decode=False), b""), received)
            raise SizeMismatch(f"{self._place} has {total} bytes, its record says {self._size}.")
        if (total or 0) > self._policy.file_cap:
            raise AnswerTooLarge(f"{self._place} has {total} bytes.")
        modified = response.headers.get("Last-Modified", "")
        whole = Known(self._address, etag, modified, total or 0, self._sha256)
        if received.status == 206:
            part.note(whole)
        else:
            part.begin(whole)
        part.need(total or 0)
        return total

    def _receive(self, received: Received, part: Partial, total: int | None) -> None:
        pieces: list[bytes] = []
        waiting = 0
        watch = _Speed(self._policy, self._place)
        try:
            for piece in received.blocks(BLOCK, decode=False):
                pieces.append(piece)
                waiting += len(piece)
                if waiting >= BLOCK:
                    self._append(part, pieces, received, total)
                    waiting = 0
                now = time.monotonic()
                if now - self._told >= TELL_EVERY:
                    self._tell(part.size + waiting, total)
                    received.slot.keep()
                    self._check_stop()
                watch.came(len(piece), now)
        finally:
            # Whatever ends it: what came is kept.
            self._append(part, pieces, received, total)
        if total is not None and part.size < total:
            raise UpstreamUnavailable(f"{self._place} ended in the middle.")

    def _append(self, part: Partial, pieces: list[bytes], received: Received, total: int | None) -> None:
        if not pieces:
            return
        block = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        pieces.clear()
        if part.size == 0:
            self._check_start(block, received)
        told = total if self._size is None else self._size
        most = self._policy.file_cap if told is None else told
        if part.size + len(block) > most:
            kind = AnswerTooLarge if told is None else SizeMismatch
            raise kind(f"{self._place} sends more than {most} bytes.")
        part.append(block)

    def _check_start(self, block: bytes, received: Received) -> None:
        """Raise HtmlInsteadOfFile or UnexpectedAnswer where the first bytes are a page's or a message's."""
        start = block[:512].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
        if self._to.suffix not in _TEXTS and start.startswith(_PAGES):
            raise HtmlInsteadOfFile(f"{self._place} answers with a web page.", status=received.status)
        is_json = received.media_type == "application/json" and start.startswith(b"{")
        if is_json and self._to.suffix != ".json":
            raise UnexpectedAnswer(f"{self._place} answers with a message instead of a file.")

    def _past_the_end(self, received: Received, part: Partial) -> None:
        """416: there is nothing after what is there; the file is whole, or was another one."""
        told = re.fullmatch(
            r"bytes \*/(\d{1,18})", received.response.headers.get("Content-Range", "").strip()
        )
        sure = self._sha256 or self._size == part.size or part.known.etag
        if told and int(told[1]) == part.size and sure:
            part.note(Known(self._address, part.known.etag, part.known.modified, part.size, self._sha256))
            return
        part.begin(Known())
        raise UnexpectedAnswer(f"{self._place} is shorter than what was fetched of it before.")

    def _tell(self, done: int, total: int | None, *, now: bool = False) -> None:
        self._told = time.monotonic()
        if self._progress:
            self._progress(done, self._size if total is None else total)

    def _check_stop(self) -> None:
        if self._should_stop and self._should_stop():
            raise DownloadStopped(f"{self._place} was stopped.")

    def _pause(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self._check_stop()
            time.sleep(min(left, TELL_EVERY))


class _Speed:
    """Watches that a file comes fast enough over each span of UPSTREAM_READ_SECONDS."""

    def __init__(self, policy: Policy, place: str) -> None:
        self._policy, self._place = policy, place
        self._since, self._bytes = time.monotonic(), 0

    def came(self, count: int, now: float) -> None:
        """Raise UpstreamUnavailable where it does not."""
        self._bytes += count
        span = now - self._since
        if span < self._policy.read_seconds:
            return
        if self._bytes < self._policy.least_speed * span:
            raise UpstreamUnavailable(f"{self._place} is too slow: {self._bytes} bytes in {span:.0f} s.")
        self._since, self._bytes = now, 0
