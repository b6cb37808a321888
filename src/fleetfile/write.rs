//! A recorded fleet as a file that loads back to the same fleet (`decnet export`).

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::decky::{is_hostname, is_station};
use super::escape::show;
use super::general::is_interface;
use super::hidden::{glued_header, headers};
use super::scan::DEFAULT;
use super::text::strip;
use super::{Loaded, Options, Severity, custom, load};
use crate::catalog::{self, SettingKind};
use crate::model::{CustomService, Decky, DeckyName, Fleet, Network, Probing, Recorded, Settings, State};

/// Why a fleet cannot be written. Leaving the offender out is no choice: the file, used as the whole fleet, would
/// remove it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WriteError {
    /// A section of this name would be something else than a decky.
    #[error(
        "decky `{0}` cannot be written to a file: a section of that name is no decky; remove it or export the others by hand"
    )]
    Name(String),
    /// A setting whose value the format has no form for.
    #[error("`{key}` of decky `{decky}` cannot be written to a file: {why}")]
    Value {
        /// Which decky.
        decky: String,
        /// `service.key`.
        key: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The text would not load back to the same fleet.
    #[error("the fleet cannot be written to a file: read back it would differ ({0})")]
    Differs(String),
}

const HEAD: &str = "\
# A decnet fleet, written by `decnet export`. Deploy it again with `decnet deploy --replace-fleet FILE`.
# It holds passwords and keys in clear: keep it as safe as the store.
";

/// The fleet as INI: network, custom services, then every decky with all its fields and settings, by name.
///
/// Deckies on their way out are left out. What the catalogue does not know is left out with a comment; a deploy
/// keeps what a file does not pin.
///
/// # Errors
///
/// When a part of the fleet cannot be expressed, or would not be read back the same.
pub fn write(fleet: &Fleet) -> Result<String, WriteError> {
    let mut out = HEAD.to_owned();
    if let Some(network) = &fleet.network {
        general(&mut out, network);
    }
    for service in &fleet.customs {
        custom_section(&mut out, service)?;
    }
    for member in &fleet.members {
        if matches!(member.state, State::TearingDown | State::TeardownFailed | State::TornDown) {
            push(&mut out, &format!("\n# left out, being removed: \"{}\"", show(&member.name)));
            continue;
        }
        let name = expressible(&member.name, fleet)?;
        match &member.decky {
            Ok(decky) => decky_section(&mut out, &name, member, decky, fleet)?,
            Err(why) => bare_section(&mut out, &name, member, why, fleet),
        }
    }
    verify(&out, fleet)?;
    Ok(out)
}

fn push(out: &mut String, line: &str) {
    out.push_str(line);
    out.push('\n');
}

fn pair(out: &mut String, key: &str, value: impl std::fmt::Display) {
    // Writing to a string cannot fail.
    let _ = writeln!(out, "{key} = {value}");
}

/// Says that a value is not in the file, with the value at neither end of the line.
fn omitted(out: &mut String, key: &str, value: &str) {
    push(
        out,
        &format!("# {key} is left out: \"{}\" is unknown here, and stays as it is recorded", show(value)),
    );
}

fn general(out: &mut String, network: &Network) {
    push(out, "\n[general]");
    pair(out, "driver", network.driver);
    if is_interface(&network.interface) {
        pair(out, "interface", &network.interface);
    } else {
        omitted(out, "interface", &network.interface);
    }
    pair(out, "net", network.subnet);
    if let Some(gateway) = network.gateway {
        pair(out, "gw", gateway);
    }
    if network.port_offset != 0 {
        pair(out, "port_offset", network.port_offset);
    }
    if let Some(target) = &network.log_target {
        pair(out, "log_target", target);
    }
    if network.host_access {
        pair(out, "host_access", true);
    }
    if network.probe != Probing::default() {
        pair(out, "probe", network.probe);
    }
    if let Some(minutes) = network.mutate_interval.filter(|m| *m > 0) {
        pair(out, "mutate_interval", minutes);
    }
}

