//! What messages say: `{"type", "timestamp", "data"}`.

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Map, Value, json};
use shared::{
    import::Import,
    product::{Field, Product, ProductInput},
    webhook::WebhookEvent,
};

/// The body of a message, byte by byte what is signed.
pub fn body(kind: WebhookEvent, at: DateTime<Utc>, data: &Value) -> String {
    let at = at.to_rfc3339_opts(SecondsFormat::Micros, true);
    // By hand, since the order of a map is that of its names, and people read this.
    format!(r#"{{"type":"{}","timestamp":"{at}","data":{data}}}"#, kind.as_str())
}

/// Data of `product.created`, and of `product.deleted`: the product, as it is or last was.
pub fn product(product: &Product) -> Value {
    json!({ "product": product })
}

/// Data of `product.updated`: the product as it is now, and each field that is other than before.
pub fn product_change(before: &Product, after: &Product) -> Value {
    let fields = |product: &Product| {
        let values = ProductInput::from(product.clone());
        let own = Field::ALL.into_iter().map(|field| (field.as_str().to_owned(), field.value(&values).into()));
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
    json!({ "product": after, "changed": changed })
}

/// Data of `import.completed` and `import.failed`: the import with its balance sheet.
pub fn import(import: &Import) -> Value {
    json!({ "import": import })
}

/// Made-up data, for a test.
pub fn sample(kind: WebhookEvent, at: DateTime<Utc>) -> Value {
    let after = Product {
        id: 0,
        sku: "SAMPLE-1".into(),
        name: "A product that does not exist".into(),
        description: "Sent to try out a webhook".into(),
        active: true,
        attributes: [("colour".into(), "green".into())].into(),
        version: 2,
        import: None,
        created_at: at,
        updated_at: at,
    };
    match kind {
        WebhookEvent::Test => json!({ "message": "It works." }),
        WebhookEvent::ProductCreated | WebhookEvent::ProductDeleted => product(&after),
        WebhookEvent::ProductUpdated => {
            let before = Product { name: "Its name before".into(), active: false, ..after.clone() };
            product_change(&before, &after)
        }
        WebhookEvent::ImportCompleted | WebhookEvent::ImportFailed => sample_import(kind, at),
    }
}

fn sample_import(kind: WebhookEvent, at: DateTime<Utc>) -> Value {
    let failed = kind == WebhookEvent::ImportFailed;
    let counts = shared::import::Counts { read: 6, created: 1, updated: 2, unchanged: 1, duplicates: 1, rejected: 1 };
    import(&Import {
        id: 0,
        file_name: "sample.csv".into(),
        size_bytes: Some(240),
        sha256: Some("0".repeat(64)),
        status: if failed { shared::job::JobStatus::Failed } else { shared::job::JobStatus::Completed },
        phase: None,
        cancelling: false,
        rows_total: Some(6),
        bytes_scanned: 240,
        counts,
        last_seq: 5,
        error: failed.then(|| "Made up, to try out a webhook.".into()),
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

#[cfg(test)]
mod tests {
    use super::*;

    fn tea() -> Product {
        let at = "2026-11-24T10:00:00Z".parse().expect("a time");
        let data = sample(WebhookEvent::ProductCreated, at);
        serde_json::from_value(data["product"].clone()).expect("a product")
    }

    #[test]
    fn an_update_names_each_field_that_is_other_than_before_and_no_other() {
        let before = tea();
        let mut after = Product { name: "Tea".into(), active: false, version: 3, ..before.clone() };
        after.attributes = [("size".into(), "XL".into())].into();
        let data = product_change(&before, &after);
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
        assert_eq!(product_change(&before, &before)["changed"], json!({}));
    }

    #[test]
    fn a_body_is_json_with_type_time_and_data_whatever_the_product_holds() {
        let mut product = tea();
        product.name = "\"quoted\"\n\u{2028} <b>".into();
        let text = body(WebhookEvent::ProductDeleted, product.created_at, &self::product(&product));
        let json: Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(json["type"], "product.deleted");
        assert_eq!(json["timestamp"], "2026-11-24T10:00:00.000000Z");
        assert_eq!(json["data"]["product"]["name"], product.name);
    }

    #[test]
    fn there_is_a_sample_of_every_kind() {
        let at = tea().created_at;
        for kind in WebhookEvent::CHOICES.into_iter().chain([WebhookEvent::Test]) {
            assert!(sample(kind, at).as_object().is_some_and(|data| !data.is_empty()), "{kind:?}");
        }
    }
}
