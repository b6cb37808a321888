//! The settings of each service: DECNET's keys and defaults (facts: upstream §3.4), and a few of ours.

use super::setting::{Setting, SettingKind, headers};
use SettingKind::{Bool, Enum, Int, MultiEnum, Password, Path, Text, TextArea};

const ACCEPT: Setting = Setting::new(
    "accept",
    Enum(&["accounts", "none", "all"]),
    Some("accounts"),
    "who gets in: accounts (root with `password`, `user` with `user_password`), none, or all",
);

const PORT: SettingKind = Int { min: 1, max: 65535 };

pub(super) const SHELL: &[Setting] = &[
    Setting::new("password", Password, Some("admin"), "password of root"),
    Setting::new("user", Text, Some("ubuntu"), "second account; blank: none"),
    Setting::new("user_password", Password, Some("admin"), "password of the second account"),
    Setting::new("hostname", Text, None, "name in the prompt; without it the decky's"),
    ACCEPT,
];

pub(super) const FTP: &[Setting] = &[
    Setting::new(
        "banner",
        Text,
        None,
        "text after the greeting's code 220; drawn from the decky's identity without it",
    ),
    Setting::new("user", Text, None, "account that gets in"),
    Setting::new("password", Password, None, "password of the account"),
    Setting::new("anonymous", Bool, Some("true"), "whether `anonymous` and `ftp` get in with any password"),
];

pub(super) const MYSQL: &[Setting] = &[
    Setting::new("version", Text, None, "server version; drawn from the decky's identity without it"),
    Setting::new("user", Text, None, "account that gets in"),
    Setting::new("password", Password, None, "password of the account"),
];

pub(super) const REDIS: &[Setting] = &[
    Setting::new("version", Text, None, "server version; drawn from the decky's identity without it"),
    Setting::new("os_string", Text, None, "`os` line of INFO; drawn from the decky's identity without it"),
    Setting::new("password", Password, None, "password AUTH asks for; without it everybody gets in"),
];

const SERVER_HEADER: Setting =
    Setting::new("server_header", Text, None, "Server header; drawn from the decky's identity without it");
const RESPONSE_CODE: Setting = Setting::new(
    "response_code",
    Int { min: 100, max: 599 },
    Some("200"),
    "status of pages that are not found otherwise",
);
const FAKE_APP: Setting = Setting::new(
    "fake_app",
    Enum(&["none", "wordpress", "phpmyadmin", "tomcat", "jenkins"]),
    Some("none"),
    "application whose pages it shows",
);
const EXTRA_HEADERS: Setting =
    Setting::new("extra_headers", TextArea, None, "further response headers, a JSON object of texts")
        .check(headers);
const CUSTOM_BODY: Setting = Setting::new("custom_body", TextArea, None, "body of every page");
const FILES: Setting = Setting::new("files", Path, None, "directory whose files it serves");

pub(super) const HTTP: &[Setting] = &[
    SERVER_HEADER,
    RESPONSE_CODE,
    FAKE_APP,
    EXTRA_HEADERS,
    CUSTOM_BODY,
    Setting::new(
        "http_versions",
        MultiEnum(&["http/1.1", "http/2"]),
        Some("http/1.1"),
        "protocol versions it speaks",
    ),
    FILES,
];

pub(super) const HTTPS: &[Setting] = &[
    SERVER_HEADER,
    RESPONSE_CODE,
    FAKE_APP,
    EXTRA_HEADERS,
    CUSTOM_BODY,
    Setting::new(
        "http_versions",
        MultiEnum(&["http/1.1", "http/2", "http/3"]),
        Some("http/1.1"),
        "protocol versions it speaks",
    ),
    Setting::new(
        "tls_cn",
        Text,
        None,
        "name in the self-signed certificate; without it the decky's hostname",
    ),
    Setting::new("tls_cert", TextArea, None, "certificate chain, PEM"),
    Setting::new("tls_key", TextArea, None, "private key, PEM").secret(),
    FILES,
];

const BANNER: Setting = Setting::new("banner", Text, None, "greeting, sent as it is, code 220 included");
const MTA: Setting =
    Setting::new("mta", Enum(&["postfix", "exim", "sendmail"]), Some("postfix"), "mail server it looks like");

