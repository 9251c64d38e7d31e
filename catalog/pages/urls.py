"""Addresses of the pages. Whatever people see has its own address, so that it can be linked to."""

from __future__ import annotations

from django.contrib.auth import views as auth
from django.urls import path

from catalog.pages import preferences
from catalog.pages.views.account import SignIn
from catalog.pages.views.adapter import adapter, compare
from catalog.pages.views.add import add
from catalog.pages.views.browse import browse
from catalog.pages.views.edit import edit
from catalog.pages.views.evidence import evidence
from catalog.pages.views.home import home
from catalog.pages.views.jobs import job, jobs, jobs_tray, retry_failed
from catalog.pages.views.licenses import compare_licenses, license_page, licenses
from catalog.pages.views.plan import plan, plan_bom, plan_notice
from catalog.pages.views.recalls import recalls
from catalog.pages.views.render import render
from catalog.pages.views.review import review
from catalog.pages.views.sheet import sheet
from catalog.pages.views.subscriptions import subscription, subscriptions, updates
from catalog.pages.views.terms import answer, ask, item, paste, picture, question, second_read
from catalog.pages.views.verdict import verdict

app_name = "pages"

urlpatterns = [
    path("", home, name="home"),
    path("browse/", browse, name="browse"),
    path("adapters/<int:pk>/", adapter, name="adapter"),
    path("adapters/<int:pk>/compare/", compare, name="compare"),
    path("adapters/<int:pk>/edit/", edit, name="edit"),
    path("sheets/<int:pk>/", sheet, name="sheet"),
    path("versions/<int:pk>/render/", render, name="render"),
    path("review/", review, name="review"),
    path("review/<int:pk>/", review, name="review-version"),
    path("review/<int:pk>/items/<str:key>/", item, name="review-item"),
    path("review/<int:pk>/paste/", paste, name="review-paste"),
    path("review/<int:pk>/ask/", ask, name="review-ask"),
    path("review/questions/<int:pk>/", question, name="review-question"),
    path("review/questions/<int:pk>/answer/", answer, name="review-answer"),
    path("review/answers/<int:pk>/second/", second_read, name="review-second"),
    path("review/answers/<int:pk>/<str:which>.picture", picture, name="review-picture"),
    path("licenses/", licenses, name="licenses"),
    path("licenses/compare/", compare_licenses, name="license-compare"),
    path("licenses/<str:license_id>/", license_page, name="license"),
    path("verdict/", verdict, name="verdict"),
    path("evidence/<int:pk>/", evidence, name="evidence"),
    path("plan/", plan, name="plan"),
    path("plan/notice/", plan_notice, name="plan-notice"),
    path("plan/bom/", plan_bom, name="plan-bom"),
    path("add/", add, name="add"),
    path("jobs/", jobs, name="jobs"),
    path("jobs/tray/", jobs_tray, name="jobs-tray"),
    path("jobs/retry-failed/", retry_failed, name="jobs-retry"),
    path("jobs/<int:pk>/", job, name="job"),
    path("subscriptions/", subscriptions, name="subscriptions"),
    path("subscriptions/<int:pk>/", subscription, name="subscription"),
    path("updates/", updates, name="updates"),
    path("recalls/", recalls, name="recalls"),
    path("preferences/", preferences.save, name="preferences"),
    path("accounts/login/", SignIn.as_view(), name="login"),
    path("accounts/logout/", auth.LogoutView.as_view(), name="logout"),
]
