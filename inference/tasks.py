"""What workers do for inference: a task is an edge, the work is in render.py and services.py."""

from __future__ import annotations

from inference.models import Sheet
from inference.policy import gives_way
from inference.quarantine import CONVERT_JOB, convert_blob
from inference.render import render_sheet
from inference.reproduction import compare_sheet
from inference.services import COMPARE_JOB, RENDER_JOB, mark_failed
from registry.jobs import JobContext, handler
from registry.models import Blob, Job


def _give_up(job: Job) -> None:
    sheet = Sheet.objects.filter(pk=job.payload["sheet"]).first()
    if sheet is not None and not sheet.is_over:
        mark_failed(sheet, job.error_code, job.error_message)


@handler(RENDER_JOB, failed=_give_up)
def run_render_sheet(context: JobContext) -> None:
    """Render or resume the sheet of the job."""

    def should_stop() -> bool:
        return context.should_stop() or gives_way(context.job)

    render_sheet(context.payload["sheet"], progress=context.progress, should_stop=should_stop)


@handler(COMPARE_JOB)
def run_compare_sheet(context: JobContext) -> None:
    """Render the pictures of the job's sheet again and compare them with the stored ones."""
    compare_sheet(context.payload["sheet"], progress=context.progress, should_stop=context.should_stop)


@handler(CONVERT_JOB)
def run_convert(context: JobContext) -> None:
    """Convert the quarantined pickle of the job."""
    convert_blob(Blob.objects.get(pk=context.payload["blob"]), context.payload["actor"])
