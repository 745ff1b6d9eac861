"""Holds what Segue sends and what its scripted provider answers against the providers' own client packages.

One JSON object a line comes in, one goes out: `{"faults": ["/pointer: what is wrong", ...]}`.

- `{"what": "request", "api", "path", "headers", "body"}`: the body fits the types that the package has for requests, with no
  field more; and the package's client, told the same, sends the same body to the same place with the same headers.
- `{"what": "events" | "answer", "api", "body"}`: a list of stream events, or one whole answer, fits the types for answers.

Nothing is sent anywhere: the clients get a transport that keeps what they send.
"""

import json
import sys
from functools import cache
from typing import List, Mapping, Union

import anthropic
import httpx
import httpx2
import ollama
import openai
from anthropic.types import Message, RawMessageStreamEvent
from anthropic.types.message_create_params import MessageCreateParamsStreaming
from anthropic.types.shared import ErrorResponse
from google import genai
from google.genai import types as gemini
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.chat.completion_create_params import CompletionCreateParamsStreaming
from openai.types.responses import Response, ResponseStreamEvent
from openai.types.responses.response_create_params import ResponseCreateParamsStreaming
from pydantic import TypeAdapter, ValidationError
from pydantic_core import SchemaValidator
from typing_extensions import Literal, Required, TypedDict

# The version of Anthropic's protocol that still has a temperature.
BEFORE = "2023-06-01"
# What a client may say of itself beside what the protocol wants.
HEADERS = ["authorization", "x-api-key", "anthropic-version", "x-goog-api-key", "content-type"]


class OllamaFunction(ollama._types.Tool.Function):
    # Any JSON Schema; the package names some words of it.
    parameters: Mapping[str, object]


class OllamaTool(ollama._types.Tool):
    function: OllamaFunction


class OllamaCall(ollama.Message.ToolCall):
    # Newer servers give calls ids, which the package does not know yet.
    id: str | None = None


class OllamaMessage(ollama.Message):
    images: List[str] | None = None
    tool_calls: List[OllamaCall] | None = None


class OllamaChat(ollama._types.ChatRequest):
    messages: List[OllamaMessage]
    tools: List[OllamaTool] | None = None
    options: ollama.Options | None = None


class OllamaAnswer(ollama.ChatResponse):
    message: OllamaMessage


class GeminiRequest(gemini._common.BaseModel):
    contents: List[gemini.Content]
    system_instruction: gemini.Content | None = None
    generation_config: gemini.GenerationConfig | None = None
    tools: List[gemini.Tool] | None = None
    tool_config: gemini.ToolConfig | None = None


class Ping(TypedDict):
    type: Required[Literal["ping"]]


class AnthropicBefore(MessageCreateParamsStreaming, total=False):
    # What the version before takes for models that know it; the package's notes on migration say how to send it.
    temperature: float
    top_p: float


TYPES = {
    ("request", "chat"): CompletionCreateParamsStreaming,
    ("request", "responses"): ResponseCreateParamsStreaming,
    ("request", "anthropic"): MessageCreateParamsStreaming,
    ("request", "anthropic before"): AnthropicBefore,
    ("request", "gemini"): GeminiRequest,
    ("request", "ollama"): OllamaChat,
    ("events", "chat"): ChatCompletionChunk,
    ("events", "responses"): ResponseStreamEvent,
    # The package handles the last two before it looks at types.
    ("events", "anthropic"): Union[RawMessageStreamEvent, Ping, ErrorResponse],
    ("events", "gemini"): gemini.GenerateContentResponse,
    ("events", "ollama"): OllamaAnswer,
    ("answer", "chat"): ChatCompletion,
    ("answer", "responses"): Response,
    ("answer", "anthropic"): Message,
    ("answer", "gemini"): gemini.GenerateContentResponse,
    ("answer", "ollama"): OllamaAnswer,
}


def exact(schema):
    """A schema that looks into everything: iterables now and not when they are read, words of a list and no others."""
    if isinstance(schema, (list, tuple)):
        return type(schema)(exact(item) for item in schema)
    if not isinstance(schema, Mapping):
        return schema
    schema = {key: exact(value) for key, value in schema.items()}
    if schema.get("type") == "generator":
        schema["type"] = "list"
    if schema.get("type") == "enum":
        # Google's enums take every word in every case, and make it one of theirs.
        schema["type"] = "literal"
        schema["expected"] = [member.value for member in schema.pop("members")]
        schema = {key: schema[key] for key in schema if key in ("type", "expected", "ref")}
    return schema


@cache
def validator(what, api):
    return SchemaValidator(exact(TypeAdapter(TYPES[what, api]).core_schema), _use_prebuilt=False)


