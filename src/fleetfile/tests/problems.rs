//! Every diagnostic, by a file that has it.

use std::collections::BTreeSet;

use super::{codes, read};
use crate::fleetfile::{CODES, Options, Severity, load, removal_warnings};
use crate::model::CustomService;

/// Code, line and column where it is expected, the file.
const TABLE: &[(&str, usize, usize, &str)] = &[
    ("no-section", 1, 1, "ip = 10.0.0.1\n[a]\nservices=ssh\n"),
    ("not-ini", 2, 1, "[a]\nservices ssh\narchetype=printer\n"),
    ("not-ini", 3, 1, "[a]\nservices=ssh\nstray\n\n[b]\nservices=ssh\n"),
    ("bad-header", 1, 1, "[a\nservices=ssh\n"),
    ("bad-header", 1, 1, "[]\nservices=ssh\n"),
    ("bad-header", 1, 1, "[a][b]\nservices=ssh\n"),
    ("bad-header", 1, 1, "[a] # see [b]\nservices=ssh\n"),
    ("empty-key", 2, 1, "[a]\n= ssh\nservices=ssh\n"),
    ("duplicate-section", 3, 2, "[a]\nservices=ssh\n[a]\nservices=http\n"),
    ("duplicate-key", 3, 1, "[a]\nservices=ssh\nSERVICES=http\n"),
    ("duplicate-key", 4, 1, "[a]\nservices=ssh\nnmap_os=linux\nnmap-os=bsd\n"),
    ("duplicate-key", 4, 1, "[DEFAULT]\nservices=ssh\n[DEFAULT]\nservices=http\n[a]\n"),
    ("text-after-header", 1, 5, "[a] services=ssh\narchetype=printer\n"),
    ("joined-header", 3, 14, "[a]\nservices=ssh\n# web servers[b]\n"),
    ("joined-header", 5, 18, "[a]\nservices=ssh\n[a.ssh]\nuser=x\nhostname = fileso[b]\n"),
    ("joined-key", 3, 6, "[a]\nservices=ssh\n# theamount=3\n"),
    ("header-in-value", 3, 2, "[custom-x]\nexec=a\n [b]\n[a]\nservices=ssh\n"),
    ("general-name", 1, 2, "[General]\nnet=10.0.0.0/24\n[a]\nservices=ssh\n"),
    ("general-name", 1, 2, "[genral]\nnet=10.0.0.0/24\n[a]\nservices=ssh\n"),
    ("default-name", 1, 2, "[Default]\nservices=ssh\n"),
    ("default-name", 1, 2, "[DEFAUL]\nservices=ssh\n"),
    ("near-service", 3, 4, "[a]\nservices=http\n[a.htpp]\nresponse_code=200\n"),
    ("near-service", 3, 4, "[a]\nservices=http\n[a.HTTP]\n"),
    ("subsection-or-decky", 1, 4, "[a.htpp]\nservices=http\n"),
    ("bad-name", 1, 2, "[a b]\nservices=ssh\n"),
    ("bad-name", 1, 2, "[ a ]\nservices=ssh\n"),
    ("bad-custom", 1, 2, "[custom-]\n[a]\nservices=ssh\n"),
    ("bad-talk", 4, 2, "[custom-x]\nanswers =\n a => b\n c\n[a]\nservices=x\n"),
    ("bad-talk", 2, 8, "[custom-x]\nbanner=\\q\n[a]\nservices=x\n"),
    ("bad-talk", 2, 9, "[custom-x]\ntimeout=900\n[a]\nservices=x\n"),
    ("bad-talk", 2, 5, "[custom-x]\ntls=maybe\n[a]\nservices=x\n"),
    ("custom-takes-builtin", 1, 2, "[custom-ssh]\n[a]\nservices=ssh\n"),
    ("unknown-key", 3, 1, "[a]\nservices=ssh\nservice=http\n"),
    ("unknown-key", 1 + 1, 1, "[general]\nnetwork=10.0.0.0/24\n[a]\nservices=ssh\n"),
    ("unknown-key", 4, 1, "[a]\nservices=ssh\n[a.ssh]\nssh_version=1\n"),
    ("unknown-key", 2, 1, "[DEFAULT]\nnonsense=1\n[a]\nservices=ssh\n"),
    ("unknown-key", 2, 1, "[custom-x]\nbinry=y\n[a]\nservices=x\n"),
    ("empty-value", 3, 1, "[a]\nservices=ssh\ndistro=\n"),
    ("empty-value", 4, 1, "[a]\nservices=http\n[a.http]\nresponse_code=\n"),
    ("unknown-service", 2, 15, "[a]\nservices=ssh, htpp\n"),
    ("unknown-service", 2, 10, "[a]\nservices=SSH\n"),
    ("unknown-service", 3, 3, "[a]\nservices=ssh,\n  htpp\n"),
    ("unknown-service", 2, 10, "[a]\nservices=ssh # shell\n"),
    ("unknown-archetype", 2, 11, "[a]\narchetype=priter\n"),
    ("unknown-os", 3, 9, "[a]\nservices=ssh\nnmap_os=Linux\n"),
    ("unknown-distro", 3, 8, "[a]\nservices=ssh\ndistro=debain\n"),
    ("unknown-driver", 2, 8, "[general]\ndriver=macvlam\n[a]\nservices=ssh\n"),
    ("bad-amount", 3, 8, "[a]\nservices=ssh\namount=0\n"),
    ("bad-amount", 3, 8, "[a]\nservices=ssh\namount=101\n"),
    ("bad-amount", 3, 8, "[a]\nservices=ssh\namount=many\n"),
    ("bad-amount", 3, 8, "[a]\nservices=ssh\namount=3 # three\n"),
    ("bad-interval", 3, 17, "[a]\nservices=ssh\nmutate_interval=0\n"),
    ("bad-interval", 2, 17, "[general]\nmutate_interval=1.5\n[a]\nservices=ssh\n"),
    ("bad-address", 3, 4, "[a]\nservices=ssh\nip=10.0.0.256\n"),
    ("bad-address", 3, 4, "[a]\nservices=ssh\nip=::1\n"),
    ("bad-address", 3, 4, "[a]\nservices=ssh\nip=10.0.0.5 ; web\n"),
    ("reserved-address", 3, 4, "[a]\nservices=ssh\nip=255.255.255.255\n"),
    ("reserved-address", 3, 4, "[a]\nservices=ssh\nip=127.0.0.1\n"),
    ("reserved-address", 5, 4, "[general]\nnet=10.0.0.0/24\n[a]\nservices=ssh\nip=10.0.0.0\n"),
    ("reserved-address", 5, 4, "[general]\nnet=10.0.0.0/24\n[a]\nservices=ssh\nip=10.0.0.255\n"),
    ("reserved-address", 6, 4, "[general]\nnet=10.0.0.0/24\ngw=10.0.0.1\n[a]\nservices=ssh\nip=10.0.0.1\n"),
    ("off-subnet", 5, 4, "[general]\nnet=10.0.0.0/24\n[a]\nservices=ssh\nip=10.0.1.5\n"),
    ("duplicate-address", 6, 4, "[a]\nservices=ssh\nip=10.0.0.5\n[b]\nservices=ssh\nip=10.0.0.5\n"),
    ("bad-net", 2, 5, "[general]\nnet=10.0.0.0/33\n[a]\nservices=ssh\n"),
    ("bad-net", 2, 5, "[general]\nnet=10.0.0.0/24\ndriver=loopback\n[a]\nservices=ssh\n"),
    ("bad-net", 2, 5, "[general]\nnet=127.1.0.0/24\ndriver=macvlan\n[a]\nservices=ssh\n"),
    ("bad-gateway", 2, 4, "[general]\ngw=router\n[a]\nservices=ssh\n"),
    ("bad-gateway", 3, 4, "[general]\nnet=10.0.0.0/24\ngw=10.0.1.1\n[a]\nservices=ssh\n"),
    ("bad-gateway", 3, 4, "[general]\nnet=10.0.0.0/24\ngw=10.0.0.255\n[a]\nservices=ssh\n"),
    ("bad-interface", 2, 11, "[general]\ninterface=a network card\n[a]\nservices=ssh\n"),
    ("bad-port-offset", 2, 13, "[general]\nport_offset=65536\n[a]\nservices=ssh\n"),
    ("bad-log-target", 2, 12, "[general]\nlog_target=tls://x:1\n[a]\nservices=ssh\n"),
    ("bad-host-access", 2, 13, "[general]\nhost_access=maybe\n[a]\nservices=ssh\n"),
    ("bad-probe", 2, 7, "[general]\nprobe=slow\n[a]\nservices=ssh\n"),
    ("bad-hostname", 3, 10, "[a]\nservices=ssh\nhostname=a..b\n"),
    ("bad-mac", 3, 5, "[a]\nservices=ssh\nmac=01:00:5e:00:00:01\n"),
    ("bad-mac", 3, 5, "[a]\nservices=ssh\nmac=52:54:00\n"),
    (
        "duplicate-mac",
        6,
        5,
        "[a]\nservices=ssh\nmac=52:54:00:00:00:01\n[b]\nservices=ssh\nmac=52-54-00-00-00-01\n",
    ),
    ("duplicate-hostname", 6, 10, "[a]\nservices=ssh\nhostname=x\n[b]\nservices=ssh\nhostname=x\n"),
    ("ip-with-amount", 4, 1, "[a]\nservices=ssh\namount=2\nip=10.0.0.5\n"),
    ("hostname-with-amount", 4, 1, "[a]\nservices=ssh\namount=2\nhostname=x\n"),
    ("mac-with-amount", 4, 1, "[a]\nservices=ssh\namount=2\nmac=52:54:00:00:00:01\n"),
    ("duplicate-name", 4, 2, "[a]\nservices=ssh\namount=2\n[a-02]\nservices=ssh\n"),
    ("bad-setting", 4, 15, "[a]\nservices=http\n[a.http]\nresponse_code=ok\n"),
    ("bad-setting", 4, 15, "[a]\nservices=http\n[a.http]\nextra_headers=X-A: b\n"),
    ("bad-setting", 4, 5, "[a]\nservices=rdp\n[a.rdp]\nnla=nope\n"),
    ("bad-port", 2, 10, "[custom-x]\nports=80,any\n[a]\nservices=x\n"),
    ("service-twice", 2, 15, "[a]\nservices=ssh, ssh\n"),
    ("empty-service", 2, 14, "[a]\nservices=ssh,\n"),
    ("random-services", 1, 2, "[a]\nip=10.0.0.5\n"),
    ("random-services", 1, 2, "[a]\nservices=\n"),
    ("orphan-subsection", 3, 2, "[a]\nservices=ssh\n[b.ssh]\nuser=x\n"),
    ("orphan-subsection", 5, 2, "[web-1]\nservices=ssh\n[web-2]\nservices=ssh\n[web.ssh]\nuser=x\n"),
    ("unused-subsection", 3, 2, "[a]\nservices=ssh\n[a.http]\n"),
    ("unused-subsection", 3, 2, "[a]\narchetype=printer\n[a.http]\n"),
    ("no-decky", 0, 0, "[general]\nnet=10.0.0.0/24\n"),
    ("no-decky", 0, 0, "# nothing\n"),
    ("no-decky", 0, 0, ""),
    ("no-decky", 0, 0, "\u{feff} \n\n"),
];

