//! Creating, changing, deleting and restoring a product.

use futures_util::future::join_all;
use reqwest::{Method, Response};
use serde_json::{Value, json};
use shared::{
    problem::{ErrorCode, Problem},
    product::Product,
};
use tests::{TestApp, app::problem};

/// Status and body of an error, without the parts that all errors share.
async fn error(response: Response) -> String {
    let Problem { status, code, detail, errors, product, .. } = problem(response).await;
    let fields: Vec<_> = errors.iter().map(|error| format!("{} {}", error.field, error.message)).collect();
    format!("{status} {code:?} {detail} {fields:?} {product:?}")
}

#[tokio::test]
async fn a_product_is_created_and_read_with_its_version() {
    let app = TestApp::start().await;
    let input = json!({ "sku": " TEA-1 ", "name": "Tea", "attributes": { "colour": "green", "empty": "" } });
    let response = app.ask(Method::POST, "/api/v1/products", &[], &input).await;
    assert_eq!(response.status(), 201);
    let location = response.headers()["location"].to_str().unwrap().to_owned();
    assert_eq!(response.headers()["etag"], "\"1\"");
    let product: Product = response.json().await.unwrap();
    assert_eq!(location, format!("/api/v1/products/{}", product.id));
    assert_eq!((product.sku.as_str(), product.active, product.import), ("TEA-1", true, None));
    assert_eq!(product.attributes.iter().collect::<Vec<_>>(), [(&"colour".to_owned(), &"green".to_owned())]);

    let response = app.get(&location).await;
    assert_eq!(response.headers()["etag"], "\"1\"");
    assert_eq!(response.json::<Product>().await.unwrap(), product);
    for (known, status) in [("\"1\"", 304), ("W/\"1\"", 304), ("*", 304), ("\"2\"", 200)] {
        let response = app.ask(Method::GET, &location, &[("If-None-Match", known)], &Value::Null).await;
        assert_eq!(response.status(), status, "{known}");
        assert_eq!(response.headers()["etag"], "\"1\"");
    }
}

