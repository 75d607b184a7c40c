//! The catalogue as a file.

use std::collections::BTreeMap;

use reqwest::Method;
use serde_json::json;
use shared::job::JobStatus;
use tests::{TestApp, app::problem};

/// Returns everything that an export contains, by SKU.
async fn content(app: &TestApp) -> BTreeMap<String, (String, String, String, String)> {
    let rows = app
        .db
        .client
        .query("SELECT sku_key, sku, name, description, attributes::text FROM products", &[])
        .await
        .unwrap();
    rows.iter().map(|row| (row.get(0), (row.get(1), row.get(2), row.get(3), row.get(4)))).collect()
}

const HOSTILE: [&str; 30] = [
    "=1+1",
    "+1",
    "-1",
    "@cmd",
    "'=1",
    "''=1",
    "'",
    "''",
    "'quoted'",
    "a=1",
    "=\"x\"",
    "\tx",
    "\rx",
    "'\tx",
    "a\nb",
    "a\r\nb",
    "\n",
    "say \"hi\"",
    "\"",
    "a;b|c\td",
    ",",
    "  spaces  ",
    "größe ☕ 𝄞",
    "\u{feff}bom",
    "NULL",
    "-",
    "x;=1+1",
    "'x;'=1",
    "two\n@lines\r\n=1",
    "-5;+3.50",
];

#[tokio::test]
async fn an_export_of_hostile_values_is_imported_to_the_same_data() {
    for options in ["", "?bom=true&delimiter=;", "?delimiter=tab"] {
        hostile_values_come_back(options).await;
    }
}

async fn hostile_values_come_back(options: &str) {
    let app = TestApp::start().await;
    for (n, value) in HOSTILE.iter().enumerate() {
        let solid = value.trim();
        let (sku, name) = if solid.is_empty() { ("x", "x") } else { (solid, solid) };
        app.create(json!({ "sku": format!("{sku}{n}"), "name": name, "description": value,
            "attributes": { format!("of {n}"): value, format!("{sku} {n}"): "x", "=SUM(A1)": value, "'+odd": "-1", "a,\"b\";\nc": "y" } }))
            .await;
    }
    app.create(json!({ "sku": "plain", "name": "no description, no attributes" })).await;
    let before = content(&app).await;
    assert_eq!(before.len(), HOSTILE.len() + 1);

    let response = app.get(&format!("/api/v1/products/export.csv{options}")).await;
    assert_eq!(response.headers()["content-type"], "text/csv; charset=utf-8");
    let disposition = response.headers()["content-disposition"].to_str().unwrap().to_owned();
    assert!(disposition.starts_with("attachment; filename=\"products-20") && disposition.ends_with(".csv\""));
    let file = response.bytes().await.unwrap();
    assert_eq!(file.starts_with("\u{feff}".as_bytes()), options.contains("bom"));
    let delimiter = if options.ends_with("tab") {
        b'\t'
    } else if options.ends_with(';') {
        b';'
    } else {
        b','
    };
    let mut reader = csv::ReaderBuilder::new().has_headers(false).delimiter(delimiter).from_reader(&file[..]);
    for record in reader.records() {
        for cell in &record.unwrap() {
            assert!(!cell.starts_with(['\t', '\r']), "a spreadsheet would trim {cell:?}");
            for part in cell.split([';', '\n', '\r']) {
                let runs = part.starts_with(['=', '+', '-', '@']) && part.parse::<f64>().is_err();
                assert!(!runs, "a spreadsheet would run {part:?} of {cell:?}");
            }
        }
    }
    let deleted = app.send(Method::DELETE, &format!("/api/v1/products?confirm={}", before.len())).await;
    assert_eq!(deleted.status(), 200);
    let import = app.import(file).await;
    assert_eq!((import.status, import.counts.rejected), (JobStatus::Completed, 0));
    assert_eq!(content(&app).await, before);
}

