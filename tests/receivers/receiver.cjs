// A receiver that verifies messages with the official library. Prints its port; answers 200 only to messages with a valid
// signature, and only after the library has rejected the same message with one byte flipped.
const http = require("node:http");
const { Webhook, WebhookVerificationError } = require("standardwebhooks");

const webhook = new Webhook(process.env.SECRET);

function verifies(body, headers) {
  try {
    webhook.verify(body, headers);
    return true;
  } catch (error) {
    if (error instanceof WebhookVerificationError) return false;
    throw error;
  }
}

const server = http.createServer(async (request, response) => {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  const body = Buffer.concat(chunks);
  const flipped = Buffer.from(body);
  flipped[body.length >> 1] ^= 1;
  const otherId = { ...request.headers, "webhook-id": request.headers["webhook-id"] + "x" };
  if (!verifies(body.toString(), request.headers)) response.statusCode = 401;
  else if (verifies(flipped.toString("latin1"), request.headers)) response.statusCode = 500;
  else if (verifies(body.toString(), otherId)) response.statusCode = 500;
  else response.statusCode = 200;
  response.end();
});
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
