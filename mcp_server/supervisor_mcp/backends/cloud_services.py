"""The hosts of the known services that run models for others, as data."""

import re

HOSTS = frozenset(
    """
    ai-gateway.vercel.sh ai.azure.com ai.cloud.ovh.net ai21.com aliyuncs.com anthropic.com
    api-inference.huggingface.co api-inference.modelscope.cn api.clarifai.com api.cloudflare.com
    api.friendli.ai api.hyperbolic.xyz api.lambda.ai api.llama.com api.scaleway.ai api.studio.nebius.com
    bigmodel.cn cerebras.ai cognitiveservices.azure.com cohere.ai cohere.com deepinfra.com deepseek.com
    fireworks.ai gateway.ai.cloudflare.com github.ai githubcopilot.com googleapis.com groq.com
    inference.api.nscale.com integrate.api.nvidia.com minimax.io minimaxi.com mistral.ai ml.cloud.ibm.com
    moonshot.ai moonshot.cn novita.ai ollama.com openai.azure.com openai.com openrouter.ai perplexity.ai
    poe.com replicate.com requesty.ai router.huggingface.co sambanova.ai siliconflow.cn siliconflow.com
    snowflakecomputing.com together.ai together.xyz volces.com voyageai.com x.ai z.ai
    """.split()  # noqa: SIM905 - a list with one host a line would be longer than the code that uses it
)
# A machine that one rents at Amazon is one's own; its services for models are not.
_AMAZON = re.compile(r"(bedrock|runtime\.sagemaker)[a-z-]*\..*\.amazonaws\.com")


def is_service(host: str) -> bool:
    """Whether a host is that of a known service, or below one."""
    lower = host.lower().rstrip(".")
    labels = lower.split(".")
    return any(".".join(labels[at:]) in HOSTS for at in range(len(labels))) or bool(_AMAZON.fullmatch(lower))