#[test]
fn each_problem_is_reported_at_its_place_and_alone() {
    for (code, line, column, text) in TABLE {
        let loaded = read(text);
        let [found] = loaded.diagnostics.as_slice() else {
            panic!("{text:?} gives {:#?}", loaded.diagnostics);
        };
        assert_eq!((found.code, found.line, found.column), (*code, *line, *column), "{text:?}: {found:#?}");
        let (_, severity, _) = CODES.iter().find(|(c, ..)| c == code).unwrap();
        assert_eq!(found.severity, *severity, "{text:?}");
        assert!(found.help.is_some(), "{text:?}");
        assert!(!found.message.ends_with('.') && !found.message.is_empty(), "{}", found.message);
        assert_eq!(loaded.has_errors(), *severity == Severity::Error);
    }
}

#[test]
fn every_code_has_a_test_and_no_code_is_there_twice() {
    let table: BTreeSet<_> = TABLE.iter().map(|(code, ..)| *code).collect();
    // Tested in the functions below, in `deletion` and in `agree`.
    let elsewhere = [
        "too-large",
        "not-utf8",
        "too-many-deckies",
        "too-many-problems",
        "parsers-disagree",
        "near-rename",
        "shrunk-group",
        "regrouped-decky",
        "commented-out-decky",
    ];
    let tested: BTreeSet<_> = table.iter().copied().chain(elsewhere).collect();
    let known: BTreeSet<_> = CODES.iter().map(|(code, ..)| *code).collect();
    assert_eq!(tested, known);
    assert_eq!(known.len(), CODES.len());
}

