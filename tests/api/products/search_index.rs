//! What is done for the search behind everybody's back, and that nothing is lost by it.

use rand::{SeedableRng, rngs::StdRng};
use reqwest::StatusCode;
use shared::search::ProductSort;
use tests::{TestApp, eventually};

use crate::products::search::{Model, catalogue, list, pages, seed};

#[tokio::test]
async fn the_index_is_joined_and_written_anew_without_losing_anything() {
    let app = TestApp::start().await;
    let mut random = StdRng::seed_from_u64(seed());
    for part in 0..40 {
        app.import(catalogue(&mut random, part * 10, 20)).await;
    }
    let segments = || app.db.number("SELECT count(*) FROM search_segments");
    let model = Model::read(&app).await;
    eventually("small segments to be joined", || async { (segments().await < 32).then_some(()) }).await;
    find_as(&app, &model).await;
    // Each change of all products adds to the index; in the end most of it is out of date.
    for round in 0..4 {
        let rows: String = (0..6_000).map(|n| format!("many-{n},round {round} tee\n")).collect();
        app.import(format!("sku,name\n{rows}")).await;
    }
    let held = || app.db.number("SELECT sum(rows) FROM search_segments");
    eventually("the index to be written anew", || async { (held().await < 12_000).then_some(()) }).await;
    let model = Model::read(&app).await;
    find_as(&app, &model).await;
    // Large ones as well.
    for part in 0..5 {
        app.import(catalogue(&mut random, 1_000 + part * 10_000, 10_000)).await;
    }
    let model = Model::read(&app).await;
    eventually("large segments to be joined", || async { (segments().await < 8).then_some(()) }).await;
    find_as(&app, &model).await;
}

#[tokio::test]
async fn segments_without_an_index_and_lists_that_are_lost_leave_everything_to_be_found() {
    let app = TestApp::serve(&[]).await;
    let worker = app.worker(&[]).await;
    let mut random = StdRng::seed_from_u64(seed());
    for part in 0..5 {
        app.import(catalogue(&mut random, part * 300, 500)).await;
    }
    drop(worker);
    let model = Model::read(&app).await;
    app.db.execute("DELETE FROM search_lists").await;
    app.db.execute("UPDATE search_segments SET lists_bytes = NULL").await;
    find_as(&app, &model).await;
    // Of a process that died while it made one segment of several.
    app.db.execute("INSERT INTO search_lists VALUES (1000000, 0, '', '')").await;
    let _worker = app.worker(&[]).await;
    let waits = "SELECT count(*) FROM search_segments WHERE lists_bytes IS NULL";
    let left = "SELECT count(*) FROM search_lists WHERE segment_id = 1000000";
    eventually("the index to be made", || async {
        (app.db.number(waits).await + app.db.number(left).await == 0).then_some(())
    })
    .await;
    assert!(app.db.number("SELECT count(*) FROM search_lists").await >= 65);
    find_as(&app, &model).await;
    app.db.execute("DELETE FROM search_lists").await;
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
async fn reading_sorting_in_and_deleting_everything_do_not_wait_in_a_circle() {
    let app = TestApp::start().await;
    let mut random = StdRng::seed_from_u64(seed());
    let wiping = async {
        for _ in 0..15 {
            app.import(catalogue(&mut random, 0, 300)).await;
            loop {
                let count = app.json("/api/v1/products/count").await["count"].as_i64().unwrap();
                let response = app.send(reqwest::Method::DELETE, &format!("/api/v1/products?confirm={count}")).await;
                // The count may have been of a moment before.
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
    tokio::join!(wiping, reading(&[("q", "raise"), ("sort", "name")]), reading(&[("import", "3"), ("q", "tee")]));
    assert_eq!(app.json("/api/v1/products/count").await["count"], 0);
}
