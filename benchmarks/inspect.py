"""Inspecting a full SDXL LoRA without hashing: processor time and memory, against the safetensors library."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.harness import Row, at_most
from benchmarks.sdxl_file import MODULES, write_sdxl_lora

ROUNDS = 5
ROOT = Path(__file__).parents[1]

# Each program is a fresh process. It prints the CPU milliseconds of its imports and of its work, and its peak
# of resident memory in MB (VmHWM; mapped pages of the file count).
_MEASURE = """
import sys, time
def peak():
    status = open("/proc/self/status").read()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024
began = time.process_time()
{imports}
imported = time.process_time()
{work}
done = time.process_time()
print([1000 * (imported - began), 1000 * (done - imported), peak()])
"""
_BARE = _MEASURE.format(imports="", work="")
_OURS = _MEASURE.format(
    imports="from registry.weights.inspection import inspect_file",
    work=f"read = inspect_file(sys.argv[1], hashes=False)\nassert read.modules == {MODULES}, read",
)
# What is needed to know names, shapes, metadata and alphas, and nothing that follows from them.
_LIBRARY = _MEASURE.format(
    imports="import json\nimport numpy\nfrom safetensors import safe_open",
    work="""
with safe_open(sys.argv[1], "np") as file:
    metadata = dict(file.metadata())
    tags = json.loads(metadata["ss_tag_frequency"])
    shapes = {name: file.get_slice(name).get_shape() for name in file.keys()}
    alphas = {name: float(file.get_tensor(name)) for name in shapes if name.endswith(".alpha")}
""",
)
_COMMAND = _MEASURE.format(
    imports="import os\nfrom django.core.management import execute_from_command_line",
    work="""
os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
sys.stdout, shown = open(os.devnull, "w"), sys.stdout
execute_from_command_line(["manage.py", "inspect", "--json", "--no-hash", sys.argv[1]])
sys.stdout = shown
""",
)


def run() -> list[Row]:
    """Best of five processes each. `cpu_ms` is the call of `inspect_file` alone, `import_cpu_ms` what loading
    its module takes; `rss_mb` is the peak of the whole process, imports included, above that of a bare one of
    the same interpreter. `command_*` is `manage.py inspect --no-hash`, with Django.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = write_sdxl_lora(Path(folder) / "sdxl.safetensors")
        # Read once, so that neither side waits for the disk.
        path.read_bytes()
        _, _, bare = measure(_BARE, path)
        imports, cpu, peak = measure(_OURS, path)
        _, library_cpu, library_peak = measure(_LIBRARY, path)
        command_imports, command_cpu, command_peak = measure(_COMMAND, path)
    ours, library = peak - bare, library_peak - bare
    return [
        at_most("cpu_ms", cpu, "ms", target=60),
        at_most("rss_mb", ours, "MB", target=30),
        Row("import_cpu_ms", imports, "ms"),
        Row("cpu_against_library", cpu, "ms", library_cpu, cpu / library_cpu),
        Row("rss_against_library", ours, "MB", library, ours / library),
        Row("command_cpu_ms", command_imports + command_cpu, "ms"),
        Row("command_rss_mb", command_peak - bare, "MB"),
    ]


def measure(program: str, path: Path) -> tuple[float, float, float]:
    """CPU milliseconds of the imports and of the work, and the peak of memory in MB: the least of each."""
    figures: list[list[float]] = []
    for _ in range(ROUNDS):
        done = subprocess.run(
            [sys.executable, "-c", program, str(path)], cwd=ROOT, capture_output=True, text=True, check=True
        )
        figures.append(json.loads(done.stdout))
    imports, work, peak = (min(column) for column in zip(*figures, strict=True))
    return imports, work, peak
