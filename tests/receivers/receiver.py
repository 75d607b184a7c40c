"""A receiver that verifies with the official library. Prints its port; answers 200 only to messages that verify, and only
after the library has rejected the same message with a byte flipped. Uses TLS if CERTIFICATE names a folder."""

import os
import ssl
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from standardwebhooks.webhooks import Webhook, WebhookVerificationError

webhook = Webhook(os.environ["SECRET"])


def verifies(body, headers):
    try:
        webhook.verify(body, headers)
    except WebhookVerificationError:
        return False
    return True


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        names = ("webhook-id", "webhook-timestamp", "webhook-signature")
        headers = {name: self.headers[name] for name in names}
        flipped = bytearray(body)
        flipped[len(body) // 2] ^= 1
        other_id = headers | {"webhook-id": headers["webhook-id"] + "x"}
        if not verifies(body.decode(), headers):
            status = 401
        elif verifies(flipped.decode("latin-1"), headers) or verifies(body.decode(), other_id):
            status = 500
        else:
            status = 200
        self.send_response(status)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
if folder := os.environ.get("CERTIFICATE"):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(f"{folder}/cert.pem", f"{folder}/key.pem")
    server.socket = context.wrap_socket(server.socket, server_side=True)
print(server.server_port, flush=True)
server.serve_forever()
