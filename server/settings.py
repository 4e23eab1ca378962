"""The settings of the server: one class, filled from `RADIOLUCENT_*` variables and a TOML file."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

from ..handlers.limits import MAX_PIXELS
from .machine import cores, memory_bytes

__all__ = ["Settings", "load_settings"]

_MIB = 2**20


class Settings(BaseSettings):
    """How the server runs.

    An argument of the command line wins over an environment variable (``RADIOLUCENT_PORT=...``), that one over the
    TOML file (``port = ...``), that one over the default. Unknown names in the file are refused.
    """

    model_config = SettingsConfigDict(
        env_prefix="RADIOLUCENT_",
        env_ignore_empty=True,
        frozen=True,
        extra="forbid",
        use_attribute_docstrings=True,
        allow_inf_nan=False,
    )

    host: str = "127.0.0.1"
    """Address to listen on. The default is for this machine alone; `0.0.0.0` or `[::]` is for every interface."""
    port: int = Field(default=50051, ge=0, le=65535)
    """TCP port to listen on; 0 takes a free one."""
    repository: Path = Path("model_repository")
    """Folder of the Triton model repository. With an external Triton: the same repository, as this machine sees it."""
    triton: str | None = None
    """External Triton as `grpc://host:port`, started with `--model-control-mode=explicit`. None: the embedded one."""
    triton_port: int | None = Field(default=None, ge=1, le=65535)
    """Loopback TCP port of the embedded Triton, for programs that call the ensemble without the gateway. None: a Unix
    socket that only the gateway's user can reach, since whoever reaches Triton can load code into it."""
    triton_start_seconds: float = Field(default=60.0, gt=0)
    """Longest time that the embedded Triton may take to start."""
    triton_queue: int = Field(default=64, ge=1)
    """Most classifications that wait for Triton or run there; Triton cannot drop what it has taken."""
    classify_seconds: float = Field(default=60.0, gt=0)
    """Longest time that Triton may take for one X-ray; a shorter deadline of the caller counts."""
    refresh_seconds: float = Field(default=2.0, gt=0)
    """Pause between looks at the repository for a new model set, and at the health of Triton."""

    max_upload_bytes: int = Field(default=32 * _MIB, ge=1024, le=40 * _MIB)
    """Largest X-ray file, bytes."""
    max_image_pixels: int = Field(default=MAX_PIXELS, ge=1, le=MAX_PIXELS)
    """Largest image, rows times columns."""
    max_jobs: int = Field(default=256, ge=1)
    """Most explanation jobs that wait or run at a time, of all callers. One caller may have half of them, batch jobs
    together three quarters; this holds for the next two limits as well."""
    max_queued_seconds: float = Field(default=24 * 3600.0, gt=0)
    """Most estimated work that waits or runs, in seconds of all workers together. A job is taken on while less waits,
    whatever it needs itself."""
    max_running_bytes: int = Field(default=2048 * _MIB, ge=_MIB)
    """Most memory that jobs take which wait or run, bytes: their X-rays, and all maps that they will give."""
    max_job_seconds: float = Field(default=24 * 3600.0, gt=0)
    """A job is stopped after this time; what it delivered stays."""

    retention_seconds: float = Field(default=600.0, ge=0)
    """How long the results of a finished job are kept, seconds."""
    retention_bytes: int = Field(default=256 * _MIB, ge=0)
    """Memory that results of finished jobs may take together, bytes; the oldest are dropped first."""
    heartbeat_seconds: float = Field(default=5.0, gt=0)
    """A silent stream carries a heartbeat this often."""
    drain_seconds: float = Field(default=20.0, ge=0)
    """On shutdown, time that running jobs have to end by themselves; then they are stopped. New ones are refused. A
    second signal ends the time."""
    shutdown_seconds: float = Field(default=5.0, ge=0)
    """After that, time that calls have to take their last events, after which they are cut off."""

    workers: int = Field(default=0, ge=0, le=256)
    """Explanation workers (processes); 0: one per two processor cores, at least one."""
    worker_threads: int = Field(default=0, ge=0, le=256)
    """Threads that one worker computes with; 0: the processor cores divided by the workers."""
    warm_bytes: int = Field(default=0, ge=0)
    """Weights that a worker keeps loaded, bytes, those of folded forms and of forms in bfloat16 among them. With less
    than the explained networks have, they reload each time. 0: a third of what a worker may take; at least 1.25 GiB,
    which holds the five networks in float32."""
    worker_memory_bytes: int = Field(default=0, ge=0)
    """Memory that one worker may take beside what it starts with (0.5 GB), bytes; an item that needs more fails, and
    nothing else does. 0: four fifths of this machine's memory, divided by the workers; at least 2 GiB."""
    recycle_bytes: int = Field(default=0, ge=0)
    """A worker that takes more than this when an item ends is replaced, bytes. 0: three quarters of what it may."""
    recycle_items: int = Field(default=1000, ge=1)
    """A worker that has run so many items is replaced."""
    cancel_grace_seconds: float = Field(default=2.0, gt=0)
    """A worker whose method does not heed a cancellation for so long is killed and replaced."""
    worker_heartbeat_seconds: float = Field(default=10.0, gt=0)
    """A busy worker that says nothing for so long is asked whether it lives, and has as long to answer."""
    stall_seconds: float = Field(default=600.0, gt=0)
    """A method that makes no forward pass and gives no other sign for so long is taken to hang: its worker is killed
    and replaced, and the item tried once more."""
    ray_address: str | None = None
    """Address of a Ray cluster to join, for example `auto`. None: a private Ray on this machine."""

    log_format: Literal["auto", "console", "json"] = "auto"
    """How log lines look: for people, for programs, or `auto`: for people where standard error is a terminal."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """Least level that is logged."""

    @field_validator("triton")
    @classmethod
    def _is_grpc_address(cls, value: str | None) -> str | None:
        if value is not None and not re.fullmatch(r"grpc://[^/\s]+:\d{1,5}", value):
            raise ValueError("must look like grpc://host:port")
        return value

    @property
    def worker_count(self) -> int:
        """Number of explanation workers, with the default worked out."""
        return self.workers or max(1, cores() // 2)

    @property
    def threads_per_worker(self) -> int:
        """Threads of one worker, with the default worked out."""
        return self.worker_threads or max(1, cores() // self.worker_count)

    @property
    def memory_per_worker(self) -> int:
        """Memory that one worker may take, bytes, with the default worked out."""
        return self.worker_memory_bytes or max(2048 * _MIB, memory_bytes() * 4 // 5 // self.worker_count)

    @property
    def warm_memory(self) -> int:
        """Weights that a worker keeps loaded, bytes, with the default worked out."""
        return self.warm_bytes or max(1280 * _MIB, self.memory_per_worker // 3)

    @property
    def recycle_memory(self) -> int:
        """Memory from which on a worker is replaced, bytes, with the default worked out."""
        return self.recycle_bytes or self.memory_per_worker * 3 // 4

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Order the sources: arguments, environment, TOML file."""
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls)


def load_settings(config: Path | None = None, **arguments: object) -> Settings:
    """Read the settings.

    Parameters
    ----------
    config
        A TOML file, or None.
    arguments
        Values that win over everything else; None is as if absent.

    Returns
    -------
    Settings
        Checked settings.

    Raises
    ------
    pydantic.ValidationError
        If a value is out of range or a name is unknown.
    OSError, ValueError
        If the file cannot be read or is not TOML.
    """
    given = {name: value for name, value in arguments.items() if value is not None}
    if config is None:
        return Settings(**given)  # type: ignore[arg-type]  # validated by pydantic
    with config.open("rb"):  # a missing file is an error; pydantic-settings takes it for an empty one
        pass

    class _FromFile(Settings):
        model_config = SettingsConfigDict(toml_file=config)

    # Back to the plain class, so that the name of this one shows up nowhere.
    return Settings.model_construct(**dict(_FromFile(**given)))  # type: ignore[arg-type]
