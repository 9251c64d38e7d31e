"""What exists, where it came from, what may be done with it, whether it is vetted: one file per noun."""

from registry.models.adapters import Adapter, Availability, Creator, Source, Version, Vetting
from registry.models.analysis import Analysis, AnalysisState, VersionDiff
from registry.models.author_questions import (
    AuthorAnswer,
    AuthorQuestion,
    Channel,
    Identity,
    QuestionState,
)
from registry.models.base_models import AliasHost, BaseModel, BaseModelAlias
from registry.models.files import Blob, File, FileState, Sample
from registry.models.jobs import Job, JobQueue, JobState
from registry.models.lineage import Kinship, Relation, Sketch
from registry.models.offers import AvailabilityChange, OfferedFile, OfferState
from registry.models.peers import Instance
from registry.models.policies import RuleKind, TermsRule
from registry.models.provenance import Snapshot
from registry.models.readings import Inspection
from registry.models.review_items import ItemState, ReviewItem
from registry.models.scans import ScannedPath
from registry.models.subscriptions import IgnoredUpdate, Subscription, SubscriptionKind
from registry.models.sync_runs import RunState, SyncProblem, SyncRun
from registry.models.terms import ClaimKind, License, Standing, TermsClaim, TermsProfile
from registry.models.transfers import Transfer, TransferState
from registry.models.upstream_identity import UpstreamIdentity
from registry.models.upstream_state import UpstreamItem
from registry.models.upstreams import HostBudget, HostSlot, RememberedRefusal
from registry.models.verdicts import (
    Direction,
    ProfileOutcomes,
    TermsBasis,
    TermsCause,
    TermsEvent,
    TermsNotice,
    VerdictChange,
)
from registry.models.vetting import AuditEvent, Change, Check, CheckOutcome, Review, ReviewAction

__all__ = [
    "Adapter",
    "AliasHost",
    "Analysis",
    "AnalysisState",
    "AuditEvent",
    "AuthorAnswer",
    "AuthorQuestion",
    "Availability",
    "AvailabilityChange",
    "BaseModel",
    "BaseModelAlias",
    "Blob",
    "Change",
    "Channel",
    "Check",
    "CheckOutcome",
    "ClaimKind",
    "Creator",
    "Direction",
    "File",
    "FileState",
    "HostBudget",
    "HostSlot",
    "Identity",
    "IgnoredUpdate",
    "Inspection",
    "Instance",
    "ItemState",
    "Job",
    "JobQueue",
    "JobState",
    "Kinship",
    "License",
    "OfferState",
    "OfferedFile",
    "ProfileOutcomes",
    "QuestionState",
    "Relation",
    "RememberedRefusal",
    "Review",
    "ReviewAction",
    "ReviewItem",
    "RuleKind",
    "RunState",
    "Sample",
    "ScannedPath",
    "Sketch",
    "Snapshot",
    "Source",
    "Standing",
    "Subscription",
    "SubscriptionKind",
    "SyncProblem",
    "SyncRun",
    "TermsBasis",
    "TermsCause",
    "TermsClaim",
    "TermsEvent",
    "TermsNotice",
    "TermsProfile",
    "TermsRule",
    "Transfer",
    "TransferState",
    "UpstreamIdentity",
    "UpstreamItem",
    "VerdictChange",
    "Version",
    "VersionDiff",
    "Vetting",
]
