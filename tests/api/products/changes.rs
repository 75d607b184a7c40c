//! The event stream of the catalogue.

use reqwest::Method;
use serde_json::{Value, json};
use shared::bulk::CatalogueChange;
use tests::{TestApp, sse::NamedStream};

async fn watch(app: &TestApp, base: &str) -> NamedStream {
    let stream = NamedStream::open(app.client.get(format!("{base}/api/v1/products/events"))).await;
    assert_eq!(stream.status, 200);
    stream.ready().await
}

async fn next(stream: &mut NamedStream) -> CatalogueChange {
    let (name, data) = stream.next().await.expect("the stream continues");
    assert_eq!(name, "changed");
    serde_json::from_value(data).unwrap()
}

#[tokio::test]
async fn every_web_process_reports_each_change_with_the_client_that_made_it() {
    let app = TestApp::serve(&[]).await;
    let (other, base) = app.another_web().await;
    app.web.wait_for_line("Listening for events").await;
    other.wait_for_line("Listening for events").await;
    let (mut here, mut there) = (watch(&app, &app.base).await, watch(&app, &base).await);

    let product = app.create(json!({ "sku": "a", "name": "A" })).await;
    let path = format!("/api/v1/products/{}", product.id);
    let mine = [("If-Match", "\"1\""), ("X-Client-Id", "tab \"7\"")];
    app.ask(Method::PATCH, &path, &mine, &json!({ "name": "A" })).await; // changes nothing
    app.ask(Method::PATCH, &path, &mine, &json!({ "name": "B" })).await;
    let long = "x".repeat(65);
    app.ask(Method::DELETE, &path, &[("X-Client-Id", &long)], &Value::Null).await;
    app.restore(&[product.id]).await;
    app.send(Method::DELETE, "/api/v1/products?confirm=1").await;

    let change = |count: Option<i64>, client: Option<&str>| CatalogueChange {
        count,
        ids: if count.is_some() { vec![product.id] } else { vec![] },
        client: client.map(str::to_owned),
    };
    for stream in [&mut here, &mut there] {
        assert_eq!(next(stream).await, change(Some(1), None), "created");
        assert_eq!(next(stream).await, change(Some(1), Some("tab \"7\"")), "updated");
        assert_eq!(next(stream).await, change(Some(1), None), "deleted");
        assert_eq!(next(stream).await, change(Some(1), None), "restored");
        assert_eq!(next(stream).await, change(None, None), "all deleted");
    }
}

#[tokio::test]
async fn the_ids_of_many_changes_are_left_out() {
    let app = TestApp::start().await;
    app.web.wait_for_line("Listening for events").await;
    let rows: String = (0..150).map(|n| format!("s{n},Tea\n")).collect();
    app.import(format!("sku,name\n{rows}")).await;
    let ids = app.db.client.query("SELECT id FROM products", &[]).await.unwrap();
    let ids: Vec<i64> = ids.iter().map(|row| row.get(0)).collect();
    let mut stream = watch(&app, &app.base).await;
    app.bulk("deactivate", &ids[..100]).await;
    app.bulk("deactivate", &ids).await;
    app.bulk("activate", &ids).await;
    let first = next(&mut stream).await;
    assert_eq!((first.count, first.ids.len()), (Some(100), 100));
    assert_eq!(next(&mut stream).await.count, Some(50));
    let last = next(&mut stream).await;
    assert_eq!((last.count, last.ids.len()), (Some(150), 0));
}

#[tokio::test]
async fn an_import_is_reported_at_most_once_a_second_and_without_a_count() {
    let app = TestApp::start_with(&[("IMPORT_BATCH_ROWS", "2")]).await;
    app.web.wait_for_line("Listening for events").await;
    let mut stream = watch(&app, &app.base).await;
    let import = app.upload(tests::csv::Csv::random(6_000, 41).bytes()).await;
    let mut times = Vec::new();
    loop {
        let change = next(&mut stream).await;
        assert_eq!((change.count, change.ids.len(), change.client), (None, 0, None));
        times.push(std::time::Instant::now());
        if app.import_now(import.id).await.status.is_final() {
            break;
        }
    }
    assert!(times.len() >= 2, "the import was too short for two events");
    for pair in times.windows(2) {
        assert!((pair[1] - pair[0]).as_millis() >= 900, "{pair:?}");
    }
    // The same file again writes nothing: the next event is that of the product.
    app.import(tests::csv::Csv::random(6_000, 41).bytes()).await;
    app.create(json!({ "sku": "edited", "name": "A" })).await;
    let mut counts = vec![next(&mut stream).await.count];
    while counts.last() == Some(&None) {
        counts.push(next(&mut stream).await.count);
    }
    assert!(counts.len() <= 2, "only the end of the first import may come before: {counts:?}");
}
