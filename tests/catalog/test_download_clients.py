"""Downloads by real programs: curl resumes from gunicorn, and nginx sends the bytes that the site lets go."""

from __future__ import annotations

import random
import subprocess
import time
from pathlib import Path

import pytest
from django.conf import settings

from catalog import access
from catalog.downloads import BLOCK, entity_tag
from catalog.models import Download
from registry.models import Vetting
from registry.storage import store_bytes
from tests.catalog import build
from tests.catalog.servers import get, gunicorn, nginx
from tests.conftest import need_program

pytestmark = [pytest.mark.database, pytest.mark.slow]


def test_curl_goes_on_where_it_was_cut_off(transactional_db: None, short_folder: Path) -> None:
    curl = need_program("curl")
    data = random.Random(1).randbytes(6 * BLOCK + 123)
    blob = store_bytes(data)
    build.version("Ink", blob=blob, vetting=Vetting.APPROVED, terms=build.APACHE)
    _row, token = access.create(build.user(), "laptop")
    target = short_folder / "ink.safetensors"
    config = short_folder / "curlrc"
    config.write_text(f'header = "Authorization: Bearer {token}"\n')

    with gunicorn(short_folder) as server:

        def command(*options: str) -> list[str]:
            return [
                str(curl), "--silent", "--show-error", "--unix-socket", str(server), "--config", str(config),
                "--write-out", "%{http_code}", "--output", str(target), *options,
                f"http://localhost/api/v1/files/{blob.sha256}/content",
            ]  # fmt: skip

        def fetch(*options: str) -> subprocess.CompletedProcess[str]:
            return subprocess.run(command(*options), capture_output=True, text=True, check=False)

        with subprocess.Popen(command("--limit-rate", "500K"), stdout=subprocess.DEVNULL) as cut:
            until = time.monotonic() + 60
            while time.monotonic() < until and not (target.exists() and target.stat().st_size):
                time.sleep(0.05)
            cut.kill()
        assert 0 < target.stat().st_size < len(data)
        resumed = fetch("--continue-at", "-")
        assert (resumed.returncode, resumed.stdout) == (0, "206"), resumed.stderr
        assert target.read_bytes() == data
        assert Download.objects.count() == 1

        fresh = fetch("--fail-with-body", "--range", f"{len(data)}-")
        assert fresh.stdout == "416"
        config.write_text("")
        assert fetch().stdout == "401"
        assert "token_missing" in target.read_text()


def test_nginx_sends_the_bytes_and_the_site_decides_who_gets_them(
    transactional_db: None, short_folder: Path
) -> None:
    data = random.Random(3).randbytes(5000)
    blob = store_bytes(data)
    build.version(
        "水彩", blob=blob, vetting=Vetting.APPROVED, terms=build.APACHE, file_name="水彩.safetensors"
    )
    waiting = store_bytes(data[::-1])
    build.version("Waiting", blob=waiting)
    _row, token = access.create(build.user(), "laptop")
    bearer = {"Authorization": f"Bearer {token}"}
    address = f"/api/v1/files/{blob.sha256}/content"
    blobs = settings.STORAGES["blobs"]["OPTIONS"]["location"]
    with gunicorn(short_folder, DOWNLOAD_BACKEND="xaccel") as site:
        locations = (
            f"location /protected-blobs/ {{ internal; alias {blobs}/;"
            " add_header Repr-Digest $upstream_http_repr_digest;"
            " add_header X-Linked-ETag $upstream_http_x_linked_etag;"
            " add_header X-Content-Type-Options nosniff; }"
            f"location / {{ proxy_pass http://unix:{site}; proxy_set_header Host localhost; }}"
        )
        with nginx(short_folder, locations) as proxy:
            whole, body = get(proxy, address, bearer)
            assert (whole.status, body) == (200, data)
            assert whole.getheader("Content-Disposition", "").endswith(
                "filename*=utf-8''%E6%B0%B4%E5%BD%A9.safetensors"
            )
            assert whole.getheader("X-Linked-ETag") == entity_tag(blob.sha256)
            assert whole.getheader("Repr-Digest", "").startswith("sha-256=:")
            part, body = get(proxy, address, bearer | {"Range": "bytes=4000-"})
            assert (part.status, body) == (206, data[4000:])
            assert get(proxy, address, {})[0].status == 401
            assert get(proxy, f"/api/v1/files/{waiting.sha256}/content", bearer)[0].status == 403
            inside = f"/protected-blobs/{blob.sha256[:2]}/{blob.sha256[2:4]}/{blob.sha256}"
            assert get(proxy, inside, bearer)[0].status == 404
    assert Download.objects.count() == 1