#[tokio::test]
async fn an_invalid_product_is_refused_with_an_error_for_each_field() {
    let app = TestApp::start().await;
    let mut seen = Vec::new();
    for input in [
        json!({ "sku": " ", "name": "", "attributes": { "Name": "x", " ": "y" } }),
        json!({ "sku": "a\u{0}b", "name": "A" }),
        json!({ "sku": "a", "name": "x".repeat(501) }),
        json!({ "sku": "a" }),
        json!({ "sku": "a", "name": "b", "price": 3 }),
    ] {
        seen.push(error(app.ask(Method::POST, "/api/v1/products", &[], &input).await).await);
    }
    let text = app.client.post(app.url("/api/v1/products")).body("sku=a").send().await.unwrap();
    seen.push(error(text).await);
    let bare = app.client.post(app.url("/api/v1/products")).header("Content-Type", "application/json").body("{");
    seen.push(error(bare.send().await.unwrap()).await);
    seen.push(error(app.get("/api/v1/products/seven").await).await);
    seen.push(error(app.get("/api/v1/products/7").await).await);
    insta::assert_debug_snapshot!(seen, @r#"
    [
        "422 Invalid Some parameters are not valid. [\"sku is missing\", \"name is missing\", \"attributes. is missing\", \"attributes.Name is the name of a product field\"] None",
        "400 BadRequest A text in the body contains NUL (\\u0000), which cannot be stored. [] None",
        "422 Invalid Some parameters are not valid. [\"name has 501 characters; at most 500 are allowed\"] None",
        "400 BadRequest The body is not valid: missing field `name` at line 1 column 11. [] None",
        "400 BadRequest The body is not valid: unknown field `price`, expected one of `sku`, `name`, `description`, `active`, `attributes` at line 1 column 29. [] None",
        "415 UnsupportedMediaType The body must be JSON, with Content-Type: application/json. [] None",
        "400 BadRequest The body is not valid: EOF while parsing an object at line 1 column 1. [] None",
        "404 NotFound /api/v1/products/seven does not exist. [] None",
        "404 NotFound Product 7 does not exist. [] None",
    ]
    "#);
    assert_eq!(app.db.number("SELECT count(*) FROM products").await, 0);
}

#[tokio::test]
async fn a_change_needs_the_version_that_it_applies_to() {
    let app = TestApp::start().await;
    let product = app.create(json!({ "sku": "TEA-1", "name": "Tea" })).await;
    let path = format!("/api/v1/products/{}", product.id);
    let whole = json!({ "sku": "TEA-1", "name": "Green tea" });
    let mut seen = Vec::new();
    for (method, headers) in [
        (Method::PATCH, &[][..]),
        (Method::PUT, &[]),
        (Method::PATCH, &[("If-Match", "\"2\"")]),
        (Method::PATCH, &[("If-Match", "W/\"1\"")]),
        (Method::PUT, &[("If-Match", "\"2\"")]),
        (Method::PUT, &[("If-Match", "1")]),
        (Method::DELETE, &[("If-Match", "\"2\"")]),
    ] {
        let body = if method == Method::PATCH { json!({ "name": "Green tea" }) } else { whole.clone() };
        seen.push(format!("{method} {}", error(app.ask(method.clone(), &path, headers, &body).await).await));
    }
    insta::assert_debug_snapshot!(seen, @r#"
    [
        "PATCH 428 PreconditionRequired If-Match is missing; send the ETag of the version that you want to change. [] None",
        "PUT 428 PreconditionRequired If-Match is missing; send the ETag of the version that you want to change. [] None",
        "PATCH 412 PreconditionFailed The product was changed in the meantime and is at version 1; get it and repeat the change on that version. [] None",
        "PATCH 412 PreconditionFailed The product was changed in the meantime and is at version 1; get it and repeat the change on that version. [] None",
        "PUT 412 PreconditionFailed The product was changed in the meantime and is at version 1; get it and repeat the change on that version. [] None",
        "PUT 400 BadRequest If-Match: 1 is not an ETag; send it with its quotes, for example If-Match: \"2\". [] None",
        "DELETE 412 PreconditionFailed The product was changed in the meantime and is at version 1; get it and repeat the change on that version. [] None",
    ]
    "#);
    assert_eq!(app.product(product.id).await, product);

    let response = app.ask(Method::PUT, &path, &[("If-Match", "*")], &whole).await;
    assert_eq!((response.status().as_u16(), response.headers()["etag"].to_str().unwrap()), (200, "\"2\""));
    let response = app.ask(Method::PATCH, &path, &[("If-Match", "\"1\", \"2\"")], &json!({ "active": false })).await;
    assert_eq!((response.status().as_u16(), response.headers()["etag"].to_str().unwrap()), (200, "\"3\""));
    let changed = app.product(product.id).await;
    assert_eq!((changed.name.as_str(), changed.active, changed.version), ("Green tea", false, 3));
    assert!(changed.updated_at > product.updated_at && changed.created_at == product.created_at);
    let response = app.ask(Method::DELETE, &path, &[("If-Match", "\"3\"")], &Value::Null).await;
    assert_eq!(response.status(), 204);
    assert_eq!(app.send(Method::DELETE, &path).await.status(), 404);
}

#[tokio::test]
async fn a_merge_patch_keeps_absent_fields_and_a_put_does_not() {
    let app = TestApp::start().await;
    let product = app
        .create(json!({ "sku": "a", "name": "A", "description": "d", "active": false, "attributes": { "x": "1", "y": "2" } }))
        .await;
    let path = format!("/api/v1/products/{}", product.id);
    let request = app.client.patch(app.url(&path)).header("If-Match", "\"1\"");
    let request = request.header("Content-Type", "application/merge-patch+json");
    let response = request.body(r#"{"attributes": {"x": null, "z": "3"}}"#).send().await.unwrap();
    let patched: Product = response.json().await.unwrap();
    assert_eq!((patched.description.as_str(), patched.active), ("d", false));
    assert_eq!(serde_json::to_value(&patched.attributes).unwrap(), json!({ "y": "2", "z": "3" }));
    let whole = json!({ "sku": "A", "name": "A" });
    let put: Product = app.ask(Method::PUT, &path, &[("If-Match", "\"2\"")], &whole).await.json().await.unwrap();
    assert_eq!((put.sku.as_str(), put.description.as_str(), put.active), ("A", "", true));
    assert!(put.attributes.is_empty());
}

#[tokio::test]
async fn a_change_without_a_difference_writes_nothing() {
    let app = TestApp::start().await;
    let product = app.create(json!({ "sku": "a", "name": "A", "attributes": { "x": "1" } })).await;
    let traces = "SELECT count(*) FROM search_segments";
    let before = app.db.number(traces).await;
    for change in
        [json!({}), json!({ "name": "A", "active": true }), json!({ "name": " A ", "attributes": { "y": "" } })]
    {
        let response = app.patch(product.id, 1, change).await;
        assert_eq!(response.json::<Product>().await.unwrap(), product);
    }
    assert_eq!(app.db.number(traces).await, before);
    app.patch(product.id, 1, json!({ "name": "B" })).await;
    assert_eq!(app.db.number(traces).await, before + 1);
}

#[tokio::test]
async fn the_valid_fields_of_an_imported_product_can_be_changed_when_others_are_not_valid() {
    let app = TestApp::start().await;
    // The second column gets a name of its own, which is longer than the form allows.
    let header = "x".repeat(500);
    app.import(format!("sku,name,{header},{header}\na,A,1,2\n")).await;
    let id = app.db.number("SELECT id FROM products").await;
    let version = app.product(id).await.version;
    assert_eq!(app.patch(id, version, json!({ "active": false })).await.status(), 200);
    assert_eq!(app.patch(id, version + 1, json!({ "name": "" })).await.status(), 422);
}

#[tokio::test]
async fn a_sku_is_taken_in_any_case() {
    let app = TestApp::start().await;
    let first = app.create(json!({ "sku": "TEA-Ä", "name": "Tea" })).await;
    let second = app.create(json!({ "sku": "cup", "name": "Cup" })).await;
    let response = app.ask(Method::POST, "/api/v1/products", &[], &json!({ "sku": "tea-ä", "name": "x" })).await;
    let taken = problem(response).await;
    assert_eq!((taken.status, taken.code, taken.product), (409, ErrorCode::SkuTaken, Some(first.id)));
    insta::assert_snapshot!(taken.detail.replace(&first.id.to_string(), "[id]"), @r#"The SKU TEA-Ä belongs to product [id], "Tea"; change that one, or choose another SKU."#);
    let taken = problem(app.patch(second.id, 1, json!({ "sku": "Tea-ä" })).await).await;
    assert_eq!((taken.status, taken.product), (409, Some(first.id)));
    // Its own SKU in another case does not belong to another product.
    assert_eq!(app.patch(second.id, 1, json!({ "sku": "CUP" })).await.status(), 200);
}

#[tokio::test]
async fn of_twenty_changes_of_one_version_one_succeeds() {
    let app = TestApp::start().await;
    let product = app.create(json!({ "sku": "a", "name": "A" })).await;
    let changes = (0..20).map(|n| app.patch(product.id, 1, json!({ "name": format!("Name {n}") })));
    let mut statuses: Vec<_> = join_all(changes).await.iter().map(|response| response.status().as_u16()).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [&[200][..], &[412; 19]].concat());
    assert_eq!(app.product(product.id).await.version, 2);
}

#[tokio::test]
async fn of_many_concurrent_creations_of_one_sku_one_succeeds() {
    let app = TestApp::start().await;
    for round in 0..5 {
        let inputs: Vec<_> = (0..12)
            .map(|n| json!({ "sku": if n % 2 == 0 { format!("RACE-É-{round}") } else { format!("race-é-{round}") }, "name": "x" }))
            .collect();
        let creates = inputs.iter().map(|input| app.ask(Method::POST, "/api/v1/products", &[], input));
        let mut statuses = Vec::new();
        for response in join_all(creates).await {
            statuses.push(response.status().as_u16());
            if response.status() == 409 {
                let problem = problem(response).await;
                assert_eq!(problem.code, ErrorCode::SkuTaken);
                assert!(problem.product.is_some());
            }
        }
        statuses.sort_unstable();
        assert_eq!(statuses, [&[201][..], &[409; 11]].concat());
    }
    assert_eq!(app.db.number("SELECT count(*) FROM products").await, 5);
}

#[tokio::test]
async fn a_restored_product_is_as_before_its_deletion() {
    let app = TestApp::start().await;
    let product = app.create(json!({ "sku": "a", "name": "A", "active": false, "attributes": { "x": "1" } })).await;
    app.patch(product.id, 1, json!({ "description": "d" })).await;
    let product = app.product(product.id).await;
    app.delete(product.id).await;
    assert_eq!(app.get(&format!("/api/v1/products/{}", product.id)).await.status(), 404);
    let outcome = app.restore(&[product.id, product.id + 7]).await;
    assert_eq!((outcome.restored, outcome.lost), (vec![product.id], vec![product.id + 7]));
    assert_eq!(app.product(product.id).await, product);
    assert_eq!(app.restore(&[product.id]).await.lost, [product.id], "it exists");
}

#[tokio::test]
async fn a_deleted_product_is_lost_when_its_sku_is_taken_or_after_an_hour() {
    let app = TestApp::start().await;
    let [first, second, late] = [
        app.create(json!({ "sku": "a", "name": "first" })).await,
        app.create(json!({ "sku": "b", "name": "second" })).await,
        app.create(json!({ "sku": "c", "name": "late" })).await,
    ];
    assert_eq!(app.bulk("delete", &[first.id, second.id, late.id]).await, 3);
    app.create(json!({ "sku": "A", "name": "other" })).await;
    app.db
        .execute("UPDATE deleted_products SET deleted_at = now() - interval '61 minutes' WHERE product ->> 'sku' = 'c'")
        .await;
    let outcome = app.restore(&[late.id, second.id, first.id]).await;
    assert_eq!((outcome.restored, outcome.lost), (vec![second.id], vec![first.id, late.id]));
    tests::eventually("the deleted product to be purged", || async {
        (app.db.number("SELECT count(*) FROM deleted_products WHERE product ->> 'sku' = 'c'").await == 0).then_some(())
    })
    .await;
    assert_eq!(app.db.number("SELECT count(*) FROM deleted_products").await, 1, "the other can still be restored");
}

#[tokio::test]
async fn of_two_deleted_products_with_one_sku_the_last_deleted_is_restored() {
    let app = TestApp::start().await;
    let first = app.create(json!({ "sku": "a", "name": "first" })).await;
    app.delete(first.id).await;
    let second = app.create(json!({ "sku": "A", "name": "second" })).await;
    app.delete(second.id).await;
    let outcome = app.restore(&[first.id, second.id]).await;
    assert_eq!((outcome.restored, outcome.lost), (vec![second.id], vec![first.id]));
}
