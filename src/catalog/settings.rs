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

pub(super) const SIP: &[Setting] = &[
    Setting::new("version", Text, None, "Asterisk's version; that of the decky's distro without it"),
    Setting::new("user", Text, None, "extension that gets in"),
    Setting::new("password", Password, None, "password of the extension"),
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

const SMTP_AUTH: Setting = Setting::new(
    "auth",
    Enum(&["clear", "tls", "never"]),
    Some("clear"),
    "where port 25 offers AUTH: everywhere, after STARTTLS, or never; 587 does after STARTTLS",
);

pub(super) const SMTP: &[Setting] = &[
    BANNER,
    MTA,
    SMTP_AUTH,
    Setting::new("user", Text, None, "account that AUTH lets in, to send anywhere; nothing is delivered"),
    Setting::new("password", Password, None, "password of the account"),
];

pub(super) const SMTP_RELAY: &[Setting] = &[
    BANNER,
    MTA,
    SMTP_AUTH,
    Setting::new(
        "upstream_host",
        Text,
        None,
        "accepted and unused: decnet stores mails and delivers nothing",
    ),
    Setting::new("upstream_port", PORT, Some("25"), "accepted and unused: decnet delivers nothing"),
    Setting::new("upstream_user", Text, None, "accepted and unused: decnet delivers nothing"),
    Setting::new("upstream_pass", Password, None, "accepted and unused: decnet delivers nothing"),
    Setting::new("upstream_sender", Text, None, "accepted and unused: decnet delivers nothing"),
    Setting::new(
        "probe_limit",
        Int { min: 0, max: 1_000_000 },
        Some("1"),
        "accepted and unused: decnet delivers no mail, not even a first one",
    ),
];

pub(super) const MAILBOX: &[Setting] = &[
    Setting::new("email_seed", Path, None, "directory of .eml or .json files that are added to the mailbox"),
    Setting::new("user", Text, None, "further account that gets in"),
    Setting::new("password", Password, None, "password of the further account"),
    Setting::new(
        "accept",
        Enum(&["accounts", "none", "all"]),
        Some("accounts"),
        "who gets in: accounts (`user`, admin/admin123, root/toor, mail/mail, user/user), none, or all",
    ),
    Setting::new(
        "plaintext_auth",
        Bool,
        Some("true"),
        "whether logins without TLS are taken; Dovecot's own default is false",
    ),
];

pub(super) const RDP: &[Setting] = &[
    Setting::new(
        "nla",
        Bool,
        None,
        "true: it insists on network level authentication; false: it has none, and passwords come in clear; \
         without it as the product does: Windows takes it from clients that have it, xrdp has none",
    ),
    Setting::new("user", Text, None, "account whose password network level authentication accepts"),
    Setting::new("password", Password, None, "password of the account"),
];

pub(super) const SMB: &[Setting] = &[
    Setting::new(
        "workgroup",
        Text,
        None,
        "NetBIOS name of its workgroup or domain; without it the first part of `domain`, or WORKGROUP",
    ),
    Setting::new("domain", Text, None, "DNS name of the domain it is a member of; without it none"),
    Setting::new("user", Text, None, "account that gets in"),
    Setting::new("password", Password, None, "password of the account"),
    Setting::new(
        "guest",
        Bool,
        Some("true"),
        "whether clients without a password see the shares; Samba lets unknown users in as guests then",
    ),
    Setting::new(
        "share",
        Text,
        None,
        "name of the share with files; `public` or `Data` without it; blank: none",
    ),
];

pub(super) const MSSQL: &[Setting] = &[
    Setting::new(
        "version",
        Text,
        None,
        "server version, like 15.0.4430.1; drawn from the decky's identity without it",
    ),
    Setting::new("user", Text, None, "account that gets in; `sa` when only the password is given"),
    Setting::new("password", Password, None, "password of the account"),
];

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