pub(super) const SMTP: &[Setting] = &[BANNER, MTA];

pub(super) const SMTP_RELAY: &[Setting] = &[
    BANNER,
    MTA,
    Setting::new("upstream_host", Text, None, "relay that the first mails of a source go out by"),
    Setting::new("upstream_port", PORT, Some("25"), "port of the relay"),
    Setting::new("upstream_user", Text, None, "account at the relay"),
    Setting::new("upstream_pass", Password, None, "password at the relay"),
    Setting::new("upstream_sender", Text, None, "envelope sender at the relay"),
    Setting::new(
        "probe_limit",
        Int { min: 0, max: 1_000_000 },
        Some("1"),
        "mails of one source that really go out",
    ),
];

pub(super) const MAILBOX: &[Setting] =
    &[Setting::new("email_seed", Path, None, "directory of .eml or .json files that fill the mailbox")];

pub(super) const RDP: &[Setting] =
    &[Setting::new("nla", Bool, Some("false"), "whether it asks for network level authentication")];

pub(super) const DNS: &[Setting] = &[
    Setting::new(
        "zone_mode",
        Enum(&["auth", "recursive", "open"]),
        Some("auth"),
        "what kind of server it plays",
    ),
    Setting::new("domain", Text, Some(""), "zone it serves; blank: made up"),
    Setting::new(
        "bind_version",
        Text,
        Some("9.11.4-P2-RedHat-9.11.4-26.P2.el7_9.10"),
        "answer to version.bind",
    ),
    Setting::new("nsid", Text, Some(""), "name server identifier; blank: derived"),
    Setting::new(
        "extra_records",
        TextArea,
        Some(""),
        "further records, `<name> <TYPE> <value>` on each line",
    ),
    Setting::new("real_recursive", Bool, Some("false"), "whether it asks a real server"),
    Setting::new("upstream", Text, Some("8.8.8.8:53"), "the real server"),
    Setting::new("forward_budget", Text, Some("50"), "questions forwarded within a window"),
    Setting::new("forward_window", Text, Some("1.0"), "length of the window in seconds"),
    Setting::new("state_path", Text, Some(""), "file its counters are kept in; blank: none"),
];

pub(super) const MONGODB: &[Setting] = &[
    Setting::new("version", Text, None, "server version; drawn from the decky's identity without it"),
    Setting::new("user", Text, None, "account that gets in; with it everybody has to log in"),
    Setting::new("password", Password, None, "password of the account"),
    Setting::new(
        "auth",
        Bool,
        None,
        "whether a login is asked for; without it: only when there is an account",
    ),
];

pub(super) const MQTT: &[Setting] = &[
    Setting::new("version", Text, None, "version of Mosquitto; drawn from the decky's identity without it"),
    Setting::new("user", Text, None, "account that gets in"),
    Setting::new("password", Password, None, "password of the account"),
    Setting::new(
        "accept_all",
        Bool,
        None,
        "whether everybody gets in, with any name and password; without it: yes, unless there is an account",
    ),
    Setting::new(
        "persona",
        Enum(&["water_plant", "building_hvac", "solar_farm", "factory_line", "smart_home"]),
        None,
        "whose readings are on the broker; drawn from the decky's identity without it",
    ),
    Setting::new(
        "custom_topics",
        TextArea,
        None,
        "further retained messages, `topic = payload` on each line",
    ),
];

pub(super) const POSTGRES: &[Setting] = &[
    Setting::new("version", Text, None, "server version; drawn from the decky's identity without it"),
    Setting::new(
        "auth",
        Enum(&["scram-sha-256", "md5", "password", "trust"]),
        None,
        "how clients log in; without it as the version does by default",
    ),
    Setting::new("user", Text, Some("postgres"), "account that gets in"),
    Setting::new("password", Password, Some("postgres"), "password of the account; blank: nobody gets in"),
];

pub(super) const VNC: &[Setting] = &[
    Setting::new(
        "server",
        Enum(&["tigervnc", "x11vnc", "tightvnc", "ultravnc", "realvnc"]),
        None,
        "server it looks like; drawn from the decky's identity without it",
    ),
    Setting::new("password", Password, None, "password that shows a login screen; without it none does"),
];