def misfits(what, api, body):
    """Where a body does not fit its type.

    Of the alternatives at a place, those that are of another `type` or `role` say nothing, nor do those not looked into as far.
    """
    try:
        text = json.dumps(body)
        validator(what, api).validate_json(text, strict=True, extra="forbid", by_alias=True, by_name=False)
        return []
    except ValidationError as error:
        wrong = error.errors(include_url=False, include_input=False)
    other = [w["loc"][:-1] for w in wrong if w["type"] == "literal_error" and w["loc"][-1] in ("type", "role")]
    meant = [w for w in wrong if not any(w["loc"][: len(place)] == place for place in other)] or wrong
    found = [(pointer(body, w["loc"]), w["msg"]) for w in meant]
    deepest = {}
    for place, _ in found:
        deepest[field(place)] = max(deepest.get(field(place), 0), place.count("/"))
    return list(dict.fromkeys(f"{at}: {what}" for at, what in found if at.count("/") == deepest[field(at)]))


def field(place):
    """The field of the body that a place is in."""
    return place.split("/")[1] if "/" in place else ""


def pointer(body, place):
    """The JSON pointer of a place, without the names of alternatives that are in it."""
    parts = []
    for at, part in enumerate(place):
        is_field = isinstance(body, dict) and part in body
        is_item = isinstance(body, list) and isinstance(part, int) and part < len(body)
        if is_field or is_item:
            body = body[part]
            parts.append(part)
        elif at == len(place) - 1 and isinstance(body, dict) and str(part).isidentifier():
            parts.append(part)
    return "".join(f"/{part}" for part in parts)


class Sent(Exception):
    """A request that a client would have sent."""

    def __init__(self, request):
        self.request = request


def keep(request):
    raise Sent(request)


def told(api, path, key, body):
    """What a client sends when it is told this."""
    client = client_of(api, key, path.split("/")[1])
    if api == "chat":
        client.chat.completions.create(**body)
    elif api == "responses":
        client.responses.create(**body)
    elif api == "anthropic":
        more = {name: body.pop(name) for name in ("temperature", "top_p") if name in body}
        before = {"anthropic-version": BEFORE} if more else None
        client.messages.create(**body, extra_body=more or None, extra_headers=before)
    elif api == "gemini":
        config = {**body.pop("generationConfig"), **body}
        model, contents = path.split("/models/")[1].split(":")[0], config.pop("contents")
        next(client.models.generate_content_stream(model=model, contents=contents, config=config))
    else:
        next(client.chat(**body))


@cache
def client_of(api, key, version):
    """The client of a provider, with a transport that keeps what it sends."""
    old, new = (library.Client(transport=library.MockTransport(keep)) for library in (httpx, httpx2))
    if api == "anthropic":
        # Both headers with keys are published; the client prefers the other one.
        return anthropic.Anthropic(default_headers={"x-api-key": key}, max_retries=0, http_client=new)
    if api == "gemini":
        return genai.Client(api_key=key, http_options={"httpx_client": old, "api_version": version})
    if api == "ollama":
        return ollama.Client(headers={"authorization": f"Bearer {key}"}, transport=httpx.MockTransport(keep))
    return openai.OpenAI(api_key=key, max_retries=0, http_client=new)


def otherwise(api, path, headers, body):
    """How a client's own request differs from this one."""
    key = next((headers[name].removeprefix("Bearer ") for name in HEADERS[:2] + HEADERS[3:4] if name in headers), "")
    try:
        told(api, path, key, dict(body))
        return [": the client sent nothing"]
    except Exception as error:
        cause = error
        while cause and not isinstance(cause, Sent):
            cause = cause.__cause__ or cause.__context__
        if cause is None:
            return [f": the client refuses it: {type(error).__name__}: {error}"]
    sent = cause.request
    faults = []
    where = sent.url.raw_path.decode()
    if where != path:
        faults.append(f": sent to {path}, by the client to {where}")
    for name in HEADERS:
        if headers.get(name) != sent.headers.get(name):
            faults.append(f": header {name} is another than the client's")
    told_again = json.loads(sent.content)
    if api == "gemini":
        told_again, body = camel(told_again), camel(body)
    # The client of Ollama leaves words of schemas out that it does not know.
    if api != "ollama" and told_again != body:
        faults.append(f": the client sends {sent.content.decode()}")
    return faults


def camel(value):
    """The same in the one of Google's two spellings that is sent here; its client mixes them."""
    if isinstance(value, list):
        return [camel(item) for item in value]
    if isinstance(value, dict):
        return {"".join([n[:1], n.title().replace("_", "")[1:]]) if "_" in n else n: camel(v) for n, v in value.items()}
    return value


def faults(line):
    what, api, body = line["what"], line["api"], line["body"]
    if what == "events":
        return [f"/{at}{fault}" for at, event in enumerate(body) for fault in misfits(what, api, event)]
    if what == "answer":
        return misfits(what, api, body)
    headers = line["headers"]
    spoken = "anthropic before" if headers.get("anthropic-version") == BEFORE else api
    return misfits(what, spoken, body) or otherwise(api, line["path"], headers, body)


for line in sys.stdin:
    print(json.dumps({"faults": faults(json.loads(line))}), flush=True)
