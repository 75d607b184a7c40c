//! Checks of the deployment files, and deployments as they describe: several processes behind nginx, a bucket instead of
//! a folder, the image that the Dockerfile builds.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on stops")]

mod bucket;
mod compose;
mod image;
mod nginx;
mod platforms;
mod settings;
mod streams;

use std::{
    path::{Path, PathBuf},
    process::Command,
};

/// Returns the folder of the project.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

fn read(file: &str) -> String {
    std::fs::read_to_string(root().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// Returns the path of a program that `scripts/setup test` has installed from `PyPI`.
fn tool(name: &str) -> PathBuf {
    let tools = std::env::var("LOADIFY_TOOLS").expect("LOADIFY_TOOLS: run the tests with scripts/test");
    Path::new(&tools).join("deploy/bin").join(name)
}

/// Returns the output of a command. If the command fails, fails with all of its output.
fn output(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, errors) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{command:?}\n{out}\n{errors}");
    out
}
