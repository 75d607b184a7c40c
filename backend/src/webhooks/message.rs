//! The messages: `{"type", "timestamp", "data"}`, with a sample and a schema of the data of each event.

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Map, Value, json};
use shared::{
    import::{Counts, Import},
    job::JobStatus,
    product::{Field, Product, ProductInput},
    webhook::WebhookEvent,
};

/// What a message says.
#[derive(Debug, Clone)]
pub struct Message {
    pub data: Value,
    /// The product that it is about: messages of one product are sent in order.
    pub product_id: Option<i64>,
}

/// Returns the body of a message, exactly as it is signed.
pub fn body(event: WebhookEvent, at: DateTime<Utc>, data: &Value) -> String {
    let at = at.to_rfc3339_opts(SecondsFormat::Micros, true);
    // Without `json!`, which sorts the names: this order is easier to read.
    format!(r#"{{"type":"{}","timestamp":"{at}","data":{data}}}"#, event.as_str())
}

/// Returns the message of `product.created` and `product.deleted`: the product as it is, or last was.
pub fn product(product: &Product) -> Message {
    Message { data: json!({ "product": product }), product_id: Some(product.id) }
}

/// Returns the message of `product.updated`: the product as it is now, and each field that differs from before.
pub fn product_change(before: &Product, after: &Product) -> Message {
    let fields = |product: &Product| {
        let values = ProductInput::from(product.clone());
        let own = Field::ALL.into_iter().map(|field| (field.as_str().to_owned(), field.value(&values)));
        let mut fields: Map<String, Value> = own.collect();
        for (name, value) in &product.attributes {
            fields.insert(format!("attributes.{name}"), value.as_str().into());
        }
        fields
    };
    let (before, now) = (fields(before), fields(after));
    let names = before.keys().chain(now.keys().filter(|name| !before.contains_key(*name)));
    let value = |fields: &Map<String, Value>, name: &String| fields.get(name).cloned().unwrap_or_default();
    let changed: Map<String, Value> = names
        .filter(|name| before.get(*name) != now.get(*name))
        .map(|name| (name.clone(), json!({ "from": value(&before, name), "to": value(&now, name) })))
        .collect();
    Message { data: json!({ "product": after, "changed": changed }), product_id: Some(after.id) }
}

/// Returns the message of `import.completed` and `import.failed`: the import with its counts.
pub fn import(import: &Import) -> Message {
    Message { data: json!({ "import": import }), product_id: None }
}

/// Returns made-up data for a test. The message is about no product.
pub fn sample(event: WebhookEvent, at: DateTime<Utc>) -> Message {
    let after = Product {
        id: 0,
        sku: "SAMPLE-1".into(),
        name: "A product that does not exist".into(),
        description: "Sent to test a webhook".into(),
        active: true,
        attributes: [("colour".into(), "green".into())].into(),
        version: 2,
        import: None,
        created_at: at,
        updated_at: at,
    };
    let message = match event {
        WebhookEvent::Test | WebhookEvent::Unknown => {
            Message { data: json!({ "message": "It works." }), product_id: None }
        }
        WebhookEvent::ProductCreated | WebhookEvent::ProductDeleted => product(&after),
        WebhookEvent::ProductUpdated => {
            let before = Product { name: "Its name before".into(), active: false, ..after.clone() };
            product_change(&before, &after)
        }
        WebhookEvent::ImportCompleted | WebhookEvent::ImportFailed => sample_import(event, at),
    };
    Message { product_id: None, ..message }
}

fn sample_import(event: WebhookEvent, at: DateTime<Utc>) -> Message {
    let failed = event == WebhookEvent::ImportFailed;
    let counts = Counts { read: 6, created: 1, updated: 2, unchanged: 1, duplicates: 1, rejected: 1 };
    import(&Import {
        id: 0,
        file_name: "sample.csv".into(),
        size_bytes: Some(240),
        sha256: Some("0".repeat(64)),
        status: if failed { JobStatus::Failed } else { JobStatus::Completed },
        phase: None,
        cancelling: false,
        rows_total: Some(6),
        bytes_scanned: 240,
        counts,
        last_seq: 5,
        error: failed.then(|| "Made up, to test a webhook.".into()),
        next_attempt_at: None,
        created_at: at,
        started_at: Some(at),
        finished_at: Some(at),
        file_removed_at: None,
        details_removed_at: None,
        source_url: None,
        bytes_fetched: 0,
    })
}

/// Returns the schema of `data` in the OpenAPI document.
pub fn schema(event: WebhookEvent) -> Value {
    let component = |name: &str| json!({ "$ref": format!("#/components/schemas/{name}") });
    let object = |properties: Value| {
        let names: Vec<_> = properties.as_object().into_iter().flatten().map(|(name, _)| name.clone()).collect();
        json!({ "type": "object", "required": names, "properties": properties })
    };
    let field = json!({ "type": ["string", "boolean", "number", "null"] });
    let changed = json!({
        "type": "object",
        "description": "Each field that differs from before; attributes as `attributes.{name}`, `null` where there is none",
        "additionalProperties": object(json!({ "from": field, "to": field })),
    });
    match event {
        WebhookEvent::ProductCreated | WebhookEvent::ProductDeleted => {
            object(json!({ "product": component("Product") }))
        }
        WebhookEvent::ProductUpdated => object(json!({ "product": component("Product"), "changed": changed })),
        WebhookEvent::ImportCompleted | WebhookEvent::ImportFailed => object(json!({ "import": component("Import") })),
        WebhookEvent::Test | WebhookEvent::Unknown => object(json!({ "message": { "type": "string" } })),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tea() -> Product {
        let at = "2026-11-24T10:00:00Z".parse().expect("a time");
        let data = sample(WebhookEvent::ProductCreated, at).data;
        serde_json::from_value(data["product"].clone()).expect("a product")
    }

    #[test]
    fn an_update_names_each_field_that_differs_and_no_other() {
        let before = tea();
        let mut after = Product { name: "Tea".into(), active: false, version: 3, ..before.clone() };
        after.attributes = [("size".into(), "XL".into())].into();
        let Message { data, product_id } = product_change(&before, &after);
        assert_eq!(product_id, Some(after.id));
        assert_eq!(
            data["changed"],
            json!({
                "active": { "from": true, "to": false },
                "attributes.colour": { "from": "green", "to": null },
                "attributes.size": { "from": null, "to": "XL" },
                "name": { "from": "A product that does not exist", "to": "Tea" },
            })
        );
        assert_eq!(data["product"]["version"], 3);
        assert_eq!(product_change(&before, &before).data["changed"], json!({}));
    }

    #[test]
    fn a_body_is_json_with_type_time_and_data_whatever_the_product_holds() {
        let mut product = tea();
        product.name = "\"quoted\"\n\u{2028} <b>".into();
        let text = body(WebhookEvent::ProductDeleted, product.created_at, &self::product(&product).data);
        let json: Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(json["type"], "product.deleted");
        assert_eq!(json["timestamp"], "2026-11-24T10:00:00.000000Z");
        assert_eq!(json["data"]["product"]["name"], product.name);
    }

    #[test]
    fn there_is_a_sample_of_every_event_and_it_has_the_fields_of_its_schema() {
        let at = tea().created_at;
        for event in WebhookEvent::all() {
            let Message { data, product_id } = sample(event, at);
            let mut names: Vec<_> = data.as_object().expect("an object").keys().cloned().collect();
            let mut required: Vec<String> = serde_json::from_value(schema(event)["required"].clone()).expect("names");
            names.sort();
            required.sort();
            assert!(!names.is_empty() && names == required && product_id.is_none(), "{event:?}");
        }
    }
}
