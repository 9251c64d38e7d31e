"""Reason codes: what each means, and the next step it suggests. Texts are marked for translation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from registry.messages import gettext_noop


@dataclass(frozen=True)
class Reason:
    """One reason of a verdict. `condition` is the condition's spelling where the reason is about one.

    `next_step` is None where nothing is left to do.
    """

    code: str
    layer: str
    clause: str | None = None
    evidence: str | None = None
    next_step: str | None = None
    condition: str | None = None

    def as_dict(self) -> dict[str, str | None]:
        return {
            "code": self.code,
            "layer": self.layer,
            "clause": self.clause,
            "evidence": self.evidence,
            "next_step": self.next_step,
        }


# code -> (meaning, next step; "" where there is none or where the condition has one of its own)
REASONS: Final[dict[str, tuple[str, str]]] = {
    "license_forbids": (
        gettext_noop("The license refuses the act."),
        gettext_noop("Use another base or adapter, or get a separate license from the licensor."),
    ),
    "gate_failed": (
        gettext_noop("A limit of the license is exceeded in this case."),
        gettext_noop("Use another base or adapter, or get a separate license from the licensor."),
    ),
    "flags_forbid": (
        gettext_noop("The author did not tick this permission on Civitai."),
        gettext_noop("Ask the author, or drop this adapter."),
    ),
    "card_forbids": (
        gettext_noop("The model card refuses the act."),
        gettext_noop("Ask the author, or drop this adapter."),
    ),
    "reviewer_concluded_no": (
        gettext_noop("A reviewer concluded from the evidence that the act is refused."),
        gettext_noop("Ask the author, or drop this adapter."),
    ),
    "author_refused": (
        gettext_noop("The author answered no."),
        gettext_noop("Drop this adapter."),
    ),
    "rights_refused": (
        gettext_noop("The owner of rights in the source material refused."),
        gettext_noop("Drop this adapter."),
    ),
    "rule_forbids": (
        gettext_noop("Another rule that applies here refuses the act."),
        gettext_noop("Get an exception from whoever made the rule, or drop what it applies to."),
    ),
    "share_alike_clash": (
        gettext_noop("Its terms cannot be carried over into the share-alike license of another part."),
        gettext_noop("Leave one of the clashing parts out, or do not pass the merge on."),
    ),
    "hosts_exclude_each_other": (
        gettext_noop("The parts may run on different hosts only, and no host is on every list."),
        gettext_noop("Drop one of these parts."),
    ),
    "license_silent": (
        gettext_noop("The license does not settle this act."),
        gettext_noop("Ask the licensor or counsel."),
    ),
    "license_unresolved": (
        gettext_noop("The declared license is a placeholder; the text behind it has not been read."),
        gettext_noop("Find the license text, read it and record which license it is."),
    ),
    "no_license": (
        gettext_noop("No license is stated, so nothing is granted."),
        gettext_noop("Look for a LICENSE file and the card's text, then ask the author."),
    ),
    "no_terms_stated": (
        gettext_noop("Nothing is known of the terms of this part."),
        gettext_noop("Look for a LICENSE file and the card's text, then ask the author."),
    ),
    "base_unknown": (
        gettext_noop("It is not known which base model, under which license, the adapter needs."),
        gettext_noop("Settle the base model."),
    ),
    "base_conflict": (
        gettext_noop("The declared base and the base detected from the weights disagree."),
        gettext_noop("Settle the base model."),
    ),
    "flags_silent": (
        gettext_noop("Civitai's permissions do not speak on this act for this base."),
        gettext_noop("Ask the author."),
    ),
    "card_silent": (
        gettext_noop("The reading of the model card leaves the act open."),
        gettext_noop("Ask the author."),
    ),
    "reviewer_concluded_open": (
        gettext_noop("A reviewer looked at the evidence and found that it leaves the act open."),
        gettext_noop("Ask the author."),
    ),
    "rights_unknown": (
        gettext_noop("It is not known whether rights in the source material are cleared."),
        gettext_noop("Find out what it was trained on and clear the rights, or ask the author."),
    ),
    "rule_silent": (
        gettext_noop("Another rule that applies here has not been read, or leaves the act open."),
        gettext_noop("Paste or link its terms."),
    ),
    "service_terms_unread": (
        gettext_noop("The terms of this program or service have not been read."),
        gettext_noop("Paste or link its terms."),
    ),
    "recipe_unknown": (
        gettext_noop("It is not known what was merged into this part, so its terms may hide others."),
        gettext_noop("Ask the author for the merge recipe, or use a part whose ingredients are known."),
    ),
    "share_alike_unsettled": (
        gettext_noop("It is open whether its limits fit the share-alike license of another part."),
        gettext_noop("Ask counsel, or leave one of the parts out."),
    ),
    "gate_open": (gettext_noop("A fact is missing, or a step has not been taken yet."), ""),
    "duty": (gettext_noop("The act is allowed if this is done."), ""),
    "granted": (gettext_noop("The layer allows the act."), ""),
    "author_granted": (gettext_noop("The author answered yes."), ""),
    "reviewer_concluded_yes": (
        gettext_noop("A reviewer concluded from the evidence that the act is allowed."),
        "",
    ),
    "base_license_paid": (
        gettext_noop("A paid license takes the place of the base's public license."),
        gettext_noop("Keep the paid license on file."),
    ),
    "host_exempt": (gettext_noop("The license names this host as permitted."), ""),
    "replaced_by_author_reply": (
        gettext_noop("The author's answer takes the place of this part's terms."),
        "",
    ),
    "replaced_by_conclusion": (
        gettext_noop("A reviewer's conclusion takes the place of this part's terms."),
        "",
    ),
    "author_limited": (
        gettext_noop(
            "The author's permission holds only in some countries or media, and not as far as stated."
        ),
        gettext_noop("State the country and the medium, or ask the author again."),
    ),
    "author_expired": (
        gettext_noop("The author's permission has ended."),
        gettext_noop("Ask the author again."),
    ),
    "author_drafted": (
        gettext_noop("A question to the author is written but not sent."),
        gettext_noop("Send the question."),
    ),
    "author_sent": (
        gettext_noop("The author was asked."),
        gettext_noop("Wait for the answer, or remind the author."),
    ),
    "author_reminded": (gettext_noop("The author was reminded."), gettext_noop("Wait for the answer.")),
    "author_no_reply": (
        gettext_noop("The author did not answer; silence is not consent."),
        gettext_noop("Ask again, or drop this adapter."),
    ),
    "author_withdrawn": (
        gettext_noop("The author took the answer back."),
        gettext_noop("Ask again, or drop this adapter."),
    ),
    "license_loosened": (gettext_noop("The license was loosened since; the new text applies at once."), ""),
    "license_tightened": (
        gettext_noop("The license was changed since, and the earlier grant is revocable or not on file."),
        gettext_noop("Follow the stricter text, or ask counsel."),
    ),
    "restriction_not_permitted_by_upstream": (
        gettext_noop(
            "The base's license lets nobody add this limit; the stricter reading is kept all the same."
        ),
        gettext_noop("Point the author to the base's license, or ask counsel."),
    ),
    "author_owes_license": (
        gettext_noop("The base's license obliges the author to pass its terms on, but none are stated."),
        gettext_noop("Ask the author to state the license the base prescribes."),
    ),
    "share_alike_review": (
        gettext_noop("Its terms may be more than the share-alike license of another part permits."),
        gettext_noop("Let a person compare the texts before the merge is passed on."),
    ),
    "naming_prefixes_differ": (
        gettext_noop("Two licenses want the name to begin with different words."),
        gettext_noop("Let a person decide on the name, or leave one part out."),
    ),
    "disputed_reading": (
        gettext_noop("There are two honest readings of this clause; the stricter one is used."),
        gettext_noop("Ask counsel before relying on the looser reading."),
    ),
    "adapter_may_be_separate": (
        gettext_noop(
            "It is arguable whether an adapter in a file of its own falls under this license; the stricter "
            "reading, that it does, is used."
        ),
        gettext_noop("Ask counsel before relying on the looser reading; a merge falls under it in any case."),
    ),
    "weak_source": (
        gettext_noop("The text itself was not read in full."),
        gettext_noop("Read the license text again before relying on this."),
    ),
    "license_ambiguous": (
        gettext_noop("The declared name stands for several texts."),
        gettext_noop("Find out which text is meant."),
    ),
    "flags_are_default": (
        gettext_noop("Every permission is ticked, as Civitai's form is preset; perhaps nobody chose it."),
        gettext_noop("Look at the model card, or ask the author."),
    ),
    "flag_value_unrecognized": (
        gettext_noop("Civitai sent a permission this reader does not know; it grants nothing here."),
        gettext_noop("Look at the model page."),
    ),
    "credit_not_stated": (
        gettext_noop("Whether credit is waived is not stated, so credit is due."),
        "",
    ),
}
