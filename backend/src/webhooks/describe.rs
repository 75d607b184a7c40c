//! The messages in the OpenAPI document, under `webhooks`.

use serde_json::{Map, Value, json};
use shared::webhook::WebhookEvent;
use utoipa::openapi::{OpenApi, path::Paths};

/// Adds what is sent to webhooks to the document.
pub fn describe(document: &mut OpenApi) {
    let messages: Map<String, Value> = WebhookEvent::CHOICES
        .into_iter()
        .chain([WebhookEvent::Test])
        .map(|kind| (kind.as_str().to_owned(), json!({ "post": operation(kind) })))
        .collect();
    let paths: Paths = serde_json::from_value(messages.into()).expect("what stands below is OpenAPI");
    document.webhooks = Some(paths);
}

fn operation(kind: WebhookEvent) -> Value {
    let header = |name: &str, description: &str| json!({ "name": name, "in": "header", "required": true, "description": description, "schema": { "type": "string" } });
    let (summary, data) = data(kind);
    json!({
        "tags": ["webhooks"],
        "operationId": kind.as_str().replace('.', "_"),
        "summary": summary,
        "description": "Standard Webhooks 1.0. Sent at least once and in no certain order; the same `webhook-id` is the same event.",
        "parameters": [
            header("webhook-id", "The same on every attempt and redelivery, and for every receiver"),
            header("webhook-timestamp", "When this attempt was made, in seconds since 1970"),
            header("webhook-signature", "`v1,` and the HMAC-SHA256, in base64, of `id.timestamp.body`; two of them, with a space between, for 24 hours after a rotation"),
        ],
        "requestBody": { "required": true, "content": { "application/json": { "schema": {
            "type": "object",
            "required": ["type", "timestamp", "data"],
            "properties": {
                "type": { "type": "string", "enum": [kind.as_str()] },
                "timestamp": { "type": "string", "format": "date-time", "description": "When it happened" },
                "data": data,
            },
        } } } },
        "responses": {
            "2XX": { "description": "Taken. Anything else, and no whole answer within 15 seconds, is tried again, ten times within about three days" },
            "410": { "description": "Do not call any more: switches the webhook off" },
        },
    })
}

/// A summary, and the schema of `data`.
fn data(kind: WebhookEvent) -> (&'static str, Value) {
    let schema = |name: &str| json!({ "$ref": format!("#/components/schemas/{name}") });
    let object = |properties: Value| {
        let names: Vec<_> = properties.as_object().into_iter().flatten().map(|(name, _)| name.clone()).collect();
        json!({ "type": "object", "required": names, "properties": properties })
    };
    let field = json!({ "type": ["string", "boolean", "null"] });
    let changed = json!({
        "type": "object",
        "description": "Each field that is other than before; attributes as `attributes.{name}`, `null` where there is none",
        "additionalProperties": object(json!({ "from": field, "to": field })),
    });
    match kind {
        WebhookEvent::ProductCreated => {
            ("A person has made a product.", object(json!({ "product": schema("Product") })))
        }
        WebhookEvent::ProductUpdated => {
            ("A person has changed a product.", object(json!({ "product": schema("Product"), "changed": changed })))
        }
        WebhookEvent::ProductDeleted => (
            "A person has deleted a product; it is shown as it last was.",
            object(json!({ "product": schema("Product") })),
        ),
        WebhookEvent::ImportCompleted => {
            ("An import is complete; its counts are the balance sheet.", object(json!({ "import": schema("Import") })))
        }
        WebhookEvent::ImportFailed => {
            ("An import was given up; `error` says why.", object(json!({ "import": schema("Import") })))
        }
        WebhookEvent::Test => ("A person tries out the webhook.", object(json!({ "message": { "type": "string" } }))),
    }
}
