//! The Dockerfile: builds it with buildah, and starts the image as a container engine would.

use std::{
    path::Path,
    process::{Command, Stdio},
};

use serde_json::Value;
use tests::{database::TestDatabase, nginx::free_port, process::Process};

use crate::{compose::assert_pinned, output, read, root, settings, tool};

/// An image: a root file system, and the configuration of its process.
struct Image<'a> {
    root: &'a Path,
    config: Value,
}

impl Image<'_> {
    fn words(&self, key: &str) -> Vec<String> {
        let list = self.config[key].as_array().cloned().unwrap_or_default();
        list.iter().map(|word| word.as_str().unwrap().to_owned()).collect()
    }

    /// Returns `command` with the image's user, folder and environment, and with `settings`. It uses the host's network.
    fn command(&self, command: &[String], settings: &[(&str, String)]) -> Command {
        let user = self.config["User"].as_str().unwrap();
        assert!(!user.is_empty() && !user.starts_with('0') && user != "root", "the image runs as root");
        let is_root = output(Command::new("id").arg("-u")).trim() == "0";
        let mut run = Command::new(if is_root { "chroot" } else { "sudo" });
        if !is_root {
            run.arg("chroot");
        }
        run.arg(format!("--userspec={user}")).arg(self.root);
        run.args(["/usr/bin/env", "-i", "-C", self.config["WorkingDir"].as_str().unwrap()]);
        run.args(self.words("Env"));
        run.args(settings.iter().map(|(name, value)| format!("{name}={value}")));
        run.args(self.words("Entrypoint")).args(command);
        run
    }
}

#[test]
fn hadolint_accepts_the_dockerfile() {
    output(Command::new(tool("hadolint")).arg(root().join("Dockerfile")));
}

#[test]
fn base_images_are_pinned_to_the_versions_that_are_tested() {
    let dockerfile = read("Dockerfile");
    let bases: Vec<&str> = dockerfile
        .lines()
        .filter_map(|line| line.strip_prefix("FROM ")?.split(' ').next())
        .filter(|base| base.contains(':'))
        .collect();
    let [rust, debian] = bases[..] else { panic!("two base images expected: {bases:?}") };
    assert_pinned(rust);
    assert_pinned(debian);
    let toolchain = read("rust-toolchain.toml");
    let channel = toolchain.split("channel = \"").nth(1).unwrap().split('"').next().unwrap();
    assert_eq!(rust, format!("rust:{channel}-bookworm"));
    assert!(
        debian.starts_with("debian:12."),
        "the release of rust:*-bookworm, whose C library the program is linked to"
    );
}

#[tokio::test]
async fn all_stages_build_and_the_image_serves_the_page_and_its_health_check() {
    let folder = tempfile::tempdir().unwrap();
    let build = Command::new(root().join("tests/deploy/build-image"))
        .arg(folder.path())
        .stdout(Stdio::inherit())
        .stderr(std::fs::File::create(folder.path().join("log")).unwrap())
        .status();
    let log = std::fs::read_to_string(folder.path().join("log")).unwrap();
    assert!(build.unwrap().success(), "{log}");
    let config = std::fs::read_to_string(folder.path().join("config.json")).unwrap();
    let config: Value = serde_json::from_str(&config).unwrap();
    let rootfs = folder.path().join("root");
    let image = Image { root: &rootfs, config: config["Docker"]["config"].clone() };
    assert!(!rootfs.join("usr/local/cargo").exists() && !rootfs.join("usr/bin/cc").exists(), "a slim runtime");

    let db = TestDatabase::create().await;
    // Loopback, where no account is required.
    let bind = format!("127.0.0.1:{}", free_port());
    let settings = [("DATABASE_URL", db.url.clone()), ("BIND", bind.clone())];
    let health: Vec<String> = serde_json::from_value(image.config["Healthcheck"]["Test"].clone()).unwrap();
    assert_eq!(health[0], "CMD");
    let check = || image.command(&health[1..], &settings).status().unwrap().success();
    assert!(!check(), "nothing is running yet");

    let command = image.words("Cmd");
    assert_eq!(settings::assert_runs_a_role("CMD", &command.join(" ")), "all");
    let process = Process::spawn(image.command(&command, &settings));
    process.wait_for_line("Loadify is at http://").await;
    assert!(check());
    let get =
        async |path: &str| reqwest::get(format!("http://{bind}{path}")).await.unwrap().error_for_status().unwrap();
    assert_eq!(get("/livez").await.text().await.unwrap(), "ok\n");
    let health: shared::health::Health = get("/readyz").await.json().await.unwrap();
    assert!(health.storage.ok && health.database.ok, "{health:?}");
    let page = get("/").await.text().await.unwrap();
    let script = page.split('"').find(|word| word.ends_with("_bg.wasm")).expect("the page names its program");
    assert_eq!(get(script).await.headers()["content-type"], "application/wasm");
}
