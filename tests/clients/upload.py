"""The official Python client, unchanged, against the server in ENDPOINT with the file in FILE. Uploads the file with a
checksum for each chunk; uploads it again with a stop in the middle, and resumes with another uploader that finds the URL of
the first. Prints one line of JSON with the results."""

import json
import os
import tempfile

import requests
from tusclient import client
from tusclient.fingerprint import fingerprint
from tusclient.storage import filestorage

ENDPOINT, FILE, NAME = (os.environ[name] for name in ("ENDPOINT", "FILE", "NAME"))
METADATA = {"filename": NAME, "filetype": "text/csv"}
CHUNK = 8 << 20


def imported(url):
    response = requests.head(url, headers={"Tus-Resumable": "1.0.0"})
    response.raise_for_status()
    return response.headers["Loadify-Import"]


tus = client.TusClient(ENDPOINT)
checked = tus.uploader(FILE, chunk_size=CHUNK, metadata=METADATA, upload_checksum=True)
checked.upload()

with tempfile.TemporaryDirectory() as folder:
    storage = filestorage.FileStorage(os.path.join(folder, "urls"))
    options = dict(chunk_size=CHUNK, metadata=METADATA, store_url=True, url_storage=storage, retries=3)
    first = tus.uploader(FILE, **options)
    first.upload(stop_at=20 << 20)
    second = tus.uploader(FILE, fingerprinter=fingerprint.Fingerprint(), **options)
    resumed_at = second.offset
    second.upload()
    assert second.url == first.url, (first.url, second.url)

print(json.dumps({"checked": imported(checked.url), "resumed": imported(second.url), "resumedAt": resumed_at}))
