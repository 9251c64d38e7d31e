"""questions/: what authors were asked, and what they answered. For reviewers: letters are nobody else's."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.generics import get_object_or_404
from rest_framework.mixins import RetrieveModelMixin
from rest_framework.request import Request
from rest_framework.response import Response

from catalog.api.lists import ListViewSet
from catalog.api.permissions import ReviewersOnly
from registry import author_questions as asking
from registry.licensing.items import ITEMS
from registry.licensing.letters import LANGUAGES
from registry.models import AuthorAnswer, AuthorQuestion, Channel, Identity, QuestionState, Version


def _words() -> serializers.ListField:
    # A field belongs to one name: one instance under several would answer for the first only.
    return serializers.ListField(child=serializers.CharField(max_length=60), required=False, default=list)


class AnswerSerializer(serializers.ModelSerializer[AuthorAnswer]):
    """One answer. `message`: id of the snapshot; `picture`, `proof_picture`: SHA256 of the stored bytes."""

    class Meta:
        model = AuthorAnswer
        fields = [
            "id", "answered_by", "identity", "proof", "received", "message", "picture", "proof_picture",
            "reading", "credit", "material", "curator", "second_reader", "second_read", "withdrawn",
        ]  # fmt: skip


class QuestionSerializer(serializers.ModelSerializer[AuthorQuestion]):
    """A question with its dates and answers."""

    state = serializers.ChoiceField(choices=QuestionState.choices)
    answers = AnswerSerializer(many=True)

    class Meta:
        model = AuthorQuestion
        fields = [
            "id", "version", "items", "files", "language", "text", "state", "channel", "address", "drafted",
            "drafted_by", "sent", "sent_by", "reminded", "closed", "answers",
        ]  # fmt: skip


class QuestionAsked(serializers.Serializer[Any]):
    """A new draft; without `text` Kura writes it."""

    version = serializers.IntegerField(min_value=1, max_value=2**62)
    items = serializers.ListField(child=serializers.ChoiceField(choices=list(ITEMS)))
    language = serializers.ChoiceField(choices=list(LANGUAGES), default="en")
    text = serializers.CharField(required=False, default="", allow_blank=True)


class SendingAsked(serializers.Serializer[Any]):
    """By what way the letter was sent, and to whom."""

    channel = serializers.ChoiceField(choices=Channel.values)
    address = serializers.CharField(max_length=500)


class CreditWanted(serializers.Serializer[Any]):
    """What the author says of credit."""

    required = serializers.BooleanField()  # type: ignore[assignment]  # the name of the field, as in rows
    wording = serializers.CharField(required=False, allow_blank=True)
    links = serializers.ListField(child=serializers.CharField(), required=False)
    where = serializers.ListField(child=serializers.CharField(), required=False)


class AnswerAsked(serializers.Serializer[Any]):
    """An answer as it came. Pictures of a message are uploaded on the review page."""

    answered_by = serializers.CharField(max_length=200)
    identity = serializers.ChoiceField(choices=Identity.values)
    proof = serializers.CharField(max_length=500)
    received = serializers.DateTimeField()
    message = serializers.CharField()
    grants = _words()
    refusals = _words()
    conditions = _words()
    territories = _words()
    media = _words()
    expires = serializers.DateField(required=False, allow_null=True, default=None)
    credit = CreditWanted(required=False)
    material = serializers.CharField(required=False, default="", allow_blank=True)


class WordsAsked(serializers.Serializer[Any]):
    """The author's words."""

    message = serializers.CharField()


class Questions(RetrieveModelMixin, ListViewSet):
    """Questions to authors, the newest first."""

    permission_classes = [ReviewersOnly]
    queryset: QuerySet[AuthorQuestion] = AuthorQuestion.objects.prefetch_related("answers")
    serializer_class = QuestionSerializer
    filterset_fields = ["version", "state"]

    @extend_schema(request=QuestionAsked, responses={201: QuestionSerializer})
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Draft a question about some items of a version."""
        given = _valid(QuestionAsked, request)
        version = get_object_or_404(
            Version.objects.select_related("adapter__creator"), pk=given.pop("version")
        )
        question = asking.start(
            version, given["items"], given["language"], request.user.get_username(), given["text"]
        )
        return Response(QuestionSerializer(question).data, status=201)

    @extend_schema(request=SendingAsked, responses=QuestionSerializer, filters=False)
    @action(detail=True, methods=["post"])
    def send(self, request: Request, pk: int) -> Response:
        """Record that a person sent it."""
        given, question = _valid(SendingAsked, request), self.get_object()
        asking.mark_sent(question, given["channel"], given["address"], request.user.get_username())
        return self._again(question)

    @extend_schema(request=None, responses=QuestionSerializer, filters=False)
    @action(detail=True, methods=["post"])
    def remind(self, request: Request, pk: int) -> Response:
        """Record that the author was reminded."""
        return self._again(asking.remind(self.get_object(), request.user.get_username()))

    @extend_schema(request=None, responses=QuestionSerializer, filters=False)
    @action(detail=True, methods=["post"], url_path="no-reply")
    def no_reply(self, request: Request, pk: int) -> Response:
        """Record that no reply came; nothing is granted by it."""
        return self._again(asking.give_up(self.get_object(), request.user.get_username()))

    @extend_schema(request=AnswerAsked, responses={201: QuestionSerializer}, filters=False)
    @action(detail=True, methods=["post"])
    def answers(self, request: Request, pk: int) -> Response:
        """Record an answer with its proof; the verdict follows at once."""
        given = _valid(AnswerAsked, request)
        question = self.get_object()
        credit = dict(given.pop("credit", None) or {})
        asking.record_answer(question, asking.Received(credit=credit, **given), request.user.get_username())
        return self._again(question, 201)

    @extend_schema(request=WordsAsked, responses=QuestionSerializer, filters=False)
    @action(detail=True, methods=["post"], url_path="take-back")
    def take_back(self, request: Request, pk: int) -> Response:
        """Record that the author took the permission back."""
        given, question = _valid(WordsAsked, request), self.get_object()
        asking.take_back(question, given["message"], request.user.get_username())
        return self._again(question)

    @extend_schema(request=None, responses=QuestionSerializer, filters=False)
    @action(detail=True, methods=["post"], url_path=r"answers/(?P<answer>[0-9]{1,18})/second")
    def second(self, request: Request, pk: int, answer: str) -> Response:
        """Confirm an answer as its second reader."""
        question = self.get_object()
        asking.second_read(
            get_object_or_404(question.answers.all(), pk=int(answer)), request.user.get_username()
        )
        return self._again(question)

    def _again(self, question: AuthorQuestion, status: int = 200) -> Response:
        row = AuthorQuestion.objects.prefetch_related("answers").get(pk=question.pk)
        return Response(QuestionSerializer(row).data, status=status)


def _valid(asked: type[serializers.Serializer[Any]], request: Request) -> dict[str, Any]:
    form = asked(data=request.data)
    form.is_valid(raise_exception=True)
    return dict(form.validated_data)
