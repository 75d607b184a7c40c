//! nginx in front of web processes.

use std::process::Command;

use reqwest::header::{AUTHORIZATION, HeaderMap};
use tests::{
    TestApp,
    csv::Csv,
    nginx::{Nginx, command, delivered_site, free_port},
    sse::Block,
};

use crate::{output, read};

#[test]
fn nginx_accepts_the_configurations_for_hosts_and_for_compose() {
    for upstream in ["deploy/nginx-upstream.conf", "deploy/nginx-upstream.compose.conf"] {
        let folder = tempfile::tempdir().unwrap();
        // Port 80 may be in use.
        let site = read("deploy/nginx.conf").replace("listen 80;", &format!("listen {};", free_port()));
        output(&mut command(folder.path(), &format!("{}\n{site}", read(upstream)), &["-t"]));
    }
}

#[tokio::test]
async fn the_site_passes_large_files_and_event_streams() {
    // Behind a proxy an account is required, so scripts need a key.
    let proxied = [("ADMIN_PASSWORD", "only-for-tests-of-nginx"), ("TRUSTED_PROXIES", "127.0.0.1")];
    let mut app = TestApp::start_with(&proxied).await;
    let mut create = Command::new(tests::process::program());
    create.args(["key", "create", "--database-url", &app.db.url, "tests", "--scope", "imports"]);
    let key = format!("Bearer {}", output(&mut create).trim());
    let headers = HeaderMap::from_iter([(AUTHORIZATION, key.parse().unwrap())]);
    app.client = reqwest::Client::builder().default_headers(headers).build().unwrap();
    let web = app.base.strip_prefix("http://").unwrap().to_owned();
    let nginx = Nginx::start(|port| delivered_site(port, &web)).await;

    // Above nginx's own limit of 1 MiB.
    let file = Csv::random(30_000, 51);
    assert!(file.as_slice().len() > 1 << 20);
    let post = app.client.post(format!("{}/api/v1/imports?file_name=products.csv", nginx.base));
    let answer = post.header("Content-Type", "text/csv").body(file.bytes()).send().await.unwrap();
    assert_eq!(answer.status(), 201);
    let import: shared::import::Import = answer.json().await.unwrap();

    let mut stream = tests::sse::EventStream::open(&app.client, &nginx.base, import.id, None).await;
    let mut before_the_end = 0;
    loop {
        match stream.next().await.unwrap() {
            Block::Event(event) if event.status.is_final() => break,
            Block::Event(_) => before_the_end += 1,
            Block::End => panic!("the stream ended before the import"),
            _ => {}
        }
    }
    assert!(before_the_end > 1, "events are not held back");
    assert_eq!(app.client.get(format!("{}/metrics", nginx.base)).send().await.unwrap().status(), 404);
}
