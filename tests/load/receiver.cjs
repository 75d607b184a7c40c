// A receiver for `scripts/bench webhooks` as a customer would write it: Node.js with the official library. Prints its
// port; answers 204 only to messages with a valid signature.
const http = require("node:http");
const { Webhook } = require("standardwebhooks");

const webhook = new Webhook(process.env.SECRET);
const server = http.createServer(async (request, response) => {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  try {
    webhook.verify(Buffer.concat(chunks), request.headers);
    response.statusCode = 204;
  } catch {
    response.statusCode = 401;
  }
  response.end();
});
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
