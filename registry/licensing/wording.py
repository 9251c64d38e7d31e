"""What a person reads about acts, conditions and facts: English source texts, marked for translation."""

from __future__ import annotations

from typing import Final

from registry.messages import gettext_noop

# act -> (label, one sentence)
ACT_WORDING: Final[dict[str, tuple[str, str]]] = {
    "use_privately": (
        gettext_noop("Use privately"),
        gettext_noop("Run the adapter for yourself and show the pictures to nobody."),
    ),
    "generate_and_share_images": (
        gettext_noop("Share images"),
        gettext_noop("Make pictures with the adapter and publish them for free."),
    ),
    "generate_and_sell_images": (
        gettext_noop("Sell images"),
        gettext_noop("Make pictures with the adapter and sell or license them."),
    ),
    "use_in_advertising_or_client_work": (
        gettext_noop("Advertising and client work"),
        gettext_noop("Use the pictures in advertising, or in something made for a client."),
    ),
    "run_as_paid_service": (
        gettext_noop("Run a paid service"),
        gettext_noop("Let others generate with the adapter, for money or beside advertising."),
    ),
    "use_internally_for_business": (
        gettext_noop("Use inside a business"),
        gettext_noop("Run the adapter for a company's own work, with nothing going to the public."),
    ),
    "redistribute_adapter": (
        gettext_noop("Redistribute the adapter"),
        gettext_noop("Pass the adapter file on, unchanged and for free."),
    ),
    "sell_adapter": (
        gettext_noop("Sell the adapter"),
        gettext_noop("Ask money for the adapter file."),
    ),
    "modify_or_merge": (
        gettext_noop("Modify or merge privately"),
        gettext_noop("Train on, resize or merge the adapter and keep the result to yourself."),
    ),
    "redistribute_derivative": (
        gettext_noop("Share a merge or derivative"),
        gettext_noop("Pass on a merge or another modified version, for free."),
    ),
    "sell_derivative": (
        gettext_noop("Sell a merge or derivative"),
        gettext_noop("Ask money for a merge or another modified version."),
    ),
    "relicense_derivative": (
        gettext_noop("Put other terms on a derivative"),
        gettext_noop("Publish a merge or modified version under terms of your own choice."),
    ),
    "train_other_models_on_outputs": (
        gettext_noop("Train other models on outputs"),
        gettext_noop("Use pictures made with the adapter as training data for another model."),
    ),
}

