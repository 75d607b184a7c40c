// The official server, for comparison: prints its port. MAX_SIZE is the largest file, in bytes; FOLDER is where it stores.
import http from "node:http";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

// An import does not look into NODE_PATH.
const require = createRequire(import.meta.url);
const load = (name) => import(pathToFileURL(require.resolve(name)));
const { Server } = await load("@tus/server");
const { FileStore } = await load("@tus/file-store");

const tus = new Server({
  path: "/api/v1/uploads",
  datastore: new FileStore({ directory: process.env.FOLDER, expirationPeriodInMilliseconds: 24 * 3600 * 1000 }),
  maxSize: Number(process.env.MAX_SIZE),
  relativeLocation: true,
});
const server = http.createServer((request, response) => tus.handle(request, response));
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
