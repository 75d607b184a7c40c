// npm install standardwebhooks express
import express from "express";
import { Webhook } from "standardwebhooks";

const app = express();
const webhook = new Webhook(process.env.LOADIFY_SECRET); // whsec_...

app.post("/hooks/loadify", express.raw({ type: "application/json" }), (request, response) => {
  let message;
  try {
    message = webhook.verify(request.body, request.headers);
  } catch {
    return response.sendStatus(401);
  }
  console.log(message.type, message.data);
  response.sendStatus(204);
});

app.listen(3000);
