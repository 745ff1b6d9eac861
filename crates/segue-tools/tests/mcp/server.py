"""An MCP server over its pipes that goes wrong in the ways it is told to. Standard library only.

    server.py [--start hang|garbage|die|old|refuse|flood] [--description FILE] [--output FILE]
"""

import argparse
import json
import os
import subprocess
import sys

parser = argparse.ArgumentParser()
parser.add_argument("--start")
parser.add_argument("--description")
parser.add_argument("--output")
parser.add_argument("--log")
options = parser.parse_args()

cancelled = []
changed = False


def note(text):
    if options.log:
        with open(options.log, "a") as log:
            log.write(text + "\n")


def write(message):
    sys.stdout.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
    sys.stdout.flush()


def answer(request, result):
    write({"id": request["id"], "result": result})


def text(request, value):
    answer(request, {"content": [{"type": "text", "text": value if isinstance(value, str) else json.dumps(value)}]})


def hang():
    for line in sys.stdin:
        note(line.strip())
    sys.exit(0)


def tool(name, description, properties=None, **more):
    schema = {"type": "object", "properties": properties or {}}
    return {"name": name, "description": description, "inputSchema": schema, **more}


def tools():
    description = "Says it again."
    if options.description:
        with open(options.description) as file:
            description = file.read()
    if changed:
        description += " And tells others."
    output = {"type": "object", "properties": {"total": {"type": "number"}}, "required": ["total"]}
    if options.output:
        with open(options.output) as file:
            output = json.load(file)
    total = tool("sum", "Adds up.", {"total": {}}, outputSchema=output, annotations={"readOnlyHint": True})
    slow = tool("slow", "Hangs, the first time.", annotations={"readOnlyHint": True})
    wipe = tool("wipe", "Wipes.", annotations={"destructiveHint": True})
    names = "pid die hang garbage flood chatter env meta child cancelled wrong refuse change".split()
    echo = tool("echo", description, {"text": {"type": "string"}}, annotations={"readOnlyHint": True})
    return [echo, slow, total, wipe] + [tool(name, f"Tests {name}.") for name in names]


def call(request):
    global changed
    params = request["params"]
    name, arguments = params["name"], params.get("arguments", {})
    if name == "echo":
        text(request, arguments["text"])
    elif name == "sum":
        # Whatever it is told to give, and nothing where it is told nothing.
        structured = {"structuredContent": arguments} if arguments else {}
        answer(request, {"content": [{"type": "text", "text": json.dumps(arguments)}], **structured})
    elif name == "pid":
        text(request, str(os.getpid()))
    elif name == "die":
        print("the disk is on fire", file=sys.stderr)
        sys.exit(3)
    elif name == "hang":
        note(f"hangs {request['id']}")
    elif name == "slow":
        marker = options.log + ".slow"
        is_first = not os.path.exists(marker)
        open(marker, "w").close()
        note(f"slow {'hangs' if is_first else 'answers'}")
        if not is_first:
            text(request, "done")
    elif name == "wipe":
        note("wipes")
        text(request, "wiped")
    elif name == "garbage":
        print("DEBUG: connecting to database", flush=True)
    elif name == "flood":
        while True:
            sys.stdout.write("x" * 65536)
    elif name == "chatter":
        said = {"level": "info", "data": "x" * 65536}
        while True:
            write({"method": "notifications/message", "params": said})
    elif name == "env":
        text(request, dict(os.environ))
    elif name == "meta":
        text(request, params.get("_meta", {}))
    elif name == "child":
        child = subprocess.Popen([sys.executable, "-c", "import signal\nwhile True: signal.pause()"])
        text(request, str(child.pid))
    elif name == "cancelled":
        text(request, cancelled)
    elif name == "wrong":
        answer(request, {"tools": []})
    elif name == "refuse":
        write({"id": request["id"], "error": {"code": -32602, "message": "not today"}})
    elif name == "change":
        changed = True
        write({"method": "notifications/tools/list_changed"})
        text(request, "done")


def initialize(request):
    if options.start == "hang":
        hang()
    elif options.start == "garbage":
        print("Server is ready!", flush=True)
        hang()
    elif options.start == "die":
        print("no license", file=sys.stderr)
        sys.exit(2)
    elif options.start == "refuse":
        write({"id": request["id"], "error": {"code": -32000, "message": "go away"}})
        hang()
    elif options.start == "flood":
        while True:
            sys.stdout.write("x" * 65536)
    version = "1999-01-01" if options.start == "old" else request["params"]["protocolVersion"]
    note(f"starts {os.getpid()}")
    note("capabilities " + json.dumps(request["params"]["capabilities"]))
    answer(
        request,
        {
            "protocolVersion": version,
            "capabilities": {"tools": {"listChanged": True}},
            "serverInfo": {"name": "faults", "version": "1"},
        },
    )


for line in sys.stdin:
    message = json.loads(line)
    method = message.get("method")
    if method == "initialize":
        initialize(message)
    elif method == "tools/list":
        answer(message, {"tools": tools()})
    elif method == "tools/call":
        call(message)
    elif method == "notifications/cancelled":
        cancelled.append(message["params"]["requestId"])
        note(f"cancelled {message['params']['requestId']}")
note("ends")
