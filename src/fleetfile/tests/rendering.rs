//! How diagnostics look.

use super::read;
use crate::fleetfile::{Options, decode, load, removal_warnings, render};

#[test]
fn shows_line_caret_related_line_and_help() {
    let text = "[general]\nnet = 10.0.0.0/24\n\n[web-01]\nservices = ssh, htpp\nip = 10.0.1.5\n";
    insta::assert_snapshot!(render(text, &read(text).diagnostics, false), @r#"
    error[unknown-service]: there is no service `htpp`
     --> fleet.ini:5:17
      |
    5 | services = ssh, htpp
      |                 ^^^^
      |
      = help: did you mean `http`?

    error[off-subnet]: 10.0.1.5 of web-01 is outside the network 10.0.0.0/24
     --> fleet.ini:6:6
      |
    6 | ip = 10.0.1.5
      |      ^^^^^^^^
      |
     ::: fleet.ini:2:7
      |
    2 | net = 10.0.0.0/24
      |       ----------- the network
      |
      = help: take a free address of 10.0.0.0/24, or leave `ip` out to get one
    "#);
}

#[test]
fn shows_whole_lines_for_checks_against_the_fleet() {
    let text = "# c\n[web-0]\nservices=ssh\n";
    let found = removal_warnings(&read(text), &["web-01".to_owned()]);
    insta::assert_snapshot!(render(text, &found, false), @r#"
    warning[near-rename]: web-0 is new and web-01 would be removed; the names are nearly the same
     --> fleet.ini:2:1
      |
    2 | [web-0]
      | ^^^^^^^
      |
      = help: if it is a typo, write web-01
    "#);
}

#[test]
fn hostile_text_and_long_lines_are_harmless() {
    let text = format!("[a]\nservices=ssh\n\x1b[31m\u{202e}evil\nip={}\n", "x".repeat(100_000));
    let shown = render(&text, &read(&text).diagnostics, false);
    assert!(shown.len() < 2000, "{shown}");
    insta::assert_snapshot!(shown, @r#"
    error[not-ini]: `\u{1b}[31m\u{202e}evil` is neither a section, nor a key, nor a comment
     --> fleet.ini:3:1
      |
    3 | \u{1b}[31m\u{202e}evil
      | ^^^^^^^^^^^^^^^^^^^^^^
      |
      = help: write `[name]`, `key = value` or `# comment`

    error[bad-address]: `xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx...` is no IPv4 address
     --> fleet.ini:4:4
      |
    4 | ip=xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx...
      |    ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
      |
      = help: write it like 192.168.1.20; leave `ip` out to get the next free one
    "#);
}

#[test]
fn files_without_a_line_are_named() {
    let options = Options { name: "a\x1bb.ini", ..Options::default() };
    let loaded = load(b"", &options);
    insta::assert_snapshot!(render("", &loaded.diagnostics, false), @r#"
    error[no-decky]: the file is empty
    --> a\u{1b}b.ini
     = help: a decky is a section with its name: [web-01]
    "#);
    let bytes = b"[a]\nhostname=caf\xe9 au lait\n";
    insta::assert_snapshot!(render(&decode(bytes), &load(bytes, &options).diagnostics, false), @r#"
    error[not-utf8]: the file is not UTF-8: byte 0xe9 at offset 16 begins no character
     --> a\u{1b}b.ini:2:13
      |
    2 | hostname=caf� au lait
      |             ^
      |
      = help: save the file as UTF-8
    "#);
    assert_eq!(render("", &[], true), "");
}
