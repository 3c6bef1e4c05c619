"""A logger plugin of Snakemake (`--logger myelosynth`): every job of a dry run as a line of JSON.

Snakemake finds logger plugins by the name of their top-level package. The fields are those of its `JOB_INFO` event.
"""

import json
from dataclasses import dataclass, field
from logging import LogRecord
from pathlib import Path
from typing import Any, Optional

from snakemake_interface_logger_plugins.base import LogHandlerBase
from snakemake_interface_logger_plugins.common import LogEvent
from snakemake_interface_logger_plugins.settings import LogHandlerSettingsBase


@dataclass
class LogHandlerSettings(LogHandlerSettingsBase):
    """Options of the command line: `--logger-myelosynth-jobs FILE`."""

    # Snakemake's reader of options knows no other spelling of an optional text.
    jobs: Optional[str] = field(  # noqa: UP045
        default=None, metadata={"help": "write the study and its jobs here, one JSON object a line", "required": True}
    )


class LogHandler(LogHandlerBase):
    """Writes `{"study": ...}`, which the Snakefile tells, then `{"job": ...}` for each job in turn."""

    settings: LogHandlerSettings

    def __post_init__(self) -> None:
        self._file = Path(str(self.settings.jobs)).open("w", encoding="utf-8")  # noqa: SIM115 (close)

    def emit(self, record: LogRecord) -> None:
        """Write what the record tells of the study or of a job; everything else is left to other handlers."""
        if getattr(record, "event", None) == LogEvent.JOB_INFO:
            self._write("job", _job(record.__dict__))
        elif hasattr(record, "study"):
            self._write("study", record.study)

    def _write(self, kind: str, value: object) -> None:
        self._file.write(json.dumps({kind: value}) + "\n")

    def close(self) -> None:
        """End the file."""
        self._file.close()
        super().close()

    @property
    def writes_to_stream(self) -> bool:
        """No: the usual messages go on."""
        return False

    @property
    def writes_to_file(self) -> bool:
        """Not a log file that Snakemake should name."""
        return False

    @property
    def has_filter(self) -> bool:
        """Yes: jobs are written although `--quiet` hides them."""
        return True

    @property
    def has_formatter(self) -> bool:
        """Yes: JSON."""
        return True

    @property
    def needs_rulegraph(self) -> bool:
        """No."""
        return False


def _job(event: dict[str, Any]) -> dict[str, Any]:
    """A job of the plan; the command's white space as Snakemake prints it."""
    return {
        "rule": event["rule_name"],
        "wildcards": {key: str(value) for key, value in (event["wildcards"] or {}).items()},
        "inputs": [str(path) for path in event["input"]],
        "outputs": [str(path) for path in event["output"]],
        "log": [str(path) for path in event["log"]],
        "shell": event["shellcmd"],
    }
