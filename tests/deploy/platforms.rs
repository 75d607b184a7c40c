//! Checks of the files for Heroku, the systemd units and the scripts.

use std::{
    collections::{BTreeMap, BTreeSet},
    process::Command,
};

use serde_json::Value;

use crate::{compose::yaml, output, read, root, settings};

/// Returns the command of each process type in Procfile.
fn procfile() -> BTreeMap<String, String> {
    let file = read("Procfile");
    file.lines()
        .map(|line| line.split_once(": ").unwrap())
        .map(|(name, command)| (name.into(), command.into()))
        .collect()
}

#[test]
fn procfile_and_heroku_yml_run_the_same_roles() {
    let processes = procfile();
    let roles: Vec<(&str, String)> = processes
        .iter()
        .map(|(name, command)| (name.as_str(), settings::assert_runs_a_role("Procfile", command)))
        .collect();
    let expected =
        [("release", "migrate"), ("web", "serve"), ("worker", "work")].map(|(name, role)| (name, role.to_owned()));
    assert_eq!(roles, expected);

    let heroku = yaml("heroku.yml");
    assert!(root().join(heroku["build"]["docker"]["web"].as_str().unwrap()).is_file());
    let command = |run: &Value| match run {
        Value::String(command) => command.clone(),
        run => {
            assert_eq!(run["image"], "web", "there is one image");
            run["command"][0].as_str().unwrap().to_owned()
        }
    };
    let mut run: BTreeMap<String, String> =
        heroku["run"].as_object().unwrap().iter().map(|(name, run)| (name.clone(), command(run))).collect();
    run.insert("release".into(), command(&heroku["release"]));
    assert_eq!(run, processes);
}

#[test]
fn app_json_defines_the_processes_and_their_settings() {
    let app: Value = serde_json::from_str(&read("app.json")).unwrap();
    assert_eq!(app["stack"], "container", "only this stack reads heroku.yml");
    let formation: BTreeSet<&String> = app["formation"].as_object().unwrap().keys().collect();
    let processes = procfile();
    assert_eq!(formation, processes.keys().filter(|name| *name != "release").collect());

    let settings: BTreeSet<&String> = app["env"].as_object().unwrap().keys().collect();
    settings::assert_known("app.json", "serve", &settings);
    // Heroku and its add-ons set these.
    for given in ["PORT", "DATABASE_URL", "CLOUDAMQP_URL"] {
        settings::assert_known("Heroku", "serve", [given]);
        assert!(!settings.contains(&given.to_owned()), "{given} is set by Heroku");
    }
    for needed in ["STORAGE_URL", "ADMIN_PASSWORD", "PUBLIC_URL", "TRUSTED_PROXIES"] {
        assert!(settings.contains(&needed.to_owned()), "app.json does not ask for {needed}");
    }
    for (name, about) in app["env"].as_object().unwrap() {
        assert!(about["description"].as_str().is_some_and(|text| !text.is_empty()), "{name} is not described");
    }
}

#[test]
fn systemd_accepts_the_units_and_they_run_existing_roles() {
    let folder = tempfile::tempdir().unwrap();
    let mut units = Vec::new();
    for (file, instance, role) in [
        ("loadify-web.service", "loadify-web.service", "serve"),
        ("loadify-worker@.service", "loadify-worker@1.service", "work"),
    ] {
        let unit = read(&format!("deploy/{file}"));
        let value =
            |key: &str| unit.lines().filter_map(|line| line.strip_prefix(key)).map(str::to_owned).collect::<Vec<_>>();
        let command = value("ExecStart=").pop().unwrap();
        assert_eq!(settings::assert_runs_a_role(file, &command), role);
        settings::assert_known(file, role, value("Environment=").iter().map(|set| set.split('=').next().unwrap()));
        // systemd checks that the program exists.
        let installed = command.split(' ').next().unwrap();
        let unit = unit.replace(installed, tests::process::program().to_str().unwrap());
        std::fs::write(folder.path().join(instance), unit).unwrap();
        units.push(folder.path().join(instance));
    }
    // Mistakes that systemd only logs as warnings are failures too.
    let verify = Command::new("systemd-analyze").args(["verify", "--man=no"]).args(&units).output().unwrap();
    let warnings = String::from_utf8_lossy(&verify.stderr);
    let ours: Vec<&str> = warnings.lines().filter(|line| line.contains("loadify")).collect();
    assert!(verify.status.success() && ours.is_empty(), "{warnings}");
    for unit in units {
        // 0 is fully sandboxed, 10 is not; the rest is network access, which the services need.
        output(Command::new("systemd-analyze").args(["security", "--offline=true", "--threshold=20"]).arg(unit));
    }
}

#[test]
fn shellcheck_accepts_the_scripts() {
    let tracked = output(Command::new("git").current_dir(root()).args(["ls-files"]));
    let is_script = |file: &&str| {
        let start = std::fs::read(root().join(file)).unwrap_or_default();
        [b"#!/usr/bin/env bash".as_slice(), b"#!/bin/sh"].iter().any(|line| start.starts_with(line))
    };
    let scripts: Vec<&str> = tracked.lines().filter(is_script).collect();
    assert!(scripts.contains(&"scripts/setup"), "{scripts:?}");
    output(Command::new("shellcheck").current_dir(root()).arg("--severity=warning").args(&scripts));
}