#[test]
fn helps_name_the_nearest_word() {
    for (help, text) in [
        ("did you mean `http`?", "[a]\nservices=htpp\n"),
        ("`printer` is an archetype: write `archetype = printer`", "[a]\nservices=printer\n"),
        ("`ssh` is a service: write `services = ssh`", "[a]\narchetype=ssh\n"),
        ("put commas between services", "[a]\nservices=ssh http\n"),
        ("did you mean `services`?", "[a]\nservics=ssh\narchetype=printer\n"),
        ("`net` belongs into [general]", "[a]\nservices=ssh\nnet=10.0.0.0/24\n"),
        ("write [general]", "[GENERAL]\n[a]\nservices=ssh\n"),
        ("write [a.http], or give the decky another name", "[a]\nservices=http\n[a.htpp]\n"),
        ("did you mean `password`?", "[a]\nservices=ssh\n[a.ssh]\npasword=x\n"),
        ("did you mean `web`?", "[web]\nservices=ssh\n[wbe.ssh]\nuser=x\n"),
        ("deckies have IPv4 addresses only", "[a]\nservices=ssh\nip=fe80::1\n"),
        (
            "only a section with `amount` makes a group; give w-1, w-2 a subsection each, or make them one group",
            "[w-1]\nservices=ssh\n[w-2]\nservices=ssh\n[w.ssh]\n",
        ),
        (
            "`# three` is part of the value: a comment needs a line of its own",
            "[a]\nservices=ssh\namount=3 # three\n",
        ),
        (
            "`; web` is part of the value: a comment needs a line of its own",
            "[a]\nservices=ssh\nip=10.0.0.5 ; web\n",
        ),
    ] {
        let loaded = read(text);
        assert_eq!(loaded.diagnostics.first().and_then(|d| d.help.as_deref()), Some(help), "{text:?}");
    }
}