fn custom_section(out: &mut String, service: &CustomService) -> Result<(), WriteError> {
    let decky = format!("custom-{}", service.slug);
    let bad = |key: &str, why| WriteError::Value { decky: decky.clone(), key: key.to_owned(), why };
    if !custom::is_slug(&service.slug) || catalog::service(&service.slug).is_some() {
        return Err(bad("name", "it is no name for a custom service"));
    }
    let exec = service.exec.join(" ");
    if service.exec.iter().any(|word| word.is_empty() || word.contains(char::is_whitespace)) {
        return Err(bad("exec", "a word of the command has blanks in it"));
    }
    if service.binary.trim() != service.binary || service.binary.contains(['\n', '\r']) {
        return Err(bad("binary", "it has blanks at its end or several lines"));
    }
    push(out, &format!("\n[{decky}]"));
    pair(out, "binary", &service.binary);
    pair(out, "exec", exec);
    let list = |ports: &[u16]| ports.iter().map(u16::to_string).collect::<Vec<_>>().join(", ");
    pair(out, "ports", list(&service.ports));
    if !service.udp_ports.is_empty() {
        pair(out, "udp_ports", list(&service.udp_ports));
    }
    let talk = &service.talk;
    let one_line = |text: &str| form(Some(SettingKind::Text), text);
    for (key, text) in [("banner", &talk.banner), ("default", &talk.default)] {
        if !text.is_empty() {
            pair(out, key, one_line(text).ok_or_else(|| bad(key, "it is no line of a file"))?);
        }
    }
    if !talk.answers.is_empty() {
        push(out, "answers =");
        for answer in &talk.answers {
            let readable = one_line(answer).filter(|a| !a.is_empty() && !a.starts_with(['#', ';']));
            push(
                out,
                &format!("    {}", readable.ok_or_else(|| bad("answers", "one is no line of a file"))?),
            );
        }
    }
    for (key, value) in [("close", talk.close), ("tls", talk.tls)] {
        if value {
            pair(out, key, "yes");
        }
    }
    if let Some(timeout) = talk.timeout {
        pair(out, "timeout", timeout);
    }
    Ok(())
}

/// The name, if a section of that name is a decky.
fn expressible(name: &str, fleet: &Fleet) -> Result<DeckyName, WriteError> {
    let known = |service: &str| is_known(service, fleet);
    let special = name == DEFAULT
        || name.eq_ignore_ascii_case("general")
        || name.starts_with("custom-")
        || name.rsplit_once('.').is_some_and(|(_, last)| known(last));
    name.parse().ok().filter(|_| !special).ok_or_else(|| WriteError::Name(show(name)))
}

fn is_known(service: &str, fleet: &Fleet) -> bool {
    catalog::service(service).is_some() || fleet.customs.iter().any(|c| c.slug == service)
}

fn services(out: &mut String, services: &[String], fleet: &Fleet) {
    if services.iter().all(|s| is_known(s, fleet)) {
        pair(out, "services", services.join(", "));
    } else {
        omitted(out, "services", &services.join(", "));
    }
}

fn decky_section(
    out: &mut String,
    name: &DeckyName,
    member: &Recorded,
    decky: &Decky,
    fleet: &Fleet,
) -> Result<(), WriteError> {
    push(out, &format!("\n[{name}]"));
    pair(out, "ip", decky.ip);
    services(out, &decky.services, fleet);
    let slugs = [
        (
            "archetype",
            decky.archetype.as_deref(),
            decky.archetype.as_deref().and_then(catalog::archetype).is_some(),
        ),
        ("nmap_os", Some(decky.nmap_os.as_str()), catalog::os_family(&decky.nmap_os).is_some()),
        ("distro", Some(decky.distro.as_str()), catalog::distro(&decky.distro).is_some()),
        ("hostname", Some(decky.hostname.as_str()), is_hostname(&decky.hostname)),
    ];
    for (key, value, known) in slugs {
        match value {
            Some(value) if known => pair(out, key, value),
            Some(value) => omitted(out, key, value),
            None => {}
        }
    }
    if let Some(identity) = member.identity.as_ref().filter(|i| is_station(i.mac)) {
        pair(out, "mac", identity.mac);
    }
    match decky.mutate_interval {
        Some(0) => omitted(out, "mutate_interval", "0"),
        Some(minutes) => pair(out, "mutate_interval", minutes),
        None => {}
    }
    for (service, settings) in &decky.service_config {
        if is_known(service, fleet) {
            subsection(out, name, service, settings)?;
        } else {
            omitted(out, "the settings of a service", service);
        }
    }
    Ok(())
}

/// A row whose configuration cannot be used: its columns are all there is.
fn bare_section(out: &mut String, name: &DeckyName, member: &Recorded, why: &str, fleet: &Fleet) {
    push(out, &format!("\n# the record of this decky cannot be used: \"{}\"", show(why)));
    push(out, &format!("[{name}]"));
    if let Some(ip) = member.ip {
        pair(out, "ip", ip);
    }
    if !member.services.is_empty() {
        services(out, &member.services, fleet);
    }
}

