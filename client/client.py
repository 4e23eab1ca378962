"""The synchronous client."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

import grpc
from tenacity import Retrying

from ..protos import (
    classification_pb2_grpc,
    explanation_pb2,
    explanation_pb2_grpc,
    model_pb2,
    model_pb2_grpc,
    profile_pb2,
    profile_pb2_grpc,
    server_pb2,
    server_pb2_grpc,
)
from . import convert, convert_profiles, requests
from .aggregates import Aggregations
from .channel import OPTIONS, Certificates, caller_metadata, channel_credentials
from .course import Course
from .errors import from_rpc_error
from .events import Classified, ExplainedOutput
from .job import Job, Priority
from .older_server import check_plannable
from .patience import patience
from .plan import planned
from .precision import Precision
from .profiles import Profile, ProfileCatalogue
from .quality import Measures
from .requests import XRayFile
from .results import (
    Classification,
    InstanceReference,
    MethodCatalogue,
    ModelCatalogue,
    ModelDetails,
    ServerInfo,
)
from .stream import ExplanationStream

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["Client"]

A = TypeVar("A")


class Client:
    """A connection to a radiolucent server. Use it in a ``with`` block; it may be shared between threads.

    Every method raises :class:`~radiolucent.client.RadiolucentError`, in one of its kinds, where the server says no.

    Parameters
    ----------
    address : str
        ``"host:port"``.
    credentials : grpc.ChannelCredentials, optional
        For TLS with anything that gRPC can do.
    root_certificates : bytes or path, optional
        For TLS where the server's certificate is to be checked against these (PEM).
    caller_key : str, optional
        A secret of yours. Jobs are visible to clients with the key that started them alone; give the same key again
        to reach them from another process. Default: ``RADIOLUCENT_CALLER_KEY``, else one of this process.
    timeout : float
        How long a call may take unless the call says otherwise, in seconds. Explanations are not limited by it.
    wait_when_busy : bool
        Whether a call that a full queue refuses waits as long as the server says and asks again, within its timeout;
        an explanation without a timeout waits until there is room. False: :class:`~radiolucent.client.Busy` is raised
        at once, and says when to come back.

    Examples
    --------
    >>> with Client("localhost:50051") as client:  # doctest: +SKIP
    ...     print(client.classify("chest.png").majority)
    """

    def __init__(
        self,
        address: str,
        *,
        credentials: grpc.ChannelCredentials | None = None,
        root_certificates: Certificates | None = None,
        caller_key: str | None = None,
        timeout: float = 60.0,
        wait_when_busy: bool = True,
    ) -> None:
        self.address = address
        self._timeout = timeout
        self._wait_when_busy = wait_when_busy
        self._metadata = caller_metadata(caller_key)
        secure = channel_credentials(credentials, root_certificates)
        self._channel = (
            grpc.insecure_channel(address, options=OPTIONS)
            if secure is None
            else grpc.secure_channel(address, secure, options=OPTIONS)
        )
        self._classification = classification_pb2_grpc.ClassificationServiceStub(self._channel)
        self._explanation = explanation_pb2_grpc.ExplanationServiceStub(self._channel)
        self._model = model_pb2_grpc.ModelServiceStub(self._channel)
        self._profile = profile_pb2_grpc.ProfileServiceStub(self._channel)
        self._server = server_pb2_grpc.ServerServiceStub(self._channel)

    def close(self) -> None:
        """Close the connection; streams that are open break."""
        self._channel.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def classify(
        self, xray: XRayFile, *, instance: InstanceReference | None = None, timeout: float | None = None
    ) -> Classification:
        """Classify one frontal chest X-ray.

        Parameters
        ----------
        xray : bytes or path
            An encoded DICOM, PNG or JPEG file.
        instance : InstanceReference, optional
            Echoed in the result.
        timeout : float, optional
            In seconds.

        Returns
        -------
        Classification
            The votes.
        """
        request = requests.classify(requests.read(xray), instance)
        return convert.classification(self._ask(self._classification.Classify, request, timeout).classification)

    def explain(
        self,
        xray: XRayFile,
        methods: Sequence[str] | Mapping[str, Mapping[str, Any]] | str,
        *,
        models: Sequence[str] = (),
        targets: str | Sequence[str] = "predicted",
        output: ExplainedOutput | str | None = None,
        aggregates: Aggregations = (),
        partial: bool = False,
        attributions: bool = False,
        inputs: bool = False,
        instance: InstanceReference | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
        reconnect: bool = False,
        dry_run: bool = False,
        priority: Priority | str = Priority.INTERACTIVE,
        measures: Measures = (),
        lung_mask: XRayFile | None = None,
        lung_segmenter: str | None = None,
        precision: Precision | str = Precision.FLOAT32,
    ) -> ExplanationStream:
        """Classify one X-ray and explain it.

        Parameters
        ----------
        xray : bytes or path
            An encoded DICOM, PNG or JPEG file.
        methods : str, sequence of str, or mapping
            Method names, or their parameters by name: ``{"occlusion": {"window": 50}}``.
        models : sequence of str
            Networks to explain; empty: every one that votes. ``"chest_xray"`` is the vote itself, which methods that
            need nothing but forward passes explain by perturbing the image that all networks see.
        targets : "predicted", "not_predicted", "all", a label, or a sequence of labels
            What to explain. "not_predicted": the labels that the majority did not vote for; there may be none.
        output : "logit", "probability" or "votes", optional
            The number that is explained. Default: the logit of a network, the votes of the ensemble.
        aggregates : "mean", "agreement", "agreement_against", Mean, Agreement, or a sequence of these
            Maps to make of the networks' maps of one label by one method; they come under ``"chest_xray"``.
        partial : bool
            Also send maps that are still being computed.
        attributions : bool
            Also send attributions before they are reduced to one plane.
        inputs : bool
            Also send the tensor that each network saw.
        instance : InstanceReference, optional
            Echoed in the result.
        request_id : str, optional
            A UUID of yours; the same request with the same id joins the job it started. Default: a new one.
        timeout : float, optional
            Seconds for everything together; the job ends with them. Default: no limit.
        reconnect : bool
            False: a lost client cancels the job. True: the job outlives a broken stream, which is opened again;
            leaving the stream on purpose still stops the job, unless ``detach`` is called. A process that is
            killed hard leaves its job running to the end. A job of which nothing came yet is started anew where the
            server was restarted; later :class:`~radiolucent.client.JobLost` is raised.
        dry_run : bool
            Only plan: nothing is run, and the events are ``Classified``, with estimates, and ``Summary``. :meth:`plan`
            returns the former.
        priority : "interactive", "batch", or Priority
            Whether somebody waits for the answer. Batch work gets a small share where interactive work waits too.
        measures : str, sequence of str or (str, mapping), or mapping
            Measures of quality to take of every final map of a network, with parameters where a name comes with some:
            ``["deletion", ("road", {"steps": 20})]``. :meth:`list_methods` has them.
        lung_mask : bytes or path, optional
            Where the lungs are: an 8-bit grey PNG of the X-ray's own size, 255 lung, 127 not known, 0 not lung. Each
            final map then says how much of its evidence lies outside.
        lung_segmenter : str, optional
            Who tells where the lungs are instead of a mask; :meth:`list_methods` has what is installed.
        precision : "float32", "bfloat16", or Precision
            In which networks compute what explains and measures. bfloat16 is faster on processors with units for it,
            and approximate: each map says what it did to the explained output. :meth:`list_methods` says which methods
            refuse it.

        Returns
        -------
        ExplanationStream
            The events as they come. Use it in a ``with`` block. It raises where the job as a whole failed or the
            server stops, after the job's last event; a method that failed is an event, ``Failure``.
        """
        request = requests.explain(
            requests.read(xray),
            methods=methods,
            models=models,
            targets=targets,
            output=output,
            aggregates=aggregates,
            partial=partial,
            attributions=attributions,
            inputs=inputs,
            keep=reconnect,
            instance=instance,
            request_id=request_id,
            dry_run=dry_run,
            priority=priority,
            measures=measures,
            lung_mask=requests.read_mask(lung_mask),
            lung_segmenter=lung_segmenter,
            precision=precision,
        )
        return self._stream(
            Course(explain=request, timeout=timeout, reconnect=reconnect, wait_when_busy=self._wait_when_busy)
        )

    def plan(
        self,
        xray: XRayFile,
        methods: Sequence[str] | Mapping[str, Mapping[str, Any]] | str,
        *,
        models: Sequence[str] = (),
        targets: str | Sequence[str] = "predicted",
        output: ExplainedOutput | str | None = None,
        aggregates: Aggregations = (),
        priority: Priority | str = Priority.INTERACTIVE,
        measures: Measures = (),
        lung_mask: XRayFile | None = None,
        lung_segmenter: str | None = None,
        precision: Precision | str = Precision.FLOAT32,
        timeout: float | None = None,
    ) -> Classified:
        """Classify one X-ray and say what explaining it would cost, without doing it.

        Parameters
        ----------
        xray, methods, models, targets, output, aggregates, priority, measures, lung_mask, lung_segmenter, precision
            As for :meth:`explain`.
        timeout : float, optional
            In seconds.

        Returns
        -------
        Classified
            The votes; the items with their estimates, in passes and seconds; the time that one worker needs for all of
            it and the time until it would begin, in seconds.

        Raises
        ------
        Unsupported
            The server is older than dry runs; what it began was stopped. Or it is older than the measures asked for.
        """
        if measures:
            check_plannable(self.list_methods(timeout=timeout))
        with self.explain(
            xray,
            methods,
            models=models,
            targets=targets,
            output=output,
            aggregates=aggregates,
            dry_run=True,
            priority=priority,
            measures=measures,
            lung_mask=lung_mask,
            lung_segmenter=lung_segmenter,
            precision=precision,
            timeout=self._timeout if timeout is None else timeout,
        ) as stream:
            plan = planned(next(stream, None))
            for _ in stream:  # the summary, so that the job is left when it has ended
                pass
            return plan

    def watch(
        self, job_id: str, *, after_sequence: int = 0, timeout: float | None = None, reconnect: bool = True
    ) -> ExplanationStream:
        """Watch a job from where you were.

        Parameters
        ----------
        job_id : str
            The job, which must have been started with this client's caller key.
        after_sequence : int
            Only later events are sent; 0 sends all.
        timeout : float, optional
            In seconds. Default: no limit.
        reconnect : bool
            Whether a broken stream is opened again.

        Returns
        -------
        ExplanationStream
            The events. Leaving it before its end cancels the job if nobody else watches it, unless the job was started
            with ``reconnect=True`` (``keep_after_disconnect`` of the contract).
        """
        return self._stream(
            Course(
                job_id=job_id,
                after_sequence=after_sequence,
                timeout=timeout,
                reconnect=reconnect,
                wait_when_busy=self._wait_when_busy,
            )
        )

    def get_job(self, job_id: str, *, timeout: float | None = None) -> Job:
        """Return the state of a job."""
        request = explanation_pb2.GetJobRequest(job_id=job_id)
        return convert.job(self._ask(self._explanation.GetJob, request, timeout).job)

    def cancel_job(self, job_id: str, *, timeout: float | None = None) -> Job:
        """Stop a job, and return its state; what it delivered stays."""
        request = explanation_pb2.CancelJobRequest(job_id=job_id)
        return convert.job(self._ask(self._explanation.CancelJob, request, timeout).job)

    def list_methods(self, *, timeout: float | None = None) -> MethodCatalogue:
        """Return the explanation methods, measures and segmenters, and the plugins that could not be loaded."""
        request = explanation_pb2.ListMethodsRequest()
        return convert.method_catalogue(self._ask(self._explanation.ListMethods, request, timeout))

    def list_models(self, *, timeout: float | None = None) -> ModelCatalogue:
        """Return the networks, the serving model set and what was refused."""
        return convert.model_catalogue(self._ask(self._model.ListModels, model_pb2.ListModelsRequest(), timeout))

    def get_model(self, name: str, version: int = 0, *, timeout: float | None = None) -> ModelDetails:
        """Return one network, or ``"chest_xray"``, the ensemble, with its card; version 0 is the one being served."""
        request = model_pb2.GetModelRequest(name=name, version=version)
        return convert.model_details(self._ask(self._model.GetModel, request, timeout))

    def profiles(self, *, timeout: float | None = None) -> ProfileCatalogue:
        """Return what neuron activation profiles are stored with the serving model set, and which cannot be served.

        Raises
        ------
        Unsupported
            The server is older than profiles.
        """
        with convert_profiles.older_servers_named():
            answer = self._ask(self._profile.ListProfiles, profile_pb2.ListProfilesRequest(), timeout)
        return convert_profiles.catalogue(answer)

    def profile(
        self,
        name: str,
        network: str,
        *,
        layers: Sequence[str] = (),
        strongest: int = 0,
        timeout: float | None = None,
    ) -> Profile:
        """Return a neuron activation profile: the strongest feature maps of its layers.

        Parameters
        ----------
        name, network : str
            Which profile, of which network; see :meth:`profiles`.
        layers : sequence of str
            Which layers; empty: all.
        strongest : int
            How many feature maps of each layer, at most 100; 0: 10. Of a layer whose maps are large fewer come, as many
            as fit into 64 MiB.
        timeout : float, optional
            In seconds.

        Returns
        -------
        Profile
            Its arrays are read-only.

        Raises
        ------
        NotFound
            There is no such profile; the text lists those there are.
        InvalidRequest
            A layer is unknown, too many feature maps are asked for, or the profile is damaged or of other weights than
            are served.
        Unsupported
            The server is older than profiles.
        """
        request = requests.profile(name, network, layers, strongest)

        def fetch(request: profile_pb2.StreamProfileRequest, **how: Any) -> Profile:  # noqa: ANN401  - grpc's options
            reader = convert_profiles.ProfileReader(request)
            for part in self._profile.StreamProfile(request, **how):
                reader.add(part)
            return reader.result()

        with convert_profiles.older_servers_named():
            return self._ask(fetch, request, timeout)

    def server_info(self, *, timeout: float | None = None) -> ServerInfo:
        """Return the server's versions and limits."""
        return convert.server_info(self._ask(self._server.GetServerInfo, server_pb2.GetServerInfoRequest(), timeout))

    def _stream(self, course: Course) -> ExplanationStream:
        return ExplanationStream(self._explanation, self._metadata, course)

    def _ask(self, call: Callable[..., A], request: Any, timeout: float | None) -> A:  # noqa: ANN401  - any message
        deadline = time.monotonic() + (self._timeout if timeout is None else timeout)
        for attempt in Retrying(**patience(deadline=deadline, busy=self._wait_when_busy, outages=False)):
            with attempt:
                try:
                    return call(request, timeout=deadline - time.monotonic(), metadata=self._metadata)
                except grpc.RpcError as error:
                    raise from_rpc_error(error) from error
        raise AssertionError("tenacity returns or raises")