#[tokio::test]
async fn an_export_contains_exactly_the_products_of_the_filter_or_the_ids() {
    let app = TestApp::start().await;
    let rows: String =
        (0..2_500).map(|n| format!("s{n:04},{},{n}\n", if n % 2 == 0 { "Tea" } else { "Cup" })).collect();
    app.import(format!("sku,name,size\n{rows}")).await;
    let colourful = app.create(json!({ "sku": "c", "name": "Jug", "attributes": { "colour": "red" } })).await;
    let lines = async |query: &str| -> Vec<String> {
        let response = app.get(&format!("/api/v1/products/export.csv?{query}")).await;
        assert_eq!(response.status(), 200, "{query}");
        let text = response.text().await.unwrap();
        text.split_terminator("\r\n").map(str::to_owned).collect()
    };
    let all = lines("").await;
    assert_eq!((all.len(), all[0].as_str()), (2_502, "sku,name,description,colour,size"));
    // Partitions are written in parallel, so ids do not follow the order of the file.
    let mut found = all[1..].to_vec();
    found.sort_unstable();
    let mut expected: Vec<_> =
        (0..2_500).map(|n| format!("s{n:04},{},,,{n}", if n % 2 == 0 { "Tea" } else { "Cup" })).collect();
    expected.insert(0, "c,Jug,,red,".into());
    assert_eq!(found, expected);
    let tea = lines("q=tea").await;
    assert_eq!((tea.len(), tea[0].as_str()), (1_251, "sku,name,description,size"));
    assert_eq!(tea[1..].iter().filter(|line| line.contains(",Tea,")).count(), 1_250);
    let named = lines(&format!("ids={},{}", colourful.id, colourful.id + 1)).await;
    assert_eq!(named, ["sku,name,description,colour", "c,Jug,,red"]);
    assert_eq!(lines("q=nothing").await, ["sku,name,description"]);

    let mut seen = Vec::new();
    for query in ["ids=1,x", "ids=", "ids=1&q=tea", "active=perhaps", "colour=red"] {
        let problem = problem(app.get(&format!("/api/v1/products/export.csv?{query}")).await).await;
        let fields: Vec<_> = problem.errors.iter().map(|error| format!("{} {}", error.field, error.message)).collect();
        seen.push(format!("{query}: {} {} {fields:?}", problem.status, problem.detail));
    }
    insta::assert_debug_snapshot!(seen, @r#"
    [
        "ids=1,x: 422 Some parameters are not valid. [\"ids must be numbers, separated by commas\"]",
        "ids=: 422 Some parameters are not valid. [\"ids must be numbers, separated by commas\"]",
        "ids=1&q=tea: 422 Some parameters are not valid. [\"ids cannot be combined with a filter\"]",
        "active=perhaps: 400 A query parameter is not valid: Query deserialize error: provided string was not `true` or `false`; see /api/docs. []",
        "colour=red: 422 Some parameters are not valid. [\"colour is not a parameter of this operation; it has: q, active, has_description, created_from, created_to, updated_from, updated_to, import, ids, bom, delimiter\"]",
    ]
    "#);
}

#[tokio::test]
async fn products_with_many_and_long_attributes_are_exported_in_bounded_memory() {
    let app = TestApp::start().await;
    // 100 products with 100 attributes of 20,000 characters: 200 MB.
    app.db
        .execute(
            "INSERT INTO products (sku_key, sku, name, attributes) \
             SELECT 's' || n, 'S' || n, 'Product', \
                 (SELECT jsonb_object_agg('a' || a, repeat(chr(97 + a % 26), 20000)) FROM generate_series(1, 100) a) \
             FROM generate_series(1, 100) n",
        )
        .await;
    let mut response = app.get("/api/v1/products/export.csv").await;
    let mut bytes = 0;
    while let Some(chunk) = response.chunk().await.unwrap() {
        bytes += chunk.len();
    }
    assert!(bytes > 200_000_000, "{bytes} bytes");
    let status = std::fs::read_to_string(format!("/proc/{}/status", app.web.id())).unwrap();
    let peak = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
    let kilobytes: u64 = peak.split_whitespace().nth(1).unwrap().parse().unwrap();
    assert!(kilobytes < 150_000, "the web process used {kilobytes} kB");
}

#[tokio::test]
async fn an_export_with_more_attributes_than_a_file_can_have_columns_is_refused() {
    let app = TestApp::start().await;
    app.db
        .execute(
            "INSERT INTO products (sku_key, sku, name, attributes) \
             SELECT 's' || n, 'S' || n, 'Product', jsonb_build_object('a' || n, 'x') FROM generate_series(1, 2001) n",
        )
        .await;
    let refused = problem(app.get("/api/v1/products/export.csv").await).await;
    assert_eq!(refused.status, 400);
    assert!(refused.detail.contains("more than 2000 different attributes"), "{}", refused.detail);
    assert_eq!(app.get("/api/v1/products/export.csv?q=s2001").await.status(), 200);
}
