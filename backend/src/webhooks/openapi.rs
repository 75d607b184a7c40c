//! The messages in the OpenAPI document, under `webhooks`.

use serde_json::{Map, Value, json};
use shared::webhook::WebhookEvent;
use utoipa::openapi::{OpenApi, path::Paths};

use crate::webhooks::message;

/// What a receiver can rely on.
const GUARANTEES: &str = "Standard Webhooks 1.0. Sent at least once; the same `webhook-id` is the same event. The first \
    attempts for the messages of one product are made one after another, in the order of its changes; a message whose first \
    attempt failed may arrive after a later one. `data.product.version` grows with each change of a product: ignore a \
    message whose version is lower than the last one of that product. The messages of different products, and of imports, \
    are in no particular order, and those of single changes are sent before those of mass changes.";

/// Adds the messages to the document.
pub fn describe(document: &mut OpenApi) {
    let messages: Map<String, Value> =
        WebhookEvent::all().map(|event| (event.as_str().to_owned(), json!({ "post": operation(event) }))).collect();
    let paths: Paths = serde_json::from_value(messages.into()).expect("the operations below are valid OpenAPI");
    document.webhooks = Some(paths);
}

fn operation(event: WebhookEvent) -> Value {
    let header = |name: &str, description: &str| json!({ "name": name, "in": "header", "required": true, "description": description, "schema": { "type": "string" } });
    json!({
        "tags": ["webhooks"],
        "operationId": event.as_str().replace('.', "_"),
        "summary": event.description(),
        "description": GUARANTEES,
        "parameters": [
            header("webhook-id", "The same on every attempt and redelivery, and for every receiver"),
            header("webhook-timestamp", "Time of this attempt, in seconds since 1970"),
            header("webhook-signature", "`v1,` and the HMAC-SHA256, in base64, of `id.timestamp.body`; for 24 hours after a rotation two of them, separated by a space"),
        ],
        "requestBody": { "required": true, "content": { "application/json": { "schema": {
            "type": "object",
            "required": ["type", "timestamp", "data"],
            "properties": {
                "type": { "type": "string", "enum": [event.as_str()] },
                "timestamp": { "type": "string", "format": "date-time", "description": "Time of the event" },
                "data": message::schema(event),
            },
        } } } },
        "responses": {
            "2XX": { "description": "Accepted. Any other status, and no complete response within 15 seconds, is retried: ten attempts within about three days" },
            "410": { "description": "No further messages, please: disables the webhook" },
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_message_documents_the_version_that_decides_between_two() {
        let mut document = OpenApi::default();
        describe(&mut document);
        let document = serde_json::to_value(document).expect("JSON");
        for event in WebhookEvent::all() {
            let post = &document["webhooks"][event.as_str()]["post"];
            let description = post["description"].as_str().unwrap_or_default();
            assert!(description.contains("`data.product.version`"), "{event:?}: {post}");
        }
    }
}
