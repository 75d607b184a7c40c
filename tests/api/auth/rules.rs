//! The response of each operation to each kind of principal: one table, compared with the API's document.

use std::collections::BTreeSet;

use reqwest::{Client, Method};
use shared::auth::{Role, Scope};
use tests::{TestApp, auth::Browser};

/// An id that does not exist.
pub const NO_ID: &str = "999999999";

/// Method and path, the body, and the status for: anonymous, a viewer, an editor, an admin, a key without the scope, an
/// expired key, an ended session. Allowed requests are mostly answered with 404 or 4xx, since the object does not exist or
/// the body is empty: this is about authorization.
pub type Row = (&'static str, &'static str, Option<&'static str>, [u16; 7]);

const EMPTY: Option<&str> = Some("{}");

pub const TABLE: &[Row] = &[
    ("GET", "/livez", None, [200; 7]),
    ("GET", "/readyz", None, [200; 7]),
    ("GET", "/metrics", None, [401, 200, 200, 200, 200, 401, 401]),
    ("GET", "/api/v1/imports", None, [401, 200, 200, 200, 403, 401, 401]),
    ("POST", "/api/v1/imports", EMPTY, [401, 403, 422, 422, 403, 401, 401]),
    ("GET", "/api/v1/imports/{id}", None, [401, 404, 404, 404, 403, 401, 401]),
    ("POST", "/api/v1/imports/{id}/cancel", None, [401, 403, 404, 404, 403, 401, 401]),
    ("POST", "/api/v1/imports/{id}/retry", None, [401, 403, 404, 404, 403, 401, 401]),
    ("GET", "/api/v1/imports/{id}/events", None, [401, 404, 404, 404, 403, 401, 401]),
    ("GET", "/api/v1/imports/{id}/rejected", None, [401, 404, 404, 404, 403, 401, 401]),
    ("GET", "/api/v1/imports/{id}/rejected.csv", None, [401, 404, 404, 404, 403, 401, 401]),
    ("OPTIONS", "/api/v1/uploads", None, [204, 204, 204, 204, 204, 401, 204]),
    ("OPTIONS", "/api/v1/uploads/{id}", None, [204, 204, 204, 204, 204, 401, 204]),
    ("POST", "/api/v1/uploads", None, [401, 403, 412, 412, 403, 401, 401]),
    ("HEAD", "/api/v1/uploads/{id}", None, [401, 403, 412, 412, 403, 401, 401]),
    ("PATCH", "/api/v1/uploads/{id}", None, [401, 403, 412, 412, 403, 401, 401]),
    ("DELETE", "/api/v1/uploads/{id}", None, [401, 403, 412, 412, 403, 401, 401]),
    ("GET", "/api/v1/products", None, [401, 200, 200, 200, 403, 401, 401]),
    ("POST", "/api/v1/products", EMPTY, [401, 403, 400, 400, 403, 401, 401]),
    ("DELETE", "/api/v1/products", None, [401, 403, 403, 400, 403, 401, 401]),
    ("POST", "/api/v1/products/bulk", EMPTY, [401, 403, 400, 400, 403, 401, 401]),
    ("GET", "/api/v1/products/count", None, [401, 200, 200, 200, 403, 401, 401]),
    ("GET", "/api/v1/products/events", None, [401, 200, 200, 200, 403, 401, 401]),
    ("GET", "/api/v1/products/export.csv", None, [401, 200, 200, 200, 403, 401, 401]),
    ("GET", "/api/v1/products/index", None, [401, 200, 200, 200, 403, 401, 401]),
    ("GET", "/api/v1/products/jobs", None, [401, 200, 200, 200, 403, 401, 401]),
    ("GET", "/api/v1/products/jobs/{id}", None, [401, 404, 404, 404, 403, 401, 401]),
    ("POST", "/api/v1/products/jobs/{id}/cancel", None, [401, 403, 404, 404, 403, 401, 401]),
    ("GET", "/api/v1/products/jobs/{id}/events", None, [401, 404, 404, 404, 403, 401, 401]),
    ("POST", "/api/v1/products/jobs/{id}/undo", None, [401, 403, 404, 404, 403, 401, 401]),
    ("POST", "/api/v1/products/restore", EMPTY, [401, 403, 400, 400, 403, 401, 401]),
    ("GET", "/api/v1/products/{id}", None, [401, 404, 404, 404, 403, 401, 401]),
    ("PUT", "/api/v1/products/{id}", EMPTY, [401, 403, 400, 400, 403, 401, 401]),
    ("PATCH", "/api/v1/products/{id}", EMPTY, [401, 403, 428, 428, 403, 401, 401]),
    ("DELETE", "/api/v1/products/{id}", None, [401, 403, 404, 404, 403, 401, 401]),
    ("GET", "/api/v1/webhooks", None, [401, 403, 403, 200, 403, 401, 401]),
    ("POST", "/api/v1/webhooks", EMPTY, [401, 403, 403, 400, 403, 401, 401]),
    ("GET", "/api/v1/webhooks/deliveries", None, [401, 403, 403, 200, 403, 401, 401]),
    ("GET", "/api/v1/webhooks/deliveries/{id}", None, [401, 403, 403, 404, 403, 401, 401]),
    ("POST", "/api/v1/webhooks/deliveries/{id}/redeliver", None, [401, 403, 403, 404, 403, 401, 401]),
    ("GET", "/api/v1/webhooks/events", None, [401, 403, 403, 200, 403, 401, 401]),
    ("GET", "/api/v1/webhooks/{id}", None, [401, 403, 403, 404, 403, 401, 401]),
    ("PATCH", "/api/v1/webhooks/{id}", EMPTY, [401, 403, 403, 404, 403, 401, 401]),
    ("DELETE", "/api/v1/webhooks/{id}", None, [401, 403, 403, 404, 403, 401, 401]),
    ("POST", "/api/v1/webhooks/{id}/replay", EMPTY, [401, 403, 403, 400, 403, 401, 401]),
    ("POST", "/api/v1/webhooks/{id}/rotate", None, [401, 403, 403, 404, 403, 401, 401]),
    ("POST", "/api/v1/webhooks/{id}/test", EMPTY, [401, 403, 403, 404, 403, 401, 401]),
    ("GET", "/api/v1/session", None, [401, 200, 200, 200, 200, 401, 401]),
    ("POST", "/api/v1/session", EMPTY, [400, 400, 400, 400, 400, 401, 400]),
    ("POST", "/api/v1/session/password", EMPTY, [401, 400, 400, 400, 400, 401, 401]),
    ("POST", "/api/v1/setup", EMPTY, [400, 400, 400, 400, 400, 401, 400]),
    ("GET", "/api/v1/sessions", None, [401, 200, 200, 200, 409, 401, 401]),
    ("DELETE", "/api/v1/sessions/{id}", None, [401, 404, 404, 404, 409, 401, 401]),
    ("GET", "/api/v1/users", None, [401, 403, 403, 200, 403, 401, 401]),
    ("POST", "/api/v1/users", EMPTY, [401, 403, 403, 400, 403, 401, 401]),
    ("PATCH", "/api/v1/users/{id}", EMPTY, [401, 403, 403, 404, 403, 401, 401]),
    ("DELETE", "/api/v1/users/{id}", None, [401, 403, 403, 404, 403, 401, 401]),
    ("DELETE", "/api/v1/users/{id}/sessions", None, [401, 403, 403, 404, 403, 401, 401]),
    ("GET", "/api/v1/keys", None, [401, 403, 403, 200, 403, 401, 401]),
    ("POST", "/api/v1/keys", EMPTY, [401, 403, 403, 400, 403, 401, 401]),
    ("DELETE", "/api/v1/keys/{id}", None, [401, 403, 403, 404, 403, 401, 401]),
    ("GET", "/api/v1/audit", None, [401, 403, 403, 200, 403, 401, 401]),
    ("GET", "/api/v1/audit.csv", None, [401, 403, 403, 200, 403, 401, 401]),
    // Last: they end the session of the request.
    ("DELETE", "/api/v1/sessions", None, [401, 204, 204, 204, 409, 401, 401]),
    ("DELETE", "/api/v1/session", None, [401, 401, 401, 401, 409, 401, 401]),
];

/// Returns the operations of the API's document; another test compares it with openapi.yaml.
async fn operations(app: &TestApp, admin: &Browser) -> BTreeSet<(String, String)> {
    let document = app.json_for(&admin.client, "/api/openapi.json").await;
    let paths = document["paths"].as_object().unwrap();
    let methods = |path: &serde_json::Value| path.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    let operations = paths.iter().flat_map(|(path, operations)| {
        methods(operations).into_iter().map(|method| (method.to_uppercase(), path.clone())).collect::<Vec<_>>()
    });
    operations.collect()
}

async fn status(app: &TestApp, client: &Client, row: &Row) -> u16 {
    let method = Method::from_bytes(row.0.as_bytes()).unwrap();
    let mut request = client.request(method, app.url(&row.1.replace("{id}", NO_ID)));
    if let Some(body) = row.2 {
        let kind = if row.1 == "/api/v1/imports" { "text/csv" } else { "application/json" };
        request = request.header("content-type", kind).body(body);
    }
    request.send().await.unwrap().status().as_u16()
}

#[tokio::test]
async fn each_operation_responds_to_each_principal_as_in_the_table() {
    let app = TestApp::closed(&[]).await;
    let admin = app.admin().await;
    let listed: BTreeSet<_> = TABLE.iter().map(|row| (row.0.to_owned(), row.1.to_owned())).collect();
    assert_eq!(listed, operations(&app, &admin).await, "the table and the document have the same operations");

    let viewer = app.user(&admin, "viewer", Role::Viewer).await.1;
    let editor = app.user(&admin, "editor", Role::Editor).await.1;
    let ended = app.user(&admin, "ended", Role::Admin).await.1;
    assert_eq!(ended.client.delete(app.url("/api/v1/session")).send().await.unwrap().status(), 204);
    let (_, webhooks) = app.key(&admin, &[Scope::Webhooks]).await;
    let (_, products) = app.key(&admin, &[Scope::ProductsRead]).await;
    let (expired, expired_client) = app.key(&admin, &Scope::ALL).await;
    let sql = "UPDATE api_keys SET expires_at = now() - interval '1 s' WHERE id = $1";
    assert_eq!(app.db.client.execute(sql, &[&expired.key.id]).await.unwrap(), 1);

    let mut wrong = Vec::new();
    for row in TABLE {
        let without_scope = if row.1.starts_with("/api/v1/products") { &webhooks } else { &products };
        let clients =
            [&app.client, &viewer.client, &editor.client, &admin.client, without_scope, &expired_client, &ended.client];
        let mut found = [0; 7];
        for (index, client) in clients.into_iter().enumerate() {
            found[index] = status(&app, client, row).await;
        }
        if found != row.3 {
            wrong.push(format!("{} {}: expected {:?}, found {found:?}", row.0, row.1, row.3));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Returns every spelling of a path in which one letter is percent-encoded, which the router decodes.
fn encoded_spellings(path: &str) -> Vec<String> {
    let letters = path.char_indices().filter(|(_, letter)| letter.is_ascii_alphanumeric());
    letters.map(|(at, letter)| format!("{}%{:02x}{}", &path[..at], u32::from(letter), &path[at + 1..])).collect()
}

#[tokio::test]
async fn an_encoded_path_is_authorized_as_its_plain_spelling() {
    let app = TestApp::closed(&[]).await;
    let admin = app.admin().await;
    let viewer = app.user(&admin, "viewer", Role::Viewer).await.1;
    let mut wrong = Vec::new();
    for row in TABLE {
        // They end the session of the request, or need a body.
        if row.1.contains("session") || row.1.contains("setup") {
            continue;
        }
        let path = row.1.replace("{id}", NO_ID);
        for spelling in encoded_spellings(&path) {
            for (client, expected) in [(&app.client, row.3[0]), (&viewer.client, row.3[1])] {
                let method = Method::from_bytes(row.0.as_bytes()).unwrap();
                let found = client.request(method, app.url(&spelling)).send().await.unwrap().status().as_u16();
                // Without the body of the table an allowed request can fail for another reason.
                let is_refused = |status| matches!(status, 401 | 403);
                if is_refused(found) != is_refused(expected) {
                    wrong.push(format!("{} {spelling}: expected {expected}, found {found}", row.0));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} of them:\n{}", wrong.len(), wrong[..wrong.len().min(20)].join("\n"));
}

#[tokio::test]
async fn the_page_health_and_the_documentation_are_public() {
    let app = TestApp::closed(&[]).await;
    for (path, expected) in [
        ("/", 200),
        ("/products", 200),
        ("/livez", 200),
        ("/readyz", 200),
        ("/api/docs/", 200),
        ("/api/openapi.json", 200),
        ("/api/v1/nothing", 404),
        ("/api/v1/products?q=x", 401),
        ("/api//v1/products", 404),
        ("/API/v1/products", 200),
        ("/api/v1/products/", 404),
        ("/api/v1/%70roducts", 401),
        ("/%61pi/v1/products", 401),
        ("/%61pi/v1/nothing", 404),
        ("/metric%73", 401),
    ] {
        let response = app.get(path).await;
        assert_eq!(response.status(), expected, "{path}");
        // Every path that is not of the API is answered with the page; the documentation has pages of its own.
        if path.starts_with("/api/docs") || path == "/api/openapi.json" {
            continue;
        }
        let is_page = response.headers()["content-type"].to_str().unwrap().starts_with("text/html");
        assert_eq!(is_page, expected == 200 && !path.ends_with('z'), "{path}");
    }
}
