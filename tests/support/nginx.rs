//! nginx, as Debian packages it.

use std::{net::TcpListener, path::Path, process::Command};

use tempfile::TempDir;

use crate::{eventually, process::Process};

/// A running nginx with Debian's configuration and one site.
pub struct Nginx {
    _process: Process,
    _folder: TempDir,
    /// Its URL, without a trailing slash.
    pub base: String,
}

impl Nginx {
    /// `site` returns the content of a file in /etc/nginx/conf.d for a port.
    pub async fn start(site: impl FnOnce(u16) -> String) -> Self {
        let port = free_port();
        let folder = tempfile::tempdir().unwrap();
        let process = Process::spawn(command(folder.path(), &site(port), &["-g", "daemon off;"]));
        let base = format!("http://127.0.0.1:{port}");
        eventually("nginx to answer", || async { reqwest::get(&base).await.ok().map(drop) }).await;
        Self { _process: process, _folder: folder, base }
    }
}

/// nginx with Debian's configuration, except that all paths of files are in `folder`.
pub fn command(folder: &Path, site: &str, arguments: &[&str]) -> Command {
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
        assert!(config.contains(from), "Debian's nginx.conf no longer contains {from}");
        config = config.replace(from, &to);
    }
    std::fs::write(folder.join("nginx.conf"), config).unwrap();
    let mut command = Command::new("/usr/sbin/nginx");
    command.args(["-e", "stderr", "-c"]).arg(folder.join("nginx.conf")).args(arguments);
    command
}

/// Returns the site in deploy/nginx.conf, with another port and another web process.
pub fn delivered_site(port: u16, web: &str) -> String {
    let read = |file: &str| {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        std::fs::read_to_string(root.join(file)).unwrap()
    };
    let (site, upstream) = (read("deploy/nginx.conf"), read("deploy/nginx-upstream.conf"));
    for (text, expected) in [(&site, "listen 80;"), (&upstream, "server 127.0.0.1:8000 max_fails=0;")] {
        assert!(text.contains(expected), "{expected}");
    }
    let upstream = upstream.replace("127.0.0.1:8000", web);
    format!("{upstream}\n{}", site.replace("listen 80;", &format!("listen 127.0.0.1:{port};")))
}

/// Returns a port that no process listens on, below the range that the kernel uses for connections.
pub fn free_port() -> u16 {
    loop {
        let port = rand::random_range(20_000..30_000);
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}
