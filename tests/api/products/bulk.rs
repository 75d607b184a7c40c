//! Changes of many products.

use reqwest::Method;
use serde_json::{Value, json};
use shared::{
    auth::Role,
    bulk::{BulkJob, BulkJobList},
    job::JobStatus,
};
use tests::{TestApp, app::problem, eventually, sse::NamedStream};

async fn filled(rows: usize, settings: &[(&'static str, &str)]) -> TestApp {
    let app = TestApp::start_with(settings).await;
    let rows: String = (0..rows).map(|n| format!("s{n:05},{} {n}\n", if n % 2 == 0 { "Tea" } else { "Cup" })).collect();
    app.import(format!("sku,name\n{rows}")).await;
    app
}

async fn ids(app: &TestApp) -> Vec<i64> {
    let rows = app.db.client.query("SELECT id FROM products ORDER BY id", &[]).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

#[tokio::test]
async fn only_the_named_products_that_differ_are_changed() {
    let app = filled(10, &[]).await;
    let ids = ids(&app).await;
    assert_eq!(app.bulk("deactivate", &ids[..4]).await, 4);
    assert_eq!(app.bulk("deactivate", &[&ids[..6], &[999_999]].concat()).await, 2);
    assert_eq!(app.db.number("SELECT count(*) FROM products WHERE NOT active AND version = 2").await, 6);
    assert_eq!(app.db.number("SELECT count(*) FROM products WHERE active AND version = 1").await, 4);
    assert_eq!(app.bulk("activate", &ids).await, 6);
    assert_eq!(app.bulk("delete", &[&ids[..3], &ids[..1]].concat()).await, 3);
    assert_eq!(app.restore(&ids[..3]).await.restored, ids[..3]);
}

#[tokio::test]
async fn a_request_without_a_clear_selection_is_refused() {
    let app = TestApp::start().await;
    let many: Vec<i64> = (0..1_001).collect();
    let mut seen = Vec::new();
    for bulk in [
        json!({ "action": "delete" }),
        json!({ "action": "activate", "filter": {} }),
        json!({ "action": "delete", "filter": { "q": "  " } }),
        json!({ "action": "delete", "all": true }),
        json!({ "action": "delete", "all": true, "count": 0, "filter": { "q": "tea" } }),
        json!({ "action": "delete", "ids": [1], "filter": {} }),
        json!({ "action": "delete", "ids": many }),
        json!({ "action": "delete", "filter": { "q": "x".repeat(201) } }),
        json!({ "action": "delete", "filter": { "colour": "red" } }),
        json!({ "action": "burn", "ids": [1] }),
    ] {
        let problem = problem(app.ask(Method::POST, "/api/v1/products/bulk", &[], &bulk).await).await;
        let fields: Vec<_> = problem.errors.iter().map(|error| format!("{} {}", error.field, error.message)).collect();
        seen.push(format!("{} {} {fields:?}", problem.status, problem.detail));
    }
    insta::assert_debug_snapshot!(seen, @r#"
    [
        "422 Some parameters are not valid. [\"all must be true to change every product; otherwise name the products by ids or by a filter\"]",
        "422 Some parameters are not valid. [\"all must be true to change every product; otherwise name the products by ids or by a filter\"]",
        "422 Some parameters are not valid. [\"all must be true to change every product; otherwise name the products by ids or by a filter\"]",
        "422 Some parameters are not valid. [\"count is missing; set it to the number of products that /api/v1/products/count returns\"]",
        "422 Some parameters are not valid. [\"all cannot be combined with a filter that has conditions\"]",
        "422 Some parameters are not valid. [\"ids cannot be combined with filter, all or count\"]",
        "422 Some parameters are not valid. [\"ids has 1001 ids; must be 1 to 1000\"]",
        "422 Some parameters are not valid. [\"q has 201 characters; at most 200 are allowed\"]",
        "400 The body is not valid: unknown field `colour`, expected one of `q`, `active`, `has_description`, `created_from`, `created_to`, `updated_from`, `updated_to`, `import` at line 1 column 37. []",
        "422 Some parameters are not valid. [\"action is not known; known are activate, deactivate, delete\"]",
    ]
    "#);
    for (method, path) in [
        (Method::GET, "/api/v1/products/jobs/7"),
        (Method::GET, "/api/v1/products/jobs/7/events"),
        (Method::POST, "/api/v1/products/jobs/7/cancel"),
        (Method::POST, "/api/v1/products/jobs/7/undo"),
        (Method::GET, "/api/v1/products/jobs/seven"),
    ] {
        assert_eq!(problem(app.send(method, path).await).await.status, 404, "{path}");
    }
}

#[tokio::test]
async fn a_job_changes_all_matches_and_nothing_that_was_created_later() {
    let app = filled(100, &[("BULK_BATCH_ROWS", "7")]).await;
    let job = app.begin_job("deactivate", json!({ "q": "tea" })).await;
    assert_eq!((job.total, job.filter.q.as_str()), (50, "tea"));
    let end = app.end_of_job(job.id).await;
    assert_eq!((end.status, end.total, end.done, end.changed), (JobStatus::Completed, 50, 50, 50));
    assert!(end.finished_at.is_some());
    assert_eq!(app.job(job.id).await, end);
    assert_eq!(app.db.number("SELECT count(*) FROM products WHERE NOT active AND name LIKE 'Tea%'").await, 50);
    // Its own changes remove products from the filter; none is skipped or counted twice.
    app.create(json!({ "sku": "new", "name": "Tea" })).await;
    let job = app.begin_job("activate", json!({ "active": false })).await;
    let end = app.end_of_job(job.id).await;
    assert_eq!((end.total, end.done, end.changed), (50, 50, 50));
    let job = app.begin_job("delete", json!({ "q": "cup" })).await;
    let end = app.end_of_job(job.id).await;
    assert_eq!((end.done, end.changed), (50, 50));
    assert_eq!(app.db.number("SELECT count(*) FROM deleted_products").await, 0, "a job keeps no copies");
    assert_eq!(app.db.number("SELECT count(*) FROM products").await, 51);
}

#[tokio::test]
async fn a_job_ignores_products_that_are_created_while_it_waits() {
    let app = TestApp::serve(&[("BULK_BATCH_ROWS", "3")]).await;
    for n in 0..10 {
        app.create(json!({ "sku": format!("s{n}"), "name": "Tea" })).await;
    }
    let job = app.begin_job("delete", json!({})).await;
    app.create(json!({ "sku": "later", "name": "Tea" })).await;
    let _worker = app.worker(&[]).await;
    let end = app.end_of_job(job.id).await;
    assert_eq!((end.status, end.done, end.changed), (JobStatus::Completed, 10, 10));
    assert_eq!(app.db.number("SELECT count(*) FROM products WHERE sku = 'later'").await, 1);
}

#[tokio::test]
async fn a_job_for_an_empty_catalogue_completes() {
    let app = TestApp::start().await;
    let job = app.begin_job("delete", json!({})).await;
    let end = app.end_of_job(job.id).await;
    assert_eq!((end.status, end.total, end.done, end.changed), (JobStatus::Completed, 0, 0, 0));
}

#[tokio::test]
async fn a_job_is_cancelled_before_it_starts_and_while_it_runs() {
    let app = TestApp::serve(&[("BULK_BATCH_ROWS", "1")]).await;
    let worker = app.worker(&[]).await;
    let rows: String = (0..3_000).map(|n| format!("s{n},Tea\n")).collect();
    app.import(format!("sku,name\n{rows}")).await;
    let job = app.begin_job("deactivate", json!({})).await;
    let running = eventually("the job to move", || async {
        let job = app.job(job.id).await;
        (job.done > 0).then_some(job)
    })
    .await;
    assert_eq!(running.status, JobStatus::Running);
    let cancel = format!("/api/v1/products/jobs/{}/cancel", job.id);
    assert_eq!(app.send(Method::POST, &cancel).await.status(), 200);
    let end = app.end_of_job(job.id).await;
    assert_eq!((end.status, end.done), (JobStatus::Cancelled, end.changed));
    assert!(end.done < 3_000, "it completed before it could be cancelled");
    assert_eq!(app.db.number("SELECT count(*) FROM products WHERE NOT active").await, end.changed);
    assert_eq!(app.send(Method::POST, &cancel).await.status(), 200, "a second request changes nothing");

    drop(worker);
    let job = app.begin_job("delete", json!({})).await;
    let cancel = format!("/api/v1/products/jobs/{}/cancel", job.id);
    let cancelled: BulkJob = app.send(Method::POST, &cancel).await.json().await.unwrap();
    assert_eq!((cancelled.status, cancelled.done), (JobStatus::Cancelled, 0));
    let _worker = app.worker(&[]).await;
    let job = app.begin_job("activate", json!({ "q": "nothing" })).await;
    assert_eq!(app.end_of_job(job.id).await.status, JobStatus::Completed);
    let late = app.send(Method::POST, &format!("/api/v1/products/jobs/{}/cancel", job.id)).await;
    assert_eq!(problem(late).await.status, 409);
    let list: BulkJobList = serde_json::from_value(app.json("/api/v1/products/jobs").await).unwrap();
    let statuses: Vec<_> = list.items.iter().map(|job| job.status).collect();
    assert_eq!(statuses, [JobStatus::Completed, JobStatus::Cancelled, JobStatus::Cancelled], "the newest first");
}

#[tokio::test]
async fn a_client_that_reconnects_after_the_last_event_gets_204() {
    let app = TestApp::start().await;
    let job = app.begin_job("delete", json!({})).await;
    app.end_of_job(job.id).await;
    let request = app.client.get(app.url(&format!("/api/v1/products/jobs/{}/events", job.id)));
    assert_eq!(NamedStream::open(request.header("Last-Event-ID", "last")).await.status, 204);
}

#[tokio::test]
async fn a_job_and_an_import_of_the_same_products_both_complete() {
    let app = filled(3_000, &[("BULK_BATCH_ROWS", "50"), ("IMPORT_BATCH_ROWS", "100")]).await;
    let rows: String = (0..3_000).rev().map(|n| format!("s{n:05},New tea {n}\n")).collect();
    let import = app.upload(format!("sku,name\n{rows}")).await;
    let job = app.begin_job("deactivate", json!({})).await;
    let end = app.end_of_job(job.id).await;
    assert_eq!((end.status, end.error, end.done, end.changed), (JobStatus::Completed, None, 3_000, 3_000));
    let import = app.end_of(import.id).await;
    assert_eq!(import.counts.updated, 3_000);
    assert_eq!(app.db.number("SELECT count(*) FROM products WHERE NOT active AND name LIKE 'New tea%'").await, 3_000);
    assert_eq!(app.json("/api/v1/products/count").await, json!({ "count": 3_000 }));
    let _: Value = app.json("/api/v1/products?active=false").await;
}

#[tokio::test]
async fn a_job_that_would_delete_every_product_needs_the_permission_to_do_so() {
    let app = TestApp::closed(&[]).await;
    let admin = app.admin().await;
    let (_, editor) = app.user(&admin, "Ada", Role::Editor).await;
    let url = app.url("/api/v1/products");
    for sku in ["a", "b", "c"] {
        let product = json!({ "sku": sku, "name": "Tea" });
        assert_eq!(editor.client.post(&url).json(&product).send().await.unwrap().status(), 201);
    }
    let bulk = async |browser: &tests::auth::Browser, body: Value| {
        browser.client.post(format!("{url}/bulk")).json(&body).send().await.unwrap()
    };
    let all = json!({ "action": "delete", "all": true, "count": 3 });
    // Each of these matches everything.
    for filter in [json!({ "q": "tea" }), json!({ "active": true }), json!({ "created_from": "2000-01-01T00:00:00Z" })]
    {
        let refused = problem(bulk(&editor, json!({ "action": "delete", "filter": filter })).await).await;
        assert_eq!(refused.status, 403, "{filter}: {}", refused.detail);
    }
    assert_eq!(problem(bulk(&editor, all.clone()).await).await.status, 403);
    assert_eq!(app.db.number("SELECT count(*) FROM products").await, 3);
    assert_eq!(app.db.number("SELECT count(*) FROM bulk_jobs").await, 0);
    // What can be reverted is allowed, and so is a part of the catalogue.
    let all_active = json!({ "action": "deactivate", "all": true, "count": 3 });
    assert_eq!(bulk(&editor, all_active).await.status(), 202);
    assert_eq!(bulk(&editor, json!({ "action": "delete", "filter": { "q": "b" } })).await.status(), 202);
    let left = || app.db.number("SELECT count(*) FROM products");
    eventually("one to be deleted", || async { (left().await == 2).then_some(()) }).await;
    assert_eq!(bulk(&admin, json!({ "action": "delete", "all": true, "count": 2 })).await.status(), 202);
    eventually("all to be deleted", || async { (left().await == 0).then_some(()) }).await;
}

#[tokio::test]
async fn a_job_with_a_wrong_count_is_refused() {
    let app = filled(10, &[]).await;
    for body in [
        json!({ "action": "delete", "all": true, "count": 9 }),
        json!({ "action": "delete", "filter": { "q": "tea" }, "count": 10 }),
    ] {
        let refused = problem(app.ask(Method::POST, "/api/v1/products/bulk", &[], &body).await).await;
        assert_eq!(refused.status, 409, "{}", refused.detail);
    }
    assert_eq!(app.db.number("SELECT count(*) FROM products").await, 10);
    assert_eq!(app.db.number("SELECT count(*) FROM bulk_jobs").await, 0);
}

#[tokio::test]
async fn an_undone_job_leaves_every_product_as_it_was() {
    let app = filled(100, &[("BULK_BATCH_ROWS", "7")]).await;
    let ids = ids(&app).await;
    // Inactive before, so the job does not change them and the undo must not either.
    app.bulk("deactivate", &ids[..20]).await;
    let job = app.begin_job("deactivate", json!({})).await;
    let end = app.end_of_job(job.id).await;
    assert_eq!((end.done, end.changed), (100, 80));
    // Set back, deleted, and created since.
    app.bulk("activate", &ids[30..31]).await;
    app.bulk("delete", &ids[31..32]).await;
    app.create(json!({ "sku": "new", "name": "Tea", "active": false })).await;

    let undo = async |id: i64| -> BulkJob {
        let response = app.send(Method::POST, &format!("/api/v1/products/jobs/{id}/undo")).await;
        assert_eq!(response.status(), 202);
        let job: BulkJob = response.json().await.unwrap();
        app.end_of_job(job.id).await
    };
    let undone = undo(job.id).await;
    assert_eq!((undone.status, undone.undo_of), (JobStatus::Completed, Some(job.id)));
    assert_eq!((undone.total, undone.done, undone.changed), (80, 80, 78));
    let inactive = || app.db.number("SELECT count(*) FROM products WHERE NOT active");
    assert_eq!(inactive().await, 21);
    // An undo can be undone.
    assert_eq!(undo(undone.id).await.changed, 78);
    assert_eq!(inactive().await, 99);

    let deleted = app.begin_job("delete", json!({ "q": "s00050" })).await;
    app.end_of_job(deleted.id).await;
    let nothing = app.begin_job("activate", json!({ "q": "nothing" })).await;
    app.end_of_job(nothing.id).await;
    for id in [deleted.id, nothing.id] {
        let refused = app.send(Method::POST, &format!("/api/v1/products/jobs/{id}/undo")).await;
        assert_eq!(problem(refused).await.status, 409);
    }
}
