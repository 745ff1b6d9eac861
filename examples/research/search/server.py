"""An MCP server over its pipes with one tool, `web`: it searches a folder of saved pages. Standard library only.

    python3 server.py FOLDER

A page is a text file: its title, its address, an empty line, its text. A page fits the better the more of the words of
the query it has; words of its title count three times.
"""

import json
import re
import sys
from pathlib import Path

WEB = {
    "name": "web",
    "title": "Search saved pages",
    "description": "Searches saved pages of the web. Gives the best ones with title, address and text.",
    "inputSchema": {
        "type": "object",
        "properties": {
            "query": {"type": "string", "description": "a few words", "minLength": 1},
            "limit": {"type": "integer", "description": "most pages, 3 if left out", "minimum": 1, "maximum": 10},
        },
        "required": ["query"],
        "additionalProperties": False,
    },
    "outputSchema": {
        "type": "object",
        "properties": {
            "pages": {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {"title": {"type": "string"}, "url": {"type": "string"}, "text": {"type": "string"}},
                    "required": ["title", "url", "text"],
                },
            },
        },
        "required": ["pages"],
    },
    "annotations": {"readOnlyHint": True, "openWorldHint": False},
}


def words(text):
    return re.findall(r"\w+", text.lower())


def read(path):
    title, url, _, *text = path.read_text(encoding="utf-8").splitlines()
    return {"title": title, "url": url, "text": " ".join(line for line in text if line)}


def score(page, wanted):
    titled, said = words(page["title"]), words(page["text"])
    return sum(3 * titled.count(word) + said.count(word) for word in wanted)


def search(pages, query, limit=3):
    wanted = set(words(query))
    found = [(score(page, wanted), page) for page in pages]
    found = [(points, page) for points, page in found if points > 0]
    found.sort(key=lambda entry: -entry[0])
    return {"pages": [page for _, page in found[:limit]]}


def call(pages, params):
    if params["name"] != WEB["name"]:
        return {"isError": True, "content": [{"type": "text", "text": f"there is no tool {params['name']}"}]}
    result = search(pages, **params.get("arguments", {}))
    return {"structuredContent": result, "content": [{"type": "text", "text": json.dumps(result)}]}


def answer(pages, method, params):
    if method == "initialize":
        return {
            "protocolVersion": params["protocolVersion"],
            "capabilities": {"tools": {}},
            "serverInfo": {"name": "saved-pages", "version": "1"},
        }
    if method == "tools/list":
        return {"tools": [WEB]}
    if method == "tools/call":
        return call(pages, params)
    if method == "ping":
        return {}
    return None


def main(folder):
    pages = [read(path) for path in sorted(Path(folder).glob("*.txt"))]
    for line in sys.stdin:
        request = json.loads(line)
        if "id" not in request or "method" not in request:
            continue
        reply = {"jsonrpc": "2.0", "id": request["id"]}
        result = answer(pages, request["method"], request.get("params", {}))
        if result is None:
            reply["error"] = {"code": -32601, "message": f"there is no method {request['method']}"}
        else:
            reply["result"] = result
        print(json.dumps(reply), flush=True)


main(sys.argv[1])
