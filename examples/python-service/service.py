"""GET / greets the user of a valid access token."""

import json
import os
import re
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from verifier import Refused, Unavailable, Verifier

verifier = Verifier(
    os.environ.get("POSTERN_GRPC", "127.0.0.1:9090"),
    os.environ["TOKEN"],
    os.environ.get("ISSUER", "http://127.0.0.1:8080"),
    os.environ.get("AUDIENCE", "postern-demo"),
)


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        values = self.headers.get_all("authorization") or []
        bearer = re.fullmatch(r"bearer +([\w.~+/-]+=*)", values[0], re.I | re.A) if len(values) == 1 else None
        try:
            if bearer is None:
                return self.answer(401, {"www-authenticate": 'Bearer realm="postern"'})
            claims = verifier.verify(bearer[1])
        except Refused:
            return self.answer(401, {"www-authenticate": 'Bearer error="invalid_token"'})
        except Unavailable:
            return self.answer(503, {"retry-after": "1"})
        return self.answer(200, {}, {"hello": claims["sub"]})

    def answer(self, status, headers, body=None):
        text = json.dumps(body or {}).encode()
        self.send_response(status)
        for name, value in {"content-type": "application/json", "content-length": str(len(text)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(text)


ThreadingHTTPServer(("127.0.0.1", int(os.environ.get("PORT", "3000"))), Handler).serve_forever()
