# pip install standardwebhooks flask
import os

from flask import Flask, abort, request
from standardwebhooks import Webhook, WebhookVerificationError

app = Flask(__name__)
webhook = Webhook(os.environ["LOADIFY_SECRET"])  # whsec_...


@app.post("/hooks/loadify")
def loadify():
    try:
        message = webhook.verify(request.get_data(), dict(request.headers))
    except WebhookVerificationError:
        abort(401)
    print(message["type"], message["data"])
    return "", 204
