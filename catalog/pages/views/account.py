"""Sign in: who reviews or needs a token; readers need no account."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.views import LoginView
from django.http import HttpRequest, HttpResponseBase

from catalog.pages.gate import with_policy


class SignInForm(AuthenticationForm):
    """Django's form with the fields' looks."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            field.widget.attrs["class"] = "input"
            if self.errors:
                field.widget.attrs["aria-invalid"] = "true"


class SignIn(LoginView):
    """Sign in and go back to where one came from."""

    template_name = "pages/login.html"
    authentication_form = SignInForm
    redirect_authenticated_user = True

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:  # type: ignore[override]
        return with_policy(super().dispatch(request, *args, **kwargs))
