"""Civitai's flags: every shape they were sent in, and what they say about an act."""

from __future__ import annotations

import pytest

from registry.licensing.civitai import CivitaiFlags, flag_cell, parse_flags
from registry.licensing.errors import BadCivitaiFlags, ContradictoryTerms

ALL = {"Image", "RentCivit", "Rent", "Sell"}


def flags(
    uses: object, credit: object = True, derivatives: object = True, different: object = True
) -> CivitaiFlags:
    return parse_flags(
        {
            "allowNoCredit": credit,
            "allowCommercialUse": uses,
            "allowDerivatives": derivatives,
            "allowDifferentLicense": different,
        }
    )


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        # Today: a list. An empty one and None mean the same.
        (["Image", "RentCivit"], {"Image", "RentCivit"}),
        (["Sell", "Rent", "RentCivit"], {"Sell", "Rent", "RentCivit"}),
        ([], set()),
        (["None"], set()),
        # The REST documentation shows a Postgres literal.
        ("{Image,RentCivit}", {"Image", "RentCivit"}),
        ('{"Image","Sell"}', {"Image", "Sell"}),
        ("{Sell}", {"Sell"}),
        ("{}", set()),
        ("Image, Sell", {"Image", "Sell"}),
        # Until February 2024: one rung of a ladder, each containing the lower ones.
        ("None", set()),
        ("Image", {"Image"}),
        ("RentCivit", {"Image", "RentCivit"}),
        ("Rent", {"Image", "RentCivit", "Rent"}),
        ("Sell", ALL),
        # Before 2023: one boolean.
        (True, ALL),
        (False, set()),
    ],
)
def test_every_wire_shape_of_commercial_use_is_read(sent: object, read: set[str]) -> None:
    assert flags(sent).commercial_use == frozenset(read)


def test_null_and_absence_state_nothing() -> None:
    assert parse_flags({"allowCommercialUse": None}).commercial_use is None
    assert parse_flags({}).stated is False
    assert parse_flags({"allowDerivatives": False}).stated is True


def test_a_value_newer_than_the_reader_grants_nothing_and_is_kept() -> None:
    read = flags(["Image", "Holograms"])
    assert read.commercial_use == frozenset({"Image"})
    assert read.unrecognized == ("Holograms",)


@pytest.mark.parametrize("sent", ["Everything", 7, {"Image": True}, [1]])
def test_a_shape_civitai_never_sent_is_an_error(sent: object) -> None:
    with pytest.raises(BadCivitaiFlags):
        flags(sent)


def test_a_flag_that_is_no_boolean_is_an_error() -> None:
    with pytest.raises(BadCivitaiFlags, match="allowDerivatives"):
        parse_flags({"allowDerivatives": "yes"})


def test_none_beside_a_granted_use_is_a_contradiction() -> None:
    with pytest.raises(ContradictoryTerms, match="None and Image"):
        flags(["None", "Image"])


def test_the_preset_of_the_upload_form_is_recognized() -> None:
    assert flags(sorted(ALL)).are_default
    assert not flags(["Image"]).are_default


def test_flags_print_as_civitai_prints_them_today() -> None:
    assert flags("Rent", credit=False).as_dict() == {
        "allowNoCredit": False,
        "allowCommercialUse": ["Image", "RentCivit", "Rent"],
        "allowDerivatives": True,
        "allowDifferentLicense": True,
    }


@pytest.mark.parametrize(
    ("act", "uses", "status"),
    [
        ("generate_and_sell_images", ["Image"], "allowed"),
        ("generate_and_sell_images", ["Sell", "Rent", "RentCivit"], "forbidden"),
        ("use_in_advertising_or_client_work", ["RentCivit"], "forbidden"),
        ("run_as_paid_service", ["Rent"], "allowed"),
        ("run_as_paid_service", ["Sell"], "allowed"),
        ("run_as_paid_service", ["RentCivit"], "conditional"),
        ("run_as_paid_service", ["Image"], "forbidden"),
        ("sell_adapter", ["Sell"], "allowed"),
        ("sell_adapter", ["Image", "Rent", "RentCivit"], "forbidden"),
        ("sell_derivative", ["Sell"], "allowed"),
        ("sell_derivative", ["Image"], "forbidden"),
        ("generate_and_sell_images", None, "silent"),
        ("run_as_paid_service", None, "silent"),
        ("sell_adapter", None, "silent"),
        ("redistribute_adapter", ["Image"], "not_addressed"),
        ("use_privately", [], "not_addressed"),
    ],
)
def test_each_act_follows_its_own_box_on_the_form(act: str, uses: object, status: str) -> None:
    assert flag_cell(flags(uses), act, bespoke=False).status == status


def test_running_on_civitai_alone_is_a_limit_to_that_host() -> None:
    cell = flag_cell(flags(["RentCivit"]), "run_as_paid_service", bespoke=False)
    assert [str(condition) for condition in cell.conditions] == ["host_only:[civitai]"]


def test_merges_follow_their_flags() -> None:
    assert (
        flag_cell(flags([], derivatives=False), "redistribute_derivative", bespoke=False).status
        == "forbidden"
    )
    kept = flag_cell(flags([], different=False), "redistribute_derivative", bespoke=False)
    assert [str(condition) for condition in kept.conditions] == ["same_permissions_on_merges"]
    assert flag_cell(flags([], different=False), "relicense_derivative", bespoke=False).status == "forbidden"
    assert flag_cell(flags([], derivatives=None), "relicense_derivative", bespoke=False).status == "silent"


def test_credit_is_due_unless_a_flag_waives_it() -> None:
    for credit in (False, None):
        cell = flag_cell(flags(["Image"], credit=credit), "generate_and_sell_images", bespoke=False)
        assert [str(condition) for condition in cell.conditions] == ["attribution"]


def test_the_clause_on_changed_permissions_is_disputed_where_civitai_prints_a_text() -> None:
    assert flag_cell(flags([]), "relicense_derivative", bespoke=True).disputed
    assert not flag_cell(flags([]), "relicense_derivative", bespoke=False).disputed
