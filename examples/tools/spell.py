"""A tool in another language: its arguments are one JSON object on stdin, its result is one JSON value on stdout."""

import json
import re
import sys

KNOWN = set("a agent is it model of pipeline program run segue step that the this tool with".split())

text = json.load(sys.stdin)["text"]
words = re.findall(r"[a-z]+", text.lower())
if not words:
    # Another exit status than 0, and what was said last is the error.
    sys.exit("there is no word in the text")
json.dump(sorted(set(words) - KNOWN), sys.stdout)
