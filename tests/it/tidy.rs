//! The rules of the house, checked on the sources: layering, sizes, printing, `unsafe`.

use std::path::{Path, PathBuf};

/// Module, and the modules of ours it may name besides itself.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("catalog", &["model"]),
    ("fleetfile", &["model", "catalog", "event"]),
    ("fleet", &["model", "catalog"]),
    ("store", &["model"]),
    ("engine", &["model", "catalog", "fleet", "host", "event"]),
    ("apply", &["model", "fleet", "store", "engine", "host", "event", "catalog"]),
    ("host", &["model"]),
    ("decoy", &["model", "catalog", "event", "host"]),
    ("event", &["model", "host"]),
];

/// Words that pure modules must not contain.
const IMPURE: &[&str] =
    &["std::fs", "std::env", "std::process", "std::time::SystemTime", "Timestamp::now", "rusqlite", "clap"];
const PURE: &[&str] = &["model", "catalog", "fleetfile", "fleet"];

fn sources() -> Vec<(PathBuf, String)> {
    fn walk(dir: &Path, out: &mut Vec<(PathBuf, String)>) {
        let mut entries: Vec<_> = std::fs::read_dir(dir).unwrap().map(|e| e.unwrap().path()).collect();
        entries.sort();
        for path in entries {
            if path.is_dir() {
                walk(&path, out);
            } else if path.extension().is_some_and(|e| e == "rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                out.push((path, text));
            }
        }
    }
    let mut out = Vec::new();
    walk(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut out);
    let test_only: Vec<PathBuf> = out.iter().flat_map(|(path, text)| test_modules(path, text)).collect();
    out.retain(|(path, _)| !test_only.iter().any(|t| path.starts_with(t) || *path == t.with_extension("rs")));
    assert!(out.len() > 50, "found only {} sources", out.len());
    out
}

/// Modules that `path` declares for tests alone, as paths without an extension.
fn test_modules(path: &Path, text: &str) -> Vec<PathBuf> {
    let stem = path.file_stem().unwrap();
    let dir = path.parent().unwrap();
    let home =
        if ["mod", "lib", "main"].iter().any(|s| stem == *s) { dir.to_owned() } else { dir.join(stem) };
    let lines: Vec<&str> = text.lines().collect();
    let declared = lines
        .windows(2)
        .filter(|w| ["#[cfg(test)]", "#[cfg(any(test, fuzzing))]"].contains(&w[0].trim()))
        .filter_map(|w| {
            let name = w[1]
                .trim()
                .trim_start_matches("pub(crate) ")
                .trim_start_matches("pub(super) ")
                .trim_start_matches("pub ");
            name.strip_prefix("mod ")?.strip_suffix(';').map(|name| home.join(name))
        });
    declared.collect()
}

fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    // Unit tests sit at the end of a file; they may do what they like.
    let end = ["", "pub(super) ", "pub(crate) "]
        .iter()
        .find_map(|vis| text.find(&format!("#[cfg(test)]\n{vis}mod tests {{")))
        .unwrap_or(text.len());
    text[..end]
        .lines()
        .enumerate()
        .map(|(n, line)| (n + 1, line))
        .filter(|(_, l)| !l.trim_start().starts_with("//"))
}

fn module(path: &Path) -> String {
    let rest = path.strip_prefix(Path::new(env!("CARGO_MANIFEST_DIR")).join("src")).unwrap();
    rest.components().next().unwrap().as_os_str().to_string_lossy().into_owned()
}

fn complain(problems: &[String]) {
    assert!(problems.is_empty(), "\n{}", problems.join("\n"));
}

#[test]
fn modules_import_only_what_they_may() {
    let mut problems = Vec::new();
    for (path, text) in sources() {
        let here = module(&path);
        let Some((_, allowed)) = MAY_IMPORT.iter().find(|(name, _)| *name == here) else { continue };
        for (line, code) in code(&text) {
            let mut rest = code;
            while let Some(at) = rest.find("crate::") {
                rest = &rest[at + 7..];
                let named: String =
                    rest.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
                let known =
                    MAY_IMPORT.iter().any(|(name, _)| *name == named) || named == "cli" || named == "ui";
                if known && named != here && !allowed.contains(&named.as_str()) {
                    problems.push(format!("{}:{line}: {here} may not import {named}", path.display()));
                }
            }
        }
    }
    complain(&problems);
}