# condition -> (label, what to do about it)
CONDITION_WORDING: Final[dict[str, tuple[str, str]]] = {
    "use_based_restrictions": (
        gettext_noop("A list of prohibited uses applies"),
        gettext_noop("Keep to the license's list of prohibited uses."),
    ),
    "no_trademark_use": (
        gettext_noop("No use of the licensor's names and marks"),
        gettext_noop("Use the licensor's name and marks only where a notice requires it."),
    ),
    "use_latest_version": (
        gettext_noop("Follow the newest version"),
        gettext_noop("Make reasonable efforts to use the newest version of the model."),
    ),
    "no_guardrail_bypass": (
        gettext_noop("Leave safety measures on"),
        gettext_noop("Do not disable the model's safety measures: the rights end if you do."),
    ),
    "attribution": (
        gettext_noop("Give credit"),
        gettext_noop("Name the author, the work and its license in a way that suits the medium."),
    ),
    "include_license_copy": (
        gettext_noop("Include the license"),
        gettext_noop("Hand over the license text, or its link where the license accepts one."),
    ),
    "state_changes": (
        gettext_noop("State changes"),
        gettext_noop("Say that files were changed, and how."),
    ),
    "share_alike": (
        gettext_noop("Share alike"),
        gettext_noop("Pass the result on under the same license, or one it lists as compatible."),
    ),
    "source_disclosure": (
        gettext_noop("Offer the source"),
        gettext_noop("Give recipients or users of a service a way to get the source and weights."),
    ),
    "use_restrictions_flow_down": (
        gettext_noop("Bind your users to the restrictions"),
        gettext_noop("Put the list of prohibited uses into your own terms and tell your users."),
    ),
    "powered_by_notice": (
        gettext_noop("Show a notice"),
        gettext_noop("Show the prescribed line on the site, in the interface or in the documentation."),
    ),
    "naming_prefix": (
        gettext_noop("Begin the name as prescribed"),
        gettext_noop("Let the name of the published model begin with the prescribed word."),
    ),
    "content_filter_required": (
        gettext_noop("Filter or review outputs"),
        gettext_noop("Run a content filter, or look at every picture before it goes out."),
    ),
    "ai_disclosure": (
        gettext_noop("Disclose that it is AI-made"),
        gettext_noop("Say that the picture was made by a machine, as the clause asks."),
    ),
    "share_work_details": (
        gettext_noop("Publish how it was made"),
        gettext_noop("Publish the recipe: prompts, workflow, data or merge recipe, as the clause asks."),
    ),
    "notify_transferee": (
        gettext_noop("Notify the recipient"),
        gettext_noop("Tell whoever receives a derivative about the license in writing."),
    ),
    "same_permissions_on_merges": (
        gettext_noop("Same permissions on merges"),
        gettext_noop("Publish the merge with the same Civitai permissions as the adapter."),
    ),
    "keep_license_snapshot": (
        gettext_noop("Keep the dated license copy"),
        gettext_noop("Keep the stored copy of the earlier terms: the answer rests on it."),
    ),
    "revenue_below_usd": (
        gettext_noop("Only below a yearly revenue"),
        gettext_noop("State the group's revenue of the last twelve months in USD."),
    ),
    "mau_below": (
        gettext_noop("Only below a number of monthly users"),
        gettext_noop("State the number of monthly active users of the whole group."),
    ),
    "monthly_visits_below": (
        gettext_noop("Only below a number of monthly visits"),
        gettext_noop("State the number of visits a month."),
    ),
    "team_size_at_most": (
        gettext_noop("Only for small teams"),
        gettext_noop("State how many people are in the team."),
    ),
    "territory_excludes": (
        gettext_noop("Not in some territories"),
        gettext_noop("State the country where the model and the pictures are used."),
    ),
    "host_only": (
        gettext_noop("Only on named hosts"),
        gettext_noop("State where the model runs or is published."),
    ),
    "platform_generation_only": (
        gettext_noop("Only on the platform's own generator"),
        gettext_noop("State where the model runs."),
    ),
    "noncommercial_only": (
        gettext_noop("Non-commercial only"),
        gettext_noop("State whether the use has a commercial purpose."),
    ),
    "research_only": (
        gettext_noop("Research only"),
        gettext_noop("State the purpose of the use."),
    ),
    "individuals_only": (
        gettext_noop("Individuals only"),
        gettext_noop("State whether a person or an organization acts."),
    ),
    "registration_required": (
        gettext_noop("Registration required"),
        gettext_noop("Register with the licensor and record it."),
    ),
    "contact_licensor": (
        gettext_noop("Permission of the licensor required"),
        gettext_noop("Write to the licensor and keep the permission on file."),
    ),
    "model_run_noncommercial": (
        gettext_noop("The weights must be run non-commercially"),
        gettext_noop(
            "State whether the weights are run for a commercial purpose; a paid license or the "
            "licensor's own service lifts this."
        ),
    ),
    "no_competing_model_training": (
        gettext_noop("No training of competing models"),
        gettext_noop("State whether outputs train a model that competes with the licensor's."),
    ),
    "no_competing_product": (
        gettext_noop("No competing product"),
        gettext_noop("State whether the service competes with the licensor's products."),
    ),
    "third_party_rights_clearance": (
        gettext_noop("Rights of third parties must be cleared"),
        gettext_noop("Get the permission of the person, artist or owner shown and put it on file."),
    ),
}

FACT_WORDING: Final[dict[str, str]] = {
    "annual_revenue_usd": gettext_noop("Yearly revenue of the whole group in USD"),
    "mau": gettext_noop("Monthly active users of the whole group"),
    "monthly_visits": gettext_noop("Visits a month"),
    "territory": gettext_noop("Country or territory (ISO 3166, EU or UK)"),
    "commercial": gettext_noop("The use has a commercial purpose"),
    "purpose": gettext_noop("Purpose, for example research"),
    "registered": gettext_noop("Registered with the licensor"),
    "is_individual": gettext_noop("A person acts, not an organization"),
    "team_size": gettext_noop("People in the team"),
    "host": gettext_noop("Where the model runs, for example own or civitai"),
    "model_run_commercial": gettext_noop("The weights are run for a commercial purpose"),
    "base_commercial_license": gettext_noop("A paid license for the base model is held"),
    "permission_on_file": gettext_noop("The licensor's permission is on file"),
    "rights_cleared": gettext_noop("Rights in the source material are cleared for this use"),
    "trains_competing_model": gettext_noop("Outputs train a model that competes with the licensor's"),
    "competes_with_licensor": gettext_noop("The service competes with the licensor's products"),
    "medium": gettext_noop("Medium: web, print or video"),
}
