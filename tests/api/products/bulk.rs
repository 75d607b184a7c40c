//! Changes of many products.

use reqwest::Method;
use serde_json::{Value, json};
use shared::bulk::{BulkJob, BulkJobList};
use shared::job::JobStatus;
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
async fn products_that_are_named_are_changed_at_once_and_only_where_they_change() {
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
async fn a_request_that_does_not_say_which_products_is_refused() {
    let app = TestApp::start().await;
    let many: Vec<i64> = (0..1_001).collect();
    let mut seen = Vec::new();
    for bulk in [
        json!({ "action": "delete" }),
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
        "422 Some parameters are not valid. [\"ids say which products: by ids or by a filter\"]",
        "422 Some parameters are not valid. [\"filter cannot be together with ids\"]",
        "422 Some parameters are not valid. [\"ids are 1001; must be 1 to 1000\"]",
        "422 Some parameters are not valid. [\"q must have at most 200 characters\"]",
        "400 The body cannot be read: unknown field `colour`, expected one of `q`, `active`, `has_description`, `created_from`, `created_to`, `updated_from`, `updated_to`, `import` at line 1 column 37. []",
        "400 The body cannot be read: unknown variant `burn`, expected one of `activate`, `deactivate`, `delete` at line 1 column 16. []",
    ]
    "#);
    for (method, path) in [
        (Method::GET, "/api/v1/products/jobs/7"),
        (Method::GET, "/api/v1/products/jobs/7/events"),
        (Method::POST, "/api/v1/products/jobs/7/cancel"),
        (Method::GET, "/api/v1/products/jobs/seven"),
    ] {
        assert_eq!(problem(app.send(method, path).await).await.status, 404, "{path}");
    }
}

#[tokio::test]
async fn a_job_changes_all_that_match_and_nothing_that_came_later() {
    let app = filled(100, &[("BULK_BATCH_ROWS", "7")]).await;
    let job = app.begin_job("deactivate", json!({ "q": "tea" })).await;
    assert_eq!((job.total, job.filter.q.as_str()), (50, "tea"));
    let end = app.end_of_job(job.id).await;
    assert_eq!((end.status, end.total, end.done, end.changed), (JobStatus::Completed, 50, 50, 50));
    assert!(end.finished_at.is_some());
    assert_eq!(app.job(job.id).await, end);
    assert_eq!(app.db.number("SELECT count(*) FROM products WHERE NOT active AND name LIKE 'Tea%'").await, 50);
    // Its own changes take products out of the filter; none is left out or counted twice for it.
    app.create(json!({ "sku": "new", "name": "Tea" })).await;
    let job = app.begin_job("activate", json!({ "active": false })).await;
    let end = app.end_of_job(job.id).await;
    assert_eq!((end.total, end.done, end.changed), (50, 50, 50));
    let job = app.begin_job("delete", json!({ "q": "cup" })).await;
    let end = app.end_of_job(job.id).await;
    assert_eq!((end.done, end.changed), (50, 50));
    assert_eq!(app.db.number("SELECT count(*) FROM deleted_products").await, 0, "a job keeps nothing");
    assert_eq!(app.db.number("SELECT count(*) FROM products").await, 51);
}

#[tokio::test]
async fn a_job_does_not_touch_products_that_come_while_it_waits() {
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
async fn an_empty_catalogue_is_a_job_that_is_soon_done() {
    let app = TestApp::start().await;
    let job = app.begin_job("delete", json!({})).await;
    let end = app.end_of_job(job.id).await;
    assert_eq!((end.status, end.total, end.done, end.changed), (JobStatus::Completed, 0, 0, 0));
}

#[tokio::test]
async fn a_job_is_cancelled_before_it_begins_and_in_the_middle() {
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
    assert!(end.done < 3_000, "it was over before it could be cancelled");
    assert_eq!(app.db.number("SELECT count(*) FROM products WHERE NOT active").await, end.changed);
    assert_eq!(app.send(Method::POST, &cancel).await.status(), 200, "once more changes nothing");

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
async fn who_has_the_end_of_a_job_and_comes_back_gets_204() {
    let app = TestApp::start().await;
    let job = app.begin_job("delete", json!({})).await;
    app.end_of_job(job.id).await;
    let request = app.client.get(app.url(&format!("/api/v1/products/jobs/{}/events", job.id)));
    assert_eq!(NamedStream::open(request.header("Last-Event-ID", "last")).await.status, 204);
}

#[tokio::test]
async fn a_job_and_an_import_of_the_same_products_do_not_hinder_each_other() {
    let app = filled(3_000, &[("BULK_BATCH_ROWS", "50"), ("IMPORT_BATCH_ROWS", "100")]).await;
    let rows: String = (0..3_000).rev().map(|n| format!("s{n:05},Tea anew {n}\n")).collect();
    let import = app.upload(format!("sku,name\n{rows}")).await;
    let job = app.begin_job("deactivate", json!({})).await;
    let end = app.end_of_job(job.id).await;
    assert_eq!((end.status, end.error, end.done, end.changed), (JobStatus::Completed, None, 3_000, 3_000));
    let import = app.end_of(import.id).await;
    assert_eq!(import.counts.updated, 3_000);
    assert_eq!(app.db.number("SELECT count(*) FROM products WHERE NOT active AND name LIKE 'Tea anew%'").await, 3_000);
    assert_eq!(app.json("/api/v1/products/count").await, json!({ "count": 3_000, "exact": true }));
    let _: Value = app.json("/api/v1/products?active=false").await;
}
