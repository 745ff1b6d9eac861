"""A provider of models on this machine that says what a file tells it to. Standard library only.

    python3 server.py answers.json [PORT]

It speaks the chat completions of OpenAI as a stream, over HTTP on loopback, and says on its first line where it listens.
Nothing in it thinks: the first rule whose `instructions` are in the system message, and whose `said` is in what was said
besides (`after`: by whom last), gives the answer. `reply` is text, or a value that is sent as JSON; `call` wants a tool called.
An answer follows from its request alone, so the same requests get the same answers in whatever order they come.
"""

import json
import re
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


def text_of(message):
    content = message.get("content") or ""
    return content if isinstance(content, str) else " ".join(part.get("text", "") for part in content)


def chosen(rules, request):
    messages = request["messages"]
    instructions = " ".join(text_of(message) for message in messages if message["role"] == "system")
    said = "\n".join(text_of(message) for message in messages if message["role"] != "system")
    for rule in rules:
        is_after = rule.get("after", messages[-1]["role"]) == messages[-1]["role"]
        if rule["instructions"] in instructions and rule.get("said", "") in said and is_after:
            return rule
    return None


def tool_call(rule, request):
    wanted = rule["call"]["tool"]
    names = [tool["function"]["name"] for tool in request.get("tools", [])]
    # Providers allow fewer characters in the name of a tool than we do.
    sent = next((name for name in names if name == re.sub(r"[^\w-]", "_", wanted)), None)
    if sent is None:
        return None
    before = sum(len(message.get("tool_calls") or []) for message in request["messages"])
    arguments = json.dumps(rule["call"]["arguments"])
    return {"id": f"call_{before + 1}", "type": "function", "function": {"name": sent, "arguments": arguments}}


def pieces(text):
    """A text in the pieces in which a model would send it."""
    return re.findall(r"\S+\s*|\s+", text) or [""]


def tokens(text):
    return len(pieces(text))


def answer(rule, request):
    """The deltas of an answer, and why it ended."""
    if "call" in rule:
        call = tool_call(rule, request)
        return ([{"tool_calls": [{"index": 0, **call}]}], "tool_calls") if call else None
    reply = rule["reply"]
    text = reply if isinstance(reply, str) else json.dumps(reply)
    return [{"content": piece} for piece in pieces(text)], "stop"


class Provider(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if not self.path.endswith("/chat/completions"):
            return self.refuse(404, f"there is nothing at {self.path}")
        rule = chosen(self.server.rules, request)
        found = rule and answer(rule, request)
        if not found:
            return self.refuse(400, "no rule of the file answers this request")
        deltas, finish = found
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True
        for delta in [{"role": "assistant"}, *deltas]:
            self.chunk(request, choices=[{"index": 0, "delta": delta, "finish_reason": None}])
        self.chunk(request, choices=[{"index": 0, "delta": {}, "finish_reason": finish}])
        asked = sum(tokens(text_of(message)) for message in request["messages"])
        usage = {"prompt_tokens": asked, "completion_tokens": len(deltas), "total_tokens": asked + len(deltas)}
        self.chunk(request, choices=[], usage=usage)
        self.wfile.write(b"data: [DONE]\n\n")

    def chunk(self, request, **fields):
        chunk = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 0, "model": request["model"], **fields}
        self.wfile.write(f"data: {json.dumps(chunk)}\n\n".encode())

    def refuse(self, status, message):
        body = json.dumps({"error": {"message": message, "type": "invalid_request_error"}}).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        """Says nothing: whoever started it reads its first line."""


def main(file, port="0"):
    with open(file, encoding="utf-8") as answers:
        rules = json.load(answers)
    server = ThreadingHTTPServer(("127.0.0.1", int(port)), Provider)
    server.rules = rules
    print(f"http://127.0.0.1:{server.server_port}/v1", flush=True)
    server.serve_forever()


main(*sys.argv[1:])
