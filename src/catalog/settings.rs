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

const VERSION: Setting =
    Setting::new("version", Text, None, "server version; drawn from the decky's identity without it");

/// Services whose version is all there is to say.
pub(super) const VERSIONED: &[Setting] = &[VERSION];

pub(super) const ELASTICSEARCH: &[Setting] = &[
    VERSION,
    Setting::new(
        "cluster_name",
        Text,
        None,
        "name of the cluster; drawn from the decky's identity without it",
    ),
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
        "protocol versions it speaks; http/3 is taken and not spoken",
    ),
    Setting::new(
        "tls_cn",
        Text,
        None,
        "name in the self-signed certificate; without it the decky's hostname",
    ),
    Setting::new("tls_cert", TextArea, None, "certificate chain, PEM, instead of a self-signed one"),
    Setting::new("tls_key", TextArea, None, "private key of tls_cert, PEM").secret(),
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
        None,
        "answer to version.bind; drawn from the decky's distro without it",
    ),
    Setting::new("nsid", Text, Some(""), "name server identifier; blank: the hostname"),
    Setting::new(
        "extra_records",
        TextArea,
        Some(""),
        "further records, `<name> <TYPE> <value>` on each line",
    ),
    Setting::new(
        "transfers",
        Bool,
        None,
        "whether it hands out its zone; without it as the product does: BIND yes, Microsoft no",
    ),
    Setting::new("real_recursive", Bool, Some("false"), "no effect: a decoy never asks another server"),
    Setting::new("upstream", Text, Some("8.8.8.8:53"), "no effect: a decoy never asks another server"),
    Setting::new("forward_budget", Text, Some("50"), "no effect: nothing is forwarded"),
    Setting::new("forward_window", Text, Some("1.0"), "no effect: nothing is forwarded"),
    Setting::new("state_path", Text, Some(""), "no effect: a decoy writes no file"),
];

pub(super) const SNMP: &[Setting] = &[
    Setting::new("community", Password, Some("public"), "community that may read"),
    Setting::new("write_community", Password, Some("private"), "community that may read and write"),
    Setting::new("user", Text, None, "version 3 user that it knows; nobody's password is right"),
    Setting::new("sys_descr", TextArea, None, "sysDescr; drawn from the decky's identity without it"),
    Setting::new("sys_contact", Text, None, "sysContact"),
    Setting::new("sys_name", Text, None, "sysName; without it the decky's hostname"),
    Setting::new("sys_location", Text, None, "sysLocation"),
];

pub(super) const LDAP: &[Setting] = &[
    Setting::new("domain", Text, None, "domain it is the directory of; made up without it"),
    Setting::new("user", Text, None, "account that gets in"),
    Setting::new("password", Password, None, "password of the account"),
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
