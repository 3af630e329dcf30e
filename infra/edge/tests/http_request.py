"""One request, from inside another network namespace: http_request.py URL [PICTURE]."""

import sys
import urllib.request
from pathlib import Path

request = urllib.request.Request(sys.argv[1])
if len(sys.argv) > 2:
    picture = Path(sys.argv[2]).read_bytes()
    request = urllib.request.Request(sys.argv[1], picture, {"content-type": "image/png"})
with urllib.request.urlopen(request, timeout=30) as answer:
    sys.stdout.write(answer.read().decode())
