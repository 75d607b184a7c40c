// The official JavaScript client, unchanged, against the server in ENDPOINT with the file in FILE. Uploads the file with its
// length deferred; uploads it with an abort in the middle and a resume; starts it a third time, and terminates it. Prints one
// line of JSON with the results.
const fs = require("node:fs");
const os = require("node:os");
const path = require("node:path");
const { PassThrough } = require("node:stream");
const tus = require("tus-js-client");

const { ENDPOINT: endpoint, FILE: file, NAME: filename } = process.env;
const size = fs.statSync(file).size;
const metadata = { filename, filetype: "text/csv" };
const seen = { deferred: null, resumed: null, resumedAt: null, deleted: null };

function send(options, source) {
  return new Promise((resolve, reject) => {
    let imported = null;
    const upload = new tus.Upload(source ?? fs.createReadStream(file), {
      endpoint,
      metadata,
      chunkSize: 8 << 20,
      retryDelays: [0, 200, 1000],
      onAfterResponse: (_, response) => {
        imported = response.getHeader("Loadify-Import") ?? imported;
      },
      onError: reject,
      onSuccess: () => resolve({ imported, url: upload.url }),
      ...options(() => upload, resolve),
    });
    if (!options(() => upload, resolve).urlStorage) upload.start();
    else {
      upload.findPreviousUploads().then((previous) => {
        if (previous.length > 0) upload.resumeFromPreviousUpload(previous[0]);
        upload.start();
      }, reject);
    }
  });
}

// Aborts once `at` bytes are sent; `terminate` deletes the upload as well.
function aborting(at, terminate) {
  return (upload, resolve) => {
    let aborted = false;
    return {
      onProgress: (sent) => {
        if (aborted || sent < at) return;
        aborted = true;
        const url = upload().url;
        upload().abort(terminate).then(() => resolve({ url }));
      },
    };
  };
}

async function main() {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "tus-"));
  try {
    // A stream whose length the client does not know.
    const endless = fs.createReadStream(file).pipe(new PassThrough());
    seen.deferred = (await send(() => ({ uploadLengthDeferred: true }), endless)).imported;

    const urlStorage = new tus.FileUrlStorage(path.join(folder, "urls"));
    const storing = { urlStorage, fingerprint: async () => "the file", removeFingerprintOnSuccess: true };
    const stream = () => fs.createReadStream(file);
    const first = await send((upload, resolve) => ({ ...storing, ...aborting(20 << 20, false)(upload, resolve) }), stream());
    let startedAt = null;
    const again = await send(() => ({
      ...storing,
      onBeforeRequest: (request) => {
        if (request.getMethod() === "PATCH") startedAt ??= Number(request.getHeader("Upload-Offset"));
      },
    }), stream());
    if (again.url !== first.url) throw new Error(`created again: ${first.url}, ${again.url}`);
    seen.resumed = again.imported;
    seen.resumedAt = startedAt;

    seen.deleted = (await send(aborting(10 << 20, true))).url;
  } finally {
    fs.rmSync(folder, { recursive: true });
  }
  console.log(JSON.stringify({ ...seen, size }));
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
