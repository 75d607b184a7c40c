//! nginx, as Debian packages it, in front of web processes.

use std::{path::Path, process::Command};

use reqwest::header::{AUTHORIZATION, HeaderMap};
use tempfile::TempDir;
use tests::{TestApp, csv::Csv, eventually, process::Process, sse::Block};

use crate::{free_port, output, read};

/// A running nginx with Debian's configuration and one site.
pub struct Nginx {
    _process: Process,
    _folder: TempDir,
    /// Where it is, without a slash at its end.
    pub base: String,
}

impl Nginx {
    /// `site` makes what a file in /etc/nginx/conf.d would hold, for a port.
    pub async fn start(site: impl FnOnce(u16) -> String) -> Self {
        let port = free_port();
        let folder = tempfile::tempdir().unwrap();
        let process = Process::spawn(command(folder.path(), &site(port), &["-g", "daemon off;"]));
        let base = format!("http://127.0.0.1:{port}");
        eventually("nginx to answer", || async { reqwest::get(&base).await.ok().map(drop) }).await;
        Self { _process: process, _folder: folder, base }
    }
}

/// nginx with a folder of its own: what Debian's configuration says about places of files leads there, all else stays.
fn command(folder: &Path, site: &str, arguments: &[&str]) -> Command {
    let debian = std::fs::read_to_string("/etc/nginx/nginx.conf").expect("Debian's nginx: scripts/setup test");
    std::fs::write(folder.join("site.conf"), site).unwrap();
    let place = |name: &str| folder.join(name).display().to_string();
    let mut config = debian;
    for (from, to) in [
        ("/run/nginx.pid", place("pid")),
        ("/var/log/nginx/access.log", place("access.log")),
        ("/var/log/nginx/error.log", place("error.log")),
        ("/etc/nginx/conf.d/*.conf", place("site.conf")),
        ("include /etc/nginx/sites-enabled/*;", String::new()),
    ] {
        assert!(config.contains(from), "Debian's nginx.conf no longer says {from}");
        config = config.replace(from, &to);
    }
    std::fs::write(folder.join("nginx.conf"), config).unwrap();
    let mut command = Command::new("/usr/sbin/nginx");
    command.args(["-e", "stderr", "-c"]).arg(folder.join("nginx.conf")).args(arguments);
    command
}

/// Loadify's site as it is delivered, on another port and for another web process.
fn delivered_site(port: u16, web: &str) -> String {
    let site = read("deploy/nginx.conf");
    let upstream = read("deploy/nginx-upstream.conf");
    for (text, expected) in [(&site, "listen 80;"), (&upstream, "server 127.0.0.1:8000 max_fails=0;")] {
        assert!(text.contains(expected), "{expected}");
    }
    let upstream = upstream.replace("127.0.0.1:8000", web);
    format!("{upstream}\n{}", site.replace("listen 80;", &format!("listen 127.0.0.1:{port};")))
}

#[test]
fn nginx_takes_the_configuration_for_hosts_and_that_for_compose() {
    for upstream in ["deploy/nginx-upstream.conf", "deploy/nginx-upstream.compose.conf"] {
        let folder = tempfile::tempdir().unwrap();
        // 80 may be taken.
        let site = read("deploy/nginx.conf").replace("listen 80;", &format!("listen {};", free_port()));
        output(&mut command(folder.path(), &format!("{}\n{site}", read(upstream)), &["-t"]));
    }
}

#[tokio::test]
async fn the_delivered_site_lets_large_files_and_streams_pass() {
    // Behind a proxy there has to be an account, so scripts need a key.
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
    let import: shared::Import = answer.json().await.unwrap();

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
