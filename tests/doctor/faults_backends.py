"""Faults of the servers of the local models."""

from backend_bench import KOALA, packages, use
from bench import Bench, Fault, Faults
from fake_backend import closed_port, litellm, ollama

from supervisor_setup.findings import Status


def _nowhere(bench: Bench) -> None:
    use(bench, KOALA)


def _refused(bench: Bench) -> None:
    use(bench, {**KOALA, "url": f"http://127.0.0.1:{closed_port()}"})


def _no_key(bench: Bench) -> None:
    use(bench, litellm(bench.new_backend(key="sk-the-key-of-the-house"), api_key={"env": "LITELLM_API_KEY"}))


def _wrong_key(bench: Bench) -> None:
    bench.set_variable("LITELLM_API_KEY", "sk-not-the-key-of-the-house")
    _no_key(bench)


def _other_models(bench: Bench) -> None:
    use(bench, litellm(bench.new_backend(models=["local-lama", "local-coder"])))


def _cloud_model(bench: Bench) -> None:
    names = {"local-llama": "gpt-oss:120b-cloud", "local-coder": "gpt-oss:120b-cloud"}
    use(bench, ollama(bench.new_backend(models=["gpt-oss:120b-cloud"]), models=names))


def _malicious_proxy(bench: Bench) -> None:
    page = {"status": "healthy", "litellm_version": "1.82.7"}
    use(bench, litellm(bench.new_backend(pages={"/health/readiness": (200, page)})))


def _cuts(bench: Bench) -> None:
    use(bench, litellm(bench.new_backend(window=4096)))


FAULTS: Faults = {
    "backend.resolve": Fault(_nowhere, Status.WARNING, ()),
    "backend.reachable": Fault(_refused, Status.WARNING, ()),
    "backend.auth": (Fault(_no_key, options=()), Fault(_wrong_key, options=())),
    "backend.models": Fault(_other_models, options=()),
    "backend.cloud": Fault(_cloud_model, Status.WARNING, ()),
    "backend.litellm-version": (
        Fault(_malicious_proxy, options=()),
        Fault(lambda bench: packages(bench, "litellm-1.82.8.dist-info/METADATA"), options=()),
    ),
    "backend.answer": Fault(
        lambda bench: use(bench, litellm(bench.new_backend(answer=""))), options=("--deep",)
    ),
    "backend.context": Fault(_cuts, options=("--deep",)),
}
