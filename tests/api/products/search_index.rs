//! Index maintenance loses no product.

use rand::{SeedableRng, rngs::StdRng};
use reqwest::StatusCode;
use shared::search::ProductSort;
use tests::{TestApp, eventually};

use crate::products::search::{Model, catalogue, list, pages, seed};

#[tokio::test]
async fn merging_and_rebuilding_the_index_loses_nothing() {
    let app = TestApp::start().await;
    let mut random = StdRng::seed_from_u64(seed());
    for part in 0..40 {
        app.import(catalogue(&mut random, part * 10, 20)).await;
    }
    let segments = || app.db.number("SELECT count(*) FROM search_segments");
    let model = Model::read(&app).await;
    eventually("small segments to be merged", || async { (segments().await < 32).then_some(()) }).await;
    find_as(&app, &model).await;
    // Each change of all products adds to the index; in the end most of it is stale.
    for round in 0..4 {
        let rows: String = (0..6_000).map(|n| format!("many-{n},round {round} tee\n")).collect();
        app.import(format!("sku,name\n{rows}")).await;
    }
    let held = || app.db.number("SELECT sum(rows) FROM search_segments");
    eventually("the index to be rebuilt", || async { (held().await < 12_000).then_some(()) }).await;
    let model = Model::read(&app).await;
    find_as(&app, &model).await;
    // Large segments as well.
    for part in 0..5 {
        app.import(catalogue(&mut random, 1_000 + part * 10_000, 10_000)).await;
    }
    let model = Model::read(&app).await;
    eventually("large segments to be merged", || async { (segments().await < 8).then_some(()) }).await;
    find_as(&app, &model).await;
}

#[tokio::test]
async fn segments_of_another_format_are_rebuilt() {
    let app = TestApp::serve(&[]).await;
    let worker = app.worker(&[]).await;
    let mut random = StdRng::seed_from_u64(seed());
    for part in 0..5 {
        app.import(catalogue(&mut random, part * 300, 500)).await;
    }
    drop(worker);
    let model = Model::read(&app).await;
    // Lists of another version, which must not be read as those of this one.
    app.db.execute("UPDATE search_segments SET format = 0 WHERE format IS NOT NULL").await;
    app.db.execute("UPDATE search_postings SET postings = decode(repeat('07', 4096), 'hex')").await;
    find_as(&app, &model).await;
    // Left by a process that died while it merged segments.
    app.db.execute("INSERT INTO search_postings VALUES (1000000, 0, '', '')").await;
    let _worker = app.worker(&[]).await;
    let waiting = "SELECT count(*) FROM search_segments WHERE has_text AND format IS DISTINCT FROM 1";
    let orphaned = "SELECT count(*) FROM search_postings WHERE segment_id = 1000000";
    eventually("the index to be rebuilt", || async {
        (app.db.number(waiting).await + app.db.number(orphaned).await == 0).then_some(())
    })
    .await;
    assert!(app.db.number("SELECT count(*) FROM search_postings").await >= 65);
    find_as(&app, &model).await;
}

#[tokio::test]
async fn lost_posting_lists_lose_no_product() {
    let app = TestApp::start().await;
    app.import(catalogue(&mut StdRng::seed_from_u64(seed()), 0, 500)).await;
    let model = Model::read(&app).await;
    app.db.execute("DELETE FROM search_postings").await;
    find_as(&app, &model).await;
}

async fn find_as(app: &TestApp, model: &Model) {
    for word in ["tee", "raise", "οκι", "cole", "-39"] {
        let query = reqwest::Url::parse_with_params("http://x/", &[("q", word)]).unwrap();
        let found = app.json(&format!("/api/v1/products/count?{}", query.query().unwrap())).await["count"].as_i64();
        let expected = model.list(&[word.to_owned()], |_| true, ProductSort::Sku);
        assert_eq!(found, i64::try_from(expected.len()).ok(), "{word}");
        if expected.len() < 1_000 {
            let listed = pages(app, &[("q", word), ("sort", "sku"), ("limit", "200")]).await.concat();
            assert_eq!(listed.iter().map(|product| product.id).collect::<Vec<_>>(), expected, "{word}");
        }
    }
}

#[tokio::test]
async fn reading_indexing_and_deleting_everything_do_not_deadlock() {
    let app = TestApp::start().await;
    let mut random = StdRng::seed_from_u64(seed());
    let deleting = async {
        for _ in 0..15 {
            app.import(catalogue(&mut random, 0, 300)).await;
            loop {
                let count = app.json("/api/v1/products/count").await["count"].as_i64().unwrap();
                let response = app.send(reqwest::Method::DELETE, &format!("/api/v1/products?confirm={count}")).await;
                // The count may be out of date.
                if response.status() == StatusCode::OK {
                    break;
                }
                assert_eq!(response.status(), StatusCode::CONFLICT);
            }
        }
    };
    let reading = async |query: &[(&str, &str)]| {
        for _ in 0..150 {
            list(&app, query).await;
        }
    };
    tokio::join!(deleting, reading(&[("q", "raise"), ("sort", "name")]), reading(&[("import", "3"), ("q", "tee")]));
    assert_eq!(app.json("/api/v1/products/count").await["count"], 0);
}
