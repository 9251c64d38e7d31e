"""Plain sentences for people: what a status means for each act, what a condition asks, and its number."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from registry.messages import gettext_noop

# act -> status -> one sentence. The subject is "you", so a license's page and a verdict say it alike;
# `silent` is also what a verdict says that came out unknown.
ACT_SENTENCES: Final[Mapping[str, Mapping[str, str]]] = {
    "use_privately": {
        "allowed": gettext_noop("You may run it for yourself, with nothing to do in return."),
        "conditional": gettext_noop("You may run it for yourself if you keep the conditions."),
        "forbidden": gettext_noop("You may not even run it for yourself."),
        "silent": gettext_noop("It is not settled whether you may run it for yourself."),
    },
    "generate_and_share_images": {
        "allowed": gettext_noop("You may publish pictures made with it for free."),
        "conditional": gettext_noop("You may publish pictures for free if you keep the conditions."),
        "forbidden": gettext_noop("You may not publish pictures made with it, not even for free."),
        "silent": gettext_noop("It is not settled whether you may publish pictures made with it."),
    },
    "generate_and_sell_images": {
        "allowed": gettext_noop("You may sell or license pictures made with it."),
        "conditional": gettext_noop("You may sell pictures made with it if you keep the conditions."),
        "forbidden": gettext_noop("You may not sell pictures made with it."),
        "silent": gettext_noop("It is not settled whether you may sell pictures made with it."),
    },
    "use_in_advertising_or_client_work": {
        "allowed": gettext_noop("You may use the pictures in advertising and in work for clients."),
        "conditional": gettext_noop(
            "You may use the pictures in advertising and in work for clients if you keep the conditions."
        ),
        "forbidden": gettext_noop("You may not use the pictures in advertising or in work for clients."),
        "silent": gettext_noop(
            "It is not settled whether the pictures may go into advertising or work for clients."
        ),
    },
    "run_as_paid_service": {
        "allowed": gettext_noop("You may let customers generate with it on your servers."),
        "conditional": gettext_noop("You may let customers generate with it if you keep the conditions."),
        "forbidden": gettext_noop("You may not let customers generate with it for money or beside ads."),
        "silent": gettext_noop("It is not settled whether customers may generate with it on your servers."),
    },
    "use_internally_for_business": {
        "allowed": gettext_noop("Your staff may use it for the company's own work."),
        "conditional": gettext_noop(
            "Your staff may use it for the company's work if you keep the conditions."
        ),
        "forbidden": gettext_noop("Your staff may not use it for the company's work, even in house."),
        "silent": gettext_noop("It is not settled whether your staff may use it for the company's work."),
    },
    "redistribute_adapter": {
        "allowed": gettext_noop("You may pass the adapter file on, unchanged and for free."),
        "conditional": gettext_noop("You may pass the adapter file on for free if you keep the conditions."),
        "forbidden": gettext_noop("You may not pass the adapter file on; link to its source instead."),
        "silent": gettext_noop("It is not settled whether you may pass the adapter file on."),
    },
    "sell_adapter": {
        "allowed": gettext_noop("You may ask money for the adapter file."),
        "conditional": gettext_noop("You may ask money for the adapter file if you keep the conditions."),
        "forbidden": gettext_noop("You may not ask money for the adapter file."),
        "silent": gettext_noop("It is not settled whether you may ask money for the adapter file."),
    },
    "modify_or_merge": {
        "allowed": gettext_noop("You may train on, resize or merge it for your own use."),
        "conditional": gettext_noop(
            "You may change or merge it for your own use if you keep the conditions."
        ),
        "forbidden": gettext_noop("You may not change or merge it, not even for your own use."),
        "silent": gettext_noop("It is not settled whether you may change or merge it."),
    },
    "redistribute_derivative": {
        "allowed": gettext_noop("You may pass a merge or changed version on for free."),
        "conditional": gettext_noop("You may pass a merge or changed version on if you keep the conditions."),
        "forbidden": gettext_noop("You may not pass a merge or changed version on."),
        "silent": gettext_noop("It is not settled whether you may pass a merge or changed version on."),
    },
    "sell_derivative": {
        "allowed": gettext_noop("You may ask money for a merge or changed version."),
        "conditional": gettext_noop(
            "You may ask money for a merge or changed version if you keep the conditions."
        ),
        "forbidden": gettext_noop("You may not ask money for a merge or changed version."),
        "silent": gettext_noop("It is not settled whether you may ask money for a merge or changed version."),
    },
    "relicense_derivative": {
        "allowed": gettext_noop("You may put a changed version under terms of your own."),
        "conditional": gettext_noop("You may choose terms for a changed version if you keep the conditions."),
        "forbidden": gettext_noop("A changed version has to stay under the terms it came with."),
        "silent": gettext_noop("It is not settled whether you may choose terms for a changed version."),
    },
    "train_other_models_on_outputs": {
        "allowed": gettext_noop("You may train other models on pictures made with it."),
        "conditional": gettext_noop("You may train other models on the pictures if you keep the conditions."),
        "forbidden": gettext_noop("You may not train other models on pictures made with it."),
        "silent": gettext_noop("It is not settled whether you may train other models on the pictures."),
    },
}

NOT_ADDRESSED: Final = gettext_noop("These terms have no say on this.")


def act_sentence(act: str, status: str) -> str:
    """What the status (or a verdict's outcome) means for the act, in English; translate it when shown.

    Raises KeyError for an act or a status that does not exist.
    """
    if status == "not_addressed":
        return NOT_ADDRESSED
    return ACT_SENTENCES[act]["silent" if status == "unknown" else status]


# What a condition asks where its next step would not say it: condition -> sentence, %(value)s its parameter.
CONDITION_SENTENCES: Final[Mapping[str, str]] = {
    "powered_by_notice": gettext_noop("Show this line: %(value)s"),
    "naming_prefix": gettext_noop("Let the name of what you publish begin with %(value)s."),
    "revenue_below_usd": gettext_noop(
        "Only while the whole group earned less than US$%(value)s in the last twelve months."
    ),
    "mau_below": gettext_noop("Only below %(value)s monthly active users of the whole group."),
    "monthly_visits_below": gettext_noop("Only below %(value)s visits a month."),
    "team_size_at_most": gettext_noop("Only for teams of at most %(value)s people."),
    "territory_excludes": gettext_noop("Not where the model or its pictures are used in %(value)s."),
    "host_only": gettext_noop("Only where it runs on %(value)s."),
    "platform_generation_only": gettext_noop("Only in the generator of %(value)s."),
    "noncommercial_only": gettext_noop("Only without a commercial purpose."),
    "research_only": gettext_noop("Only for research."),
    "individuals_only": gettext_noop("Only for a person, not for an organization."),
    "registration_required": gettext_noop("Only after registering with the licensor."),
    "contact_licensor": gettext_noop("Only with the licensor's permission on file."),
    "model_run_noncommercial": gettext_noop(
        "Only where the weights are not run commercially; a paid license or the licensor's "
        "service lifts this."
    ),
    "no_competing_model_training": gettext_noop(
        "Outputs may not train a model that competes with the licensor's."
    ),
    "no_competing_product": gettext_noop("Not for a service that competes with the licensor's products."),
    "third_party_rights_clearance": gettext_noop(
        "Only once the people, artists or owners concerned have given their permission."
    ),
}

# Conditions with a fact: condition -> (the fact when the gate passes, the fact when it does not).
# The second is empty where failing can be mended, since nothing changes then.
GATE_ANSWERS: Final[Mapping[str, tuple[str, str]]] = {
    "revenue_below_usd": (
        gettext_noop("If yearly revenue is below US$%(value)s"),
        gettext_noop("If yearly revenue is US$%(value)s or more"),
    ),
    "mau_below": (
        gettext_noop("If there are fewer than %(value)s monthly users"),
        gettext_noop("If there are %(value)s monthly users or more"),
    ),
    "monthly_visits_below": (
        gettext_noop("If there are fewer than %(value)s visits a month"),
        gettext_noop("If there are %(value)s visits a month or more"),
    ),
    "team_size_at_most": (
        gettext_noop("If the team has at most %(value)s people"),
        gettext_noop("If the team has more than %(value)s people"),
    ),
    "territory_excludes": (
        gettext_noop("If it is used outside %(value)s"),
        gettext_noop("If it is used in %(value)s"),
    ),
    "host_only": (
        gettext_noop("If it runs on %(value)s"),
        gettext_noop("If it runs on machines of your own"),
    ),
    "platform_generation_only": (
        gettext_noop("If it runs in the generator of %(value)s"),
        gettext_noop("If it runs on machines of your own"),
    ),
    "noncommercial_only": (
        gettext_noop("If the use has no commercial purpose"),
        gettext_noop("If the use has a commercial purpose"),
    ),
    "research_only": (
        gettext_noop("If the purpose is research"),
        gettext_noop("If the purpose is not research"),
    ),
    "individuals_only": (
        gettext_noop("If a person acts, not an organization"),
        gettext_noop("If an organization acts"),
    ),
    "registration_required": (gettext_noop("Once you have registered with the licensor"), ""),
    "contact_licensor": (gettext_noop("Once the licensor's permission is on file"), ""),
    "model_run_noncommercial": (
        gettext_noop("If the weights are not run commercially"),
        gettext_noop("If the weights are run commercially"),
    ),
    "no_competing_model_training": (
        gettext_noop("If no competing model is trained"),
        gettext_noop("If a competing model is trained"),
    ),
    "no_competing_product": (
        gettext_noop("If the service does not compete with the licensor's products"),
        gettext_noop("If the service competes with the licensor's products"),
    ),
    "third_party_rights_clearance": (
        gettext_noop("Once rights in the material are cleared"),
        gettext_noop("If rights in the material are not cleared"),
    ),
}

# Facts that can lift a refusal although no condition names them.
BASE_PAID: Final = gettext_noop("If you hold a paid license for the base model")
ON_HOST: Final = gettext_noop("If it runs on %(value)s")

# An author's permission may be limited to places and media.
IN_PLACE: Final = gettext_noop("If it is used in %(value)s")
IN_MEDIUM: Final[Mapping[str, str]] = {
    "web": gettext_noop("If it is shown on the web"),
    "print": gettext_noop("If it is printed"),
    "video": gettext_noop("If it is shown in a video"),
}

# Kinds of licenses: family -> (name, one sentence).
FAMILY_SENTENCES: Final[Mapping[str, tuple[str, str]]] = {
    "permissive": (
        gettext_noop("Permissive"),
        gettext_noop("Almost everything is granted; keep the notices when you pass it on."),
    ),
    "permissive_plus": (
        gettext_noop("Permissive with added rules"),
        gettext_noop("Permissive in the main, with a few rules of its own."),
    ),
    "public_domain": (
        gettext_noop("Public domain"),
        gettext_noop("The rights are given up; nothing is asked in return."),
    ),
    "attribution": (
        gettext_noop("Attribution"),
        gettext_noop("Everything is granted to whoever names the author."),
    ),
    "share_alike": (
        gettext_noop("Share alike"),
        gettext_noop("What you build on it goes out under the same terms."),
    ),
    "openrail": (
        gettext_noop("OpenRAIL"),
        gettext_noop("Free to use and sell; a list of prohibited uses binds you and those after you."),
    ),
    "noncommercial": (
        gettext_noop("Non-commercial"),
        gettext_noop("Use that earns needs another license; read what is said of pictures."),
    ),
    "research": (gettext_noop("Research only"), gettext_noop("For research; nothing goes to customers.")),
    "no_derivatives": (
        gettext_noop("No derivatives"),
        gettext_noop("It may be passed on as it is, but no changed version of it."),
    ),
    "revenue_gated": (
        gettext_noop("Free below a revenue"),
        gettext_noop("Small companies may earn with it; above a yearly revenue a paid license is needed."),
    ),
    "mau_gated": (
        gettext_noop("Free below a number of users"),
        gettext_noop("Commercial use is granted up to a number of monthly users."),
    ),
    "territory_gated": (
        gettext_noop("Limited to territories"),
        gettext_noop("The grant leaves out some countries, for the model and for its pictures."),
    ),
    "commercial": (
        gettext_noop("Commercial"),
        gettext_noop("Use rests on a contract with the licensor."),
    ),
    "platform": (gettext_noop("Platform terms"), gettext_noop("The terms of the site it comes from apply.")),
    "custom": (gettext_noop("Custom"), gettext_noop("A text of its own; read it act by act.")),
    "unresolved": (
        gettext_noop("Not read"),
        gettext_noop("The name stands for a text that has not been found; nothing is taken as granted."),
    ),
    "none": (
        gettext_noop("No license"),
        gettext_noop("Nothing is stated, so nothing is granted beyond what the law allows anyway."),
    ),
}

# Is a LoRA a derivative of a model under the license? Fact sheet: license algebra, section 5.
DERIVATIVE_SENTENCES: Final[Mapping[str, str]] = {
    "explicit": gettext_noop("Yes: the text names adapters of low rank among derivatives."),
    "by_definition": gettext_noop("Yes, by its definition of derivatives or of changing the model."),
    "arguable": gettext_noop(
        "Arguable: a file of its own may be outside the license, a merge is inside. Kura takes it for inside."
    ),
    "silent": gettext_noop("The text does not say, and asks nothing that would depend on it."),
    "": gettext_noop("Not recorded. Kura takes it for one."),
}

IRREVOCABLE_SENTENCES: Final[Mapping[bool | None, str]] = {
    True: gettext_noop("Irrevocable: who keeps a dated copy may rely on it, whatever comes later."),
    False: gettext_noop("Can be taken back or changed: the strictest of the old and the new text applies."),
    None: gettext_noop("The text does not say; Kura does not rely on an older copy."),
}
