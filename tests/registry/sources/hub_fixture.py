"""A Hub on loopback as the only upstream of a test's settings."""

from __future__ import annotations

from collections.abc import Iterator

import huggingface_hub.constants
import pytest
from huggingface_hub import close_session
from pytest_django import Settings

from tests.upstreams.asking import ask_only
from tests.upstreams.hub import HubServer

CARD = b"""---
license: other
license_name: ink-license
license_link: LICENSE.md
base_model: stabilityai/stable-diffusion-xl-base-1.0
tags: [lora, text-to-image, ink wash]
instance_prompt: inkwash, brush
widget:
- text: inkwash, a heron
  output:
    url: images/heron (1).png
  parameters:
    negative_prompt: photo
---
# Ink wash

Please do not sell the pictures.
"""


@pytest.fixture
def hub(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    """The server; settings ask it, without waiting long and without remembering refusals."""
    with HubServer() as server:
        settings.HF_ENDPOINT = server.url
        ask_only(settings, server.host)
        # The tests as a whole forbid the client to ask anybody.
        monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
        yield server
        close_session()