#[test]
fn both_lines_of_a_pair_are_shown() {
    for (code, first) in [
        ("duplicate-section", 1),
        ("duplicate-key", 2),
        ("duplicate-address", 3),
        ("duplicate-mac", 3),
        ("duplicate-hostname", 3),
        ("duplicate-name", 1),
        ("off-subnet", 2),
    ] {
        let (.., text) = TABLE.iter().find(|(c, ..)| *c == code).unwrap();
        let loaded = read(text);
        let related = &loaded.diagnostics[0].related;
        assert_eq!(related.iter().map(|r| r.line).collect::<Vec<_>>(), [first], "{code}");
    }
}

#[test]
fn all_problems_come_at_once_in_file_order() {
    let loaded = read("[a]\nip=x\namount=y\nservices=q\n[b\n[c]\nservices=ssh\nwhat\n");
    assert_eq!(codes(&loaded), ["bad-address", "bad-amount", "unknown-service", "bad-header", "not-ini"]);
}

#[test]
fn a_broken_header_costs_one_message() {
    let loaded = read("[a]\nservices=ssh\n[b\nservices=http\nip=10.0.0.5\n[a]\nservices=ftp\nnonsense=1\n");
    assert_eq!(codes(&loaded), ["bad-header", "duplicate-section"]);
}

#[test]
fn strict_makes_warnings_errors() {
    let options = Options { name: "-", strict: true, known_customs: &[] };
    let loaded = load(b"[a]\nservices=ssh,ssh\n", &options);
    assert_eq!(codes(&loaded), ["service-twice"]);
    assert!(loaded.has_errors());
    assert_eq!(loaded.diagnostics[0].file, "-");
}

