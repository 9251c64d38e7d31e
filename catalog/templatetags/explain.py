"""Tags of the pages that explain: conditions in sentences, sources and evidence as links, addresses."""

from __future__ import annotations

import re
from urllib.parse import quote, urlencode

from django import template
from django.template import Context
from django.urls import reverse
from django.utils.html import conditional_escape, format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext

from catalog.pages import condition_words
from catalog.pages.forms import FACTS_PREFIX

register = template.Library()

# How the license table and claims cite: an address, a file of a GitHub repository at a commit, a snapshot.
_ADDRESS = re.compile(r"https?://[^\s<>\"]+")
_REPOSITORY = re.compile(r"([\w.-]+/[\w.-]+?)(?:@([0-9a-f]{7,40}))?:([^\s:]+)(.*)", re.DOTALL)
_SNAPSHOT = re.compile(r"snapshot (\d{1,18}): (.*?) sha256:([0-9a-f]{64})")


@register.filter
def condition_sentence(condition: object) -> str:
    """What a condition asks, with its number."""
    return condition_words.condition_sentence(str(condition))


@register.filter
def in_words(text: str) -> str:
    """Translates a text that a pure package marked for translation; "" stays "", unlike with gettext."""
    return gettext(text) if text else ""


@register.filter
def source_link(text: str | None) -> SafeString:
    """Where a license was read, as a link where the text is an address or a file of a repository."""
    shown = str(text or "")
    if found := _REPOSITORY.fullmatch(shown):
        repository, commit, path, rest = found.groups()
        link = _out(_file_address(repository, commit, path), f"{repository}: {path}")
        return format_html("{}{}", link, rest)
    parts, end = [], 0
    for address_found in _ADDRESS.finditer(shown):
        parts += [conditional_escape(shown[end : address_found.start()]), _out(address_found[0])]
        end = address_found.end()
    return format_html_join("", "{}", ((part,) for part in [*parts, shown[end:]]))


@register.filter
def clause_link(clause: str, source: str) -> SafeString:
    """A clause that leads to the text it stands in, where that has an address."""
    if found := _REPOSITORY.fullmatch(source):
        address = _file_address(*found.groups()[:3])
    else:
        at = _ADDRESS.search(source)
        address = at[0].rstrip(".,;)") if at else ""
    if not address:
        return conditional_escape(clause)
    return format_html('<a href="{}" rel="noreferrer" title="{}">{}</a>', address, source, clause)


@register.filter
def cited(text: str | None) -> SafeString:
    """A citation in which each snapshot is a link to the page with its stored bytes."""
    shown = str(text or "")
    parts, end = [], 0
    for found in _SNAPSHOT.finditer(shown):
        pk, url, digest = found.groups()
        link = format_html(
            '<a href="{}">{}</a> <code title="{}">sha256 {}…</code>',
            reverse("pages:evidence", args=[pk]), url, digest, digest[:12],
        )  # fmt: skip
        parts += [conditional_escape(shown[end : found.start()]), link]
        end = found.end()
    return format_html_join("", "{}", ((part,) for part in [*parts, shown[end:]]))


@register.simple_tag(takes_context=True)
def verdict_address(context: Context, version: int, act: str) -> str:
    """Address of the page that explains the verdict, with the facts of the page one stands on."""
    request = context.get("request")
    given = request.GET if request is not None else {}
    facts = {
        name: value
        for name, value in given.items()
        if value and (name == "facts" or name.startswith(f"{FACTS_PREFIX}-"))
    }
    return f"{reverse('pages:verdict')}?{urlencode({'version': version, 'act': act, **facts})}"


def _file_address(repository: str, commit: str | None, path: str) -> str:
    return f"https://github.com/{repository}/blob/{commit or 'HEAD'}/{quote(path)}"


def _out(address: str, text: str = "") -> SafeString:
    clean = address.rstrip(".,;)")
    rest = address[len(clean) :]
    shown = text or clean
    short = shown if len(shown) <= 72 else f"{shown[:34]}…{shown[-34:]}"
    return format_html('<a href="{}" rel="noreferrer" title="{}">{}</a>{}', clean, clean, short, rest)
