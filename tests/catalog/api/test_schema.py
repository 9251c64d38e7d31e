"""The committed OpenAPI schema is the one that the code makes, and says nothing that is not so."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from django.conf import settings
from django.core.management import call_command
from django.test import Client

from catalog import errors
from catalog.search.query import PARAMETERS
from registry.errors import KuraError

COMMITTED = Path(settings.BASE_DIR) / "docs" / "openapi.yaml"


def test_the_committed_schema_is_current_and_valid(tmp_path: Path) -> None:
    made = tmp_path / "openapi.yaml"
    call_command("spectacular", "--validate", "--fail-on-warn", "--file", str(made))
    assert made.read_text() == COMMITTED.read_text(), (
        "run: manage.py spectacular --validate --fail-on-warn --file docs/openapi.yaml"
    )


def test_every_call_may_answer_with_a_problem() -> None:
    schema = yaml.safe_load(COMMITTED.read_text())
    for path, methods in schema["paths"].items():
        for method, operation in methods.items():
            assert "default" in operation["responses"], (path, method)


@pytest.mark.database
@pytest.mark.django_db
def test_schema_and_docs_are_served_without_a_foreign_server(client: Client) -> None:
    schema = client.get("/api/v1/schema/")
    assert schema.status_code == 200
    assert yaml.safe_load(schema.content)["info"]["title"] == "Kura"
    page = client.get("/api/v1/docs/")
    assert page.status_code == 200
    text = page.content.decode()
    assert "/static/drf_spectacular_sidecar/" in text
    assert "http://" not in text.replace("http://testserver", "")
    assert "https://" not in text


def test_every_error_of_the_catalog_that_a_caller_can_meet_is_documented() -> None:
    text = (Path(settings.BASE_DIR) / "docs" / "api.md").read_text()
    only_commands = {"no_such_user", "bad_token"}
    codes = {
        kind.code for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, KuraError)
    } - {KuraError.code, *only_commands}
    assert {code for code in codes if f"`{code}`" not in text} == set()


def test_the_documented_parameters_are_the_ones_a_search_takes() -> None:
    text = (Path(settings.BASE_DIR) / "docs" / "api.md").read_text()
    assert {name for name in PARAMETERS if f"`{name}`" not in text} == set()