fn subsection(
    out: &mut String,
    name: &DeckyName,
    service: &str,
    settings: &Settings,
) -> Result<(), WriteError> {
    push(out, &format!("\n[{name}.{service}]"));
    for (key, value) in settings {
        let bad = |why| WriteError::Value { decky: name.to_string(), key: format!("{service}.{key}"), why };
        let kind = catalog::service(service).and_then(|s| s.setting(key)).map(|s| s.kind);
        let plain_key = key.to_lowercase() == *key
            && strip(key) == key
            && !key.is_empty()
            && !key.contains(['=', ':', '\n', '\r'])
            && !key.starts_with(['#', ';', '[']);
        if !plain_key {
            return Err(bad("its name is no key of a file"));
        }
        let text = match value {
            Value::Null => continue,
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let form =
            form(kind, &text).ok_or_else(|| bad("its text has lines or blanks that a file cannot hold"))?;
        pair(out, key, form);
    }
    Ok(())
}

/// The text as it stands after `key = `, or none when there is no way.
fn form(kind: Option<SettingKind>, text: &str) -> Option<String> {
    let area = kind == Some(SettingKind::TextArea);
    let mut lines = text.split('\n');
    let first = lines.next().unwrap_or_default();
    let rest: Vec<&str> = lines.collect();
    let tidy = |line: &str| strip(line) == line && !line.contains('\r');
    let readable = tidy(first)
        && rest.iter().all(|line| tidy(line) && !line.starts_with(['#', ';']))
        && rest.last().is_none_or(|last| !last.is_empty())
        && (rest.is_empty() || !first.is_empty());
    if area {
        let odd = !readable
            || text.starts_with("b64:")
            || text.contains(|c: char| c.is_control() && c != '\n' && c != '\t')
            || text.lines().any(|line| glued_header(line).is_some())
            || rest.iter().any(|line| headers(line).first() == Some(&(0..line.len())));
        if odd {
            return Some(format!("b64:{}", STANDARD.encode(text)));
        }
    }
    let one_line_only = kind.is_some() && !area;
    if !readable || (one_line_only && !rest.is_empty()) {
        return None;
    }
    let mut form = first.to_owned();
    for line in rest {
        form.push('\n');
        if !line.is_empty() {
            form.push_str("    ");
            form.push_str(line);
        }
    }
    Some(form)
}

/// Reads the text back and compares.
fn verify(text: &str, fleet: &Fleet) -> Result<(), WriteError> {
    let Loaded { spec, diagnostics, .. } = load(text.as_bytes(), &Options::default());
    // A fleet of nothing is the one thing that a file cannot say.
    let error = diagnostics.iter().find(|d| d.severity == Severity::Error && d.code != "no-decky");
    if let Some(error) = error {
        return Err(WriteError::Differs(format!("line {}: {}", error.line, error.message)));
    }
    let talks = |customs: &[CustomService]| customs.iter().map(|c| c.talk.clone()).collect::<Vec<_>>();
    if talks(&spec.customs) != talks(&fleet.customs) {
        return Err(WriteError::Differs("the conversation of a custom service".to_owned()));
    }
    let mut read = spec.deckies.iter();
    for member in &fleet.members {
        if matches!(member.state, State::TearingDown | State::TeardownFailed | State::TornDown) {
            continue;
        }
        let back = read.next().filter(|d| d.name.as_str() == member.name);
        let back = back.ok_or_else(|| WriteError::Differs(format!("decky {}", show(&member.name))))?;
        let Ok(decky) = &member.decky else { continue };
        let differs = |what: &str| WriteError::Differs(format!("{what} of decky {}", member.name));
        if back.ip != Some(decky.ip) {
            return Err(differs("the address"));
        }
        if back.services.as_ref().is_some_and(|s| *s != decky.services) {
            return Err(differs("the services"));
        }
        for (service, settings) in decky.service_config.iter().filter(|(s, _)| is_known(s, fleet)) {
            if !same(service, settings, back.service_config.get(service)) {
                return Err(differs(&format!("the settings of {service}")));
            }
        }
    }
    if read.next().is_some() { Err(WriteError::Differs("a decky too many".to_owned())) } else { Ok(()) }
}

fn same(service: &str, recorded: &Settings, back: Option<&Settings>) -> bool {
    let Some(back) = back else { return false };
    recorded.iter().filter(|(_, value)| !value.is_null()).all(|(key, value)| {
        let schema = catalog::service(service).and_then(|s| s.setting(key));
        back.get(key).is_some_and(|read| match (schema, value) {
            (Some(_), value) => *read == catalog::canonical(service, key, value) || read == value,
            // Without a schema a file has texts only.
            (None, Value::String(text)) => read == text,
            (None, other) => read.as_str() == Some(other.to_string().as_str()),
        })
    })
}
