//! What is generated from the one clap definition: man pages, completions, help.

use std::path::Path;

use crate::common::{Ran, World};

#[test]
fn man_pages_are_fresh() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("man");
    let pages = decnet::cli::man::pages().unwrap();
    assert!(pages.len() > 20, "{}", pages.len());
    let mut problems = Vec::new();
    for (name, text) in &pages {
        if std::fs::read_to_string(dir.join(name)).unwrap_or_default() != *text {
            problems.push(name.clone());
        }
    }
    for entry in std::fs::read_dir(&dir).unwrap() {
        let name = entry.unwrap().file_name().to_string_lossy().into_owned();
        if !pages.iter().any(|(page, _)| *page == name) {
            problems.push(format!("{name} (no such command)"));
        }
    }
    assert!(problems.is_empty(), "stale, run `cargo run -- __man all man`: {problems:?}");
}

#[test]
fn completions_know_live_names_and_the_catalogue() {
    let world = World::new();
    let file = world.fleet("f.ini", "[zebra-7]\nservices = redis\n");
    world.run(&["deploy", file.to_str().unwrap()]).ok();
    let complete = |words: &[&str]| {
        let mut command = world.command(["--", "decnet"]);
        command
            .args(words)
            .env("COMPLETE", "bash")
            .env("_CLAP_IFS", "\n")
            .env("_CLAP_COMPLETE_INDEX", words.len().to_string());
        Ran::from(command.output().unwrap()).ok()
    };
    assert!(complete(&["show", "ze"]).contains("zebra-7"));
    assert!(complete(&["deploy", "--archetype", "linux"]).contains("linux-server"));
    assert!(complete(&["dep"]).contains("deploy"));
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        assert!(world.run(&["completions", shell]).ok().contains("decnet"), "{shell}");
    }
}

#[test]
fn every_command_explains_itself() {
    let world = World::new();
    let top = world.run(&["--help"]).ok();
    for command in decnet::cli::command().get_subcommands().filter(|c| !c.is_hide_set()) {
        assert!(top.contains(command.get_name()), "{}", command.get_name());
        assert!(command.get_about().is_some(), "{}", command.get_name());
        for arg in command.get_arguments() {
            assert!(arg.get_help().is_some(), "{} {}", command.get_name(), arg.get_id());
        }
        world.run(&[command.get_name(), "--help"]).ok();
    }
    assert!(top.contains("130"), "the exit codes are in --help");
    assert!(!top.contains("__"), "internal commands are hidden");
}
