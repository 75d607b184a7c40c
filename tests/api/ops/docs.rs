//! ARCHITECTURE.md names tests, modules and files that exist.

use std::{
    fs,
    path::{Path, PathBuf},
};

const DOCUMENT: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../ARCHITECTURE.md"));

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Returns the lines of the section with this title.
fn section(title: &str) -> Vec<&'static str> {
    let heading = format!("## {title}");
    DOCUMENT.lines().skip_while(|line| *line != heading).skip(1).take_while(|line| !line.starts_with("## ")).collect()
}

/// Returns the names in backticks. None spans two lines.
fn names(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// Returns the cells of a row of a table with two columns; `None` for other lines.
fn cells(line: &str) -> Option<(&str, &str)> {
    let (left, right) = line.strip_prefix("| ")?.strip_suffix(" |")?.split_once(" | ")?;
    Some((left, right))
}

fn read_sources(folder: &Path, text: &mut String) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            read_sources(&path, text);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            text.push_str(&fs::read_to_string(path).unwrap());
        }
    }
}

/// Returns the folder or file of a module in `folder`.
fn module(folder: &Path, name: &str) -> Option<PathBuf> {
    [folder.join(name), folder.join(format!("{name}.rs"))].into_iter().find(|path| path.exists())
}

/// Whether a path such as `imports::finish::end` exists: modules of the backend, or of `shared`, and then perhaps an item that
/// the last of them has.
fn exists(path: &str) -> bool {
    let (mut place, rest) = match path.strip_prefix("shared::") {
        Some(rest) => (root().join("shared/src"), rest),
        None => (root().join("backend/src"), path),
    };
    let mut segments = rest.split("::").peekable();
    let mut is_in_module = false;
    while let Some(next) = segments.peek().and_then(|name| module(&place, name)) {
        place = next;
        is_in_module = true;
        segments.next();
    }
    let file = if place.is_dir() { place.join("mod.rs") } else { place };
    let text = fs::read_to_string(file).unwrap_or_default();
    is_in_module && segments.all(|item| text.contains(item))
}

#[test]
fn each_invariant_is_guarded_by_tests_that_exist() {
    let mut sources = String::new();
    for folder in ["tests", "backend/src", "shared/src", "frontend/src", "crates"] {
        read_sources(&root().join(folder), &mut sources);
    }
    let rows: Vec<_> = section("Invariants").into_iter().filter_map(cells).skip(1).collect();
    assert!(rows.len() > 10, "{} rows", rows.len());
    for (rule, guards) in rows {
        let mut guarded = false;
        for name in names(guards) {
            let is_found = match name {
                path if path.contains('/') => root().join(path).exists(),
                // Such a long name is one of a test; others are of tables.
                test if test.matches('_').count() > 2 => sources.contains(&format!("fn {test}(")),
                _ => continue,
            };
            assert!(is_found, "{rule}: {name} does not exist");
            guarded = true;
        }
        assert!(guarded, "{rule}: no test is named");
    }
}

#[test]
fn the_code_map_names_folders_and_modules_that_exist() {
    let rows: Vec<_> = section("Code map").into_iter().filter_map(cells).collect();
    assert!(rows.len() > 10, "{} rows", rows.len());
    for (folder, contents) in rows {
        let folder = root().join(names(folder).next().expect("a folder"));
        assert!(folder.is_dir(), "{} is not a folder", folder.display());
        for name in names(contents) {
            assert!(module(&folder, name).is_some(), "{name} is not in {}", folder.display());
        }
    }
}

#[test]
fn the_text_names_modules_and_files_that_exist() {
    let mut is_example = false;
    // Tables have tests of their own.
    for line in DOCUMENT.lines().filter(|line| !line.starts_with('|')) {
        if line.starts_with("```") {
            is_example = !is_example;
        }
        if is_example || line.starts_with("```") {
            continue;
        }
        for name in names(line).filter(|name| !name.contains(' ')) {
            if name.contains("::") {
                assert!(exists(name), "{name} does not exist");
            } else if name.contains('/') && !name.starts_with('/') {
                let found = ["", "backend/src"].iter().any(|folder| root().join(folder).join(name).exists());
                assert!(found, "{name} does not exist");
            }
        }
    }
}