#[test]
fn bytes_that_are_no_text_are_placed() {
    let loaded = load(b"[a]\nservices=ssh\nhostname=caf\xe9\n", &Options::default());
    let found = &loaded.diagnostics[0];
    assert_eq!((found.code, found.line, found.column), ("not-utf8", 3, 13));
    assert!(found.message.contains("0xe9"));
    let loaded = load(b"\xff\xfe[\0a\0]\0", &Options::default());
    assert_eq!(loaded.diagnostics[0].help.as_deref(), Some("this is UTF-16; save the file as UTF-8"));
}

#[test]
fn size_and_number_are_bounded() {
    let mut text = "[a]\nservices=ssh\n".to_owned();
    text.push_str(&"#".repeat(512 * 1024 - text.len()));
    assert_eq!(codes(&read(&text)), [""; 0]);
    text.push('#');
    assert_eq!(codes(&read(&text)), ["too-large"]);

    let many: String = (0..3000).map(|n| format!("[g{n}]\namount=100\nservices=ssh\n")).collect();
    let loaded = read(&many);
    assert_eq!(codes(&loaded), ["too-many-deckies"]);
    assert_eq!(loaded.spec.deckies.len(), crate::fleetfile::MAX_DECKIES);

    let bad: String = (0..5000).map(|n| format!("[d{n}]\nip=x\n")).collect();
    let loaded = read(&bad);
    assert_eq!(loaded.diagnostics.len(), 2001);
    assert_eq!(loaded.diagnostics.last().map(|d| d.code), Some("too-many-problems"));
}

#[test]
fn a_default_is_complained_about_once() {
    let loaded = read("[DEFAULT]\nservices=htpp\ndistro=x\n[a]\n[b]\n[c]\n");
    assert_eq!(codes(&loaded), ["unknown-service", "unknown-distro"]);
}

#[test]
fn customs_of_the_fleet_are_known() {
    let known = [CustomService { slug: "mine".into(), ..CustomService::default() }];
    let options = Options { name: "", strict: true, known_customs: &known };
    let loaded = load(b"[a]\nservices=mine\n[a.mine]\nanything=goes\n", &options);
    assert_eq!(codes(&loaded), [""; 0]);
    assert_eq!(loaded.spec.deckies[0].service_config["mine"]["anything"], "goes");
    assert!(loaded.spec.customs.is_empty());
    assert_eq!(codes(&read("[a]\nservices=mine\n")), ["unknown-service"]);
}

#[test]
fn slips_show_against_the_recorded_fleet() {
    let check = |text: &str, recorded: &[&str]| {
        let recorded: Vec<String> = recorded.iter().map(|n| (*n).to_owned()).collect();
        let found = removal_warnings(&read(text), &recorded);
        found.into_iter().map(|d| (d.code, d.line)).collect::<Vec<_>>()
    };
    let one = "[web-0]\nservices=ssh\n";
    assert_eq!(check(one, &["web-01"]), [("near-rename", 1)]);
    assert_eq!(check(one, &["Web-0"]), [("near-rename", 1)]);
    assert_eq!(check(one, &["wbe-0"]), [("near-rename", 1)]);
    assert_eq!(check(one, &["mail"]), []);
    // Kept, so nothing was renamed; and a plain removal is no slip.
    assert_eq!(check(one, &["web-0", "web-01"]), []);
    let group = "[web]\namount=2\nservices=ssh\n[x]\nservices=ssh\n";
    assert_eq!(check(group, &["web-01", "web-02", "x", "web-03", "web-04"]), [("shrunk-group", 1)]);
    assert_eq!(check(group, &["web", "x"]), [("regrouped-decky", 1)]);
    assert_eq!(check(group, &["web-01", "web-02", "y-01"]), []);
    assert_eq!(check("[web]\nservices=ssh\n", &["web-01", "web-02"]), [("regrouped-decky", 1)]);
    // Sections of their own are no group.
    assert_eq!(
        check("[web-01]\nservices=ssh\n[web-02]\nservices=ssh\n", &["web-01", "web-02", "web-03"]),
        []
    );
    let hidden = "[a]\nservices=ssh\n#[db]\n# kept: [x]\n";
    assert_eq!(check(hidden, &["a", "db"]), [("commented-out-decky", 3)]);
    assert_eq!(check(hidden, &["a", "x-01", "x-02"]), [("commented-out-decky", 4)]);
    assert_eq!(check(hidden, &["a"]), []);
}
