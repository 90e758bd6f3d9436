# SPDX-License-Identifier: Apache-2.0
"""ask.py URL [JSON]: prints the answer; what curl does, where there is none."""

import sys
import urllib.request

url, body = sys.argv[1], sys.argv[2].encode() if len(sys.argv) > 2 else None
request = urllib.request.Request(url, body, {"Content-Type": "application/json"} if body else {})
with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=10) as answer:
    print(answer.read().decode())