#[test]
fn pure_modules_do_no_io() {
    let mut problems = Vec::new();
    for (path, text) in sources() {
        if PURE.contains(&module(&path).as_str()) {
            for (line, code) in code(&text) {
                for word in IMPURE.iter().filter(|w| code.contains(**w)) {
                    problems.push(format!("{}:{line}: {word} in a pure module", path.display()));
                }
            }
        }
    }
    complain(&problems);
}

#[test]
fn files_stay_small() {
    let mut problems = Vec::new();
    for (path, text) in sources() {
        let lines = code(&text).filter(|(_, l)| !l.trim().is_empty()).count();
        let reason = text.lines().take(12).any(|l| l.starts_with("//!") && l.contains("Long because"));
        if lines > 500 && !reason {
            problems.push(format!(
                "{}: {lines} lines of code, and its head does not say `Long because …`",
                path.display()
            ));
        }
    }
    complain(&problems);
}

#[test]
fn only_ui_prints_and_only_sys_is_unsafe() {
    let mut problems = Vec::new();
    for (path, text) in sources() {
        let sys = path.ends_with("host/sys.rs");
        // The log of background processes is the one other place that writes to a stream.
        let ui = module(&path) == "ui" || path.ends_with("host/stdio.rs");
        for (line, code) in code(&text) {
            let prints = ["println!", "print!(", "eprintln!", "eprint!(", "io::stdout()", "io::stderr()"];
            if !ui && prints.iter().any(|p| code.contains(p)) {
                problems.push(format!("{}:{line}: prints outside ui", path.display()));
            }
            if !sys
                && ["unsafe {", "unsafe fn", "unsafe impl", "unsafe extern"].iter().any(|p| code.contains(p))
            {
                problems.push(format!("{}:{line}: unsafe outside host/sys.rs", path.display()));
            }
            if code.contains(".unwrap()") {
                problems.push(format!("{}:{line}: unwrap outside tests", path.display()));
            }
        }
    }
    complain(&problems);
}

#[test]
fn every_integration_test_file_is_in_the_binary() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it");
    let main = std::fs::read_to_string(dir.join("main.rs")).unwrap();
    let mut problems = Vec::new();
    for entry in std::fs::read_dir(&dir).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let counts = path.extension().is_some_and(|e| e == "rs") && name != "main";
        if counts && !main.contains(&format!("mod {name};")) {
            problems.push(format!("{}: not declared in main.rs", path.display()));
        }
    }
    complain(&problems);
}

#[test]
fn every_service_is_fuzzed_from_seeds() {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
    let filled = |folder: &Path| std::fs::read_dir(folder).is_ok_and(|mut files| files.next().is_some());
    let mut problems = Vec::new();
    for service in decnet::catalog::services().iter().filter(|service| service.emulated) {
        if !filled(&fuzz.join("seeds").join(service.slug)) {
            problems.push(format!("{}: no seeds in fuzz/seeds/{0}", service.slug));
        }
        if !fuzz.join("words").join(service.slug).is_file() {
            problems.push(format!("{}: no words in fuzz/words/{0}", service.slug));
        }
    }
    let parsers = std::fs::read_to_string(fuzz.join("src/parsers.rs")).unwrap();
    for entry in std::fs::read_dir(fuzz.join("seeds")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let service = decnet::catalog::service(&name).is_some_and(|service| service.emulated);
        if !service && !parsers.contains(&format!("(\"{name}\", ")) {
            problems.push(format!("fuzz/seeds/{name}: no target of that name"));
        }
    }
    // What is fuzzed are the versions that are handed out.
    let versions = |text: &str| -> std::collections::BTreeSet<String> {
        let packages = text.split("[[package]]").skip(1);
        packages.map(|package| package.lines().skip(1).take(2).collect::<Vec<_>>().join(" ")).collect()
    };
    let root = fuzz.with_file_name("Cargo.lock");
    let ours = versions(&std::fs::read_to_string(root).unwrap());
    let extra = ["arbitrary", "decnet-fuzz", "jobserver", "libfuzzer-sys"];
    for version in versions(&std::fs::read_to_string(fuzz.join("Cargo.lock")).unwrap()).difference(&ours) {
        if !extra.iter().any(|name| version.contains(&format!("\"{name}\""))) {
            problems.push(format!("fuzz/Cargo.lock: not in Cargo.lock: {version}"));
        }
    }
    complain(&problems);
}
