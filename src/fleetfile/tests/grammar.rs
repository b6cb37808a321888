//! The line grammar, as Python's `configparser` has it.

use proptest::prelude::*;

use super::{clean, codes, names, read};
use crate::fleetfile::{Options, decode, load, render};

const PLAIN: &str =
    "[general]\nnet=10.0.0.0/24\ngw=10.0.0.1\n[a]\nservices=ssh,http\nip=10.0.0.9\n[a.ssh]\npassword=p\n";

#[test]
fn line_ends_and_byte_order_mark_change_nothing() {
    let plain = clean(PLAIN).spec;
    for text in [
        PLAIN.replace('\n', "\r\n"),
        PLAIN.replace('\n', "\r"),
        format!("\u{feff}{PLAIN}"),
        PLAIN.trim_end().to_owned(),
        PLAIN.replace('=', " = "),
        PLAIN.replace("ip=", "ip:").replace("net=", "Net :\t"),
        PLAIN.replace('\n', "\n\n"),
        PLAIN.replace("[a]", "[a]   ; the first\n  # note"),
    ] {
        let mut spec = clean(&text).spec;
        for (new, old) in spec.deckies.iter_mut().zip(&plain.deckies) {
            new.origin = old.origin.clone();
        }
        assert_eq!(spec, plain, "{text:?}");
    }
}

#[test]
fn first_separator_splits_and_the_rest_is_the_value() {
    let loaded = clean("[a]\nservices=ssh\n[a.ssh]\npassword=x=y:z\n");
    assert_eq!(loaded.spec.deckies[0].service_config["ssh"]["password"], "x=y:z");
}

#[test]
fn values_keep_percent_quotes_backslashes_and_inline_comments() {
    for value in ["50%", "%(x)s", "100%%", "\"quoted\"", "C:\\new\\x", "end\\", "a # b", "a ; b", "über", "'"]
    {
        let text = format!("[a]\nservices=ssh\n[a.ssh]\npassword = {value}\nuser=u\n");
        let loaded = clean(&text);
        assert_eq!(loaded.spec.deckies[0].service_config["ssh"]["password"], value);
        assert_eq!(loaded.spec.deckies[0].service_config["ssh"]["user"], "u");
    }
}

#[test]
fn continuation_lines_are_indented_deeper_than_their_key() {
    let loaded = clean("[a]\nservices=ssh,\n  http,\n\n# between\n\t ftp\nip=10.0.0.5\n");
    assert_eq!(loaded.spec.deckies[0].services.as_deref().unwrap(), ["ssh", "http", "ftp"]);
    let loaded = clean("  [a]\n  services=ssh\n  ip=10.0.0.5\n [b]\n services=ftp,\n   http\n");
    assert_eq!(names(&loaded), ["a", "b"]);
    assert_eq!(loaded.spec.deckies[1].services.as_deref().unwrap(), ["ftp", "http"]);
    let loaded = clean(
        "[a]\nservices=http\n[a.http]\ncustom_body =\n  <p>\n\n  one [two]\n  </p>\n\n\n[b]\nservices=ssh\n",
    );
    assert_eq!(loaded.spec.deckies[0].service_config["http"]["custom_body"], "<p>\n\none [two]\n</p>");
    assert_eq!(names(&loaded), ["a", "b"]);
}

#[test]
fn section_names_keep_their_case_and_keys_do_not() {
    let loaded = clean("[Web_01]\nSERVICES=ssh\nNMAP-OS=bsd\n");
    assert_eq!(names(&loaded), ["Web_01"]);
    assert_eq!(loaded.spec.deckies[0].nmap_os.as_deref(), Some("bsd"));
}

#[test]
fn default_may_come_in_parts_and_anywhere() {
    let loaded = clean("[a]\n[DEFAULT]\nservices=ssh\n[b]\nservices=http\n[DEFAULT]\ndistro=arch\n");
    let services = |n: usize| loaded.spec.deckies[n].services.clone().unwrap();
    assert_eq!((services(0), services(1)), (vec!["ssh".to_owned()], vec!["http".to_owned()]));
    assert!(loaded.spec.deckies.iter().all(|d| d.distro.as_deref() == Some("arch")));
}

/// Pieces that files are made of, right and wrong.
fn piece() -> impl Strategy<Value = String> {
    let words = [
        "[",
        "]",
        "=",
        ":",
        "\n",
        "\r\n",
        "\r",
        " ",
        "\t",
        "#",
        ";",
        "%",
        "\\",
        "\u{feff}",
        "\0",
        "\u{85}",
        "\x1c",
        "é",
        "[a]",
        "[a.ssh]",
        "[general]",
        "[DEFAULT]",
        "[custom-x]",
        "services",
        "amount",
        "ip",
        "10.0.0.5",
        "ssh",
        "http,ssh",
        "3",
        "net=10.0.0.0/8",
        "\n  ",
        "\n#",
        "\"",
        "'",
        "b64:",
        "[web.htpp]",
    ];
    prop_oneof![
        4 => proptest::sample::select(words.to_vec()).prop_map(str::to_owned),
        1 => "[a-z=\\[\\]# .\n-]{0,12}",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_taken(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let loaded = load(&bytes, &Options::default());
        let shown = render(&decode(&bytes), &loaded.diagnostics, false);
        prop_assert!(shown.chars().all(|c| c == '\n' || !c.is_control()), "{:?}", shown);
    }

    #[test]
    fn nearly_files_are_taken_and_never_split_opinions(pieces in proptest::collection::vec(piece(), 0..60)) {
        let text = pieces.concat();
        let loaded = read(&text);
        prop_assert!(!codes(&loaded).contains(&"parsers-disagree"), "{:?} {:#?}", text, loaded.diagnostics);
        let shown = render(&text, &loaded.diagnostics, false);
        prop_assert!(shown.chars().all(|c| c == '\n' || !c.is_control()), "{:?}", shown);
        for d in &loaded.diagnostics {
            prop_assert!(text.get(d.span.clone()).is_some(), "{:?} {:?}", text, d);
        }
        if loaded.spec.deckies.is_empty() {
            prop_assert!(loaded.has_errors());
        }
    }
}
