//! The names of settings: those of the program, of `.env.example` and of the deployment files.

use std::{collections::BTreeSet, process::Command};

use object_store::aws::AmazonS3ConfigKey;
use tests::process::program;

use crate::{output, read};

/// Returns the environment variables that the program reads in a role.
pub fn of_role(role: &str) -> BTreeSet<String> {
    let help = output(Command::new(program()).args([role, "--help"]).env_clear());
    let mut names: BTreeSet<String> =
        help.split("[env: ").skip(1).map(|rest| rest.split(['=', ']']).next().unwrap().to_owned()).collect();
    // Read by tracing, not by the command line.
    names.insert("RUST_LOG".into());
    names
}

/// Fails if the role does not know one of these names.
pub fn assert_known(place: &str, role: &str, names: impl IntoIterator<Item = impl AsRef<str>>) {
    let known = of_role(role);
    for name in names {
        let name = name.as_ref();
        let is_of_s3 = name.starts_with("AWS_") && name.to_ascii_lowercase().parse::<AmazonS3ConfigKey>().is_ok();
        assert!(known.contains(name) || is_of_s3, "{place}: `loadify {role}` does not know {name}");
    }
}

/// Returns the subcommands of the program.
pub fn roles() -> BTreeSet<String> {
    let help = output(Command::new(program()).arg("--help").env_clear());
    let commands = help.split("Commands:").nth(1).unwrap().split("Options:").next().unwrap();
    commands.lines().filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect()
}

/// Fails unless `command` is `loadify` with an existing role. Returns the role.
pub fn assert_runs_a_role(place: &str, command: &str) -> String {
    let mut words = command.split_whitespace();
    let program = words.next().unwrap_or_default();
    assert_eq!(program.rsplit('/').next(), Some("loadify"), "{place}: {command}");
    let role = words.next().unwrap_or_default();
    assert!(roles().contains(role), "{place}: there is no `loadify {role}`");
    role.to_owned()
}

#[test]
fn the_example_documents_exactly_the_settings_of_the_program() {
    let example = read(".env.example");
    let mut documented = BTreeSet::new();
    for line in example.lines() {
        let line = line.strip_prefix('#').unwrap_or(line);
        let Some((name, _)) = line.split_once('=') else { continue };
        let is_name = |name: &str| {
            !name.is_empty() && name.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')
        };
        if is_name(name) {
            assert!(documented.insert(name.to_owned()), "{name} is documented twice");
        }
    }
    let (of_s3, documented): (BTreeSet<_>, BTreeSet<_>) =
        documented.into_iter().partition(|name| name.starts_with("AWS_"));
    assert_eq!(documented, of_role("all"));
    assert_known(".env.example", "all", of_s3);
}

#[test]
fn all_knows_the_settings_of_serve_and_work() {
    assert_eq!(of_role("serve"), of_role("all"));
    assert_eq!(of_role("work"), of_role("all"));
}
