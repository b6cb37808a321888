//! The promise of the strict scanner: one byte lost from a file never plans a removal in silence (contract §7).

use std::collections::BTreeSet;

use super::clean;
use crate::fleetfile::{Options, load, removal_warnings};

/// Every construct of the format, with the neighbours that make a lost byte dangerous.
const RICH: &str = "\
# the fleet of the lab
[DEFAULT]
distro = debian
; network
[general]
net = 10.0.0.0/16
gw = 10.0.0.1
driver = macvlan
interface = eth0
log_target = udp://10.0.0.2:514
#
[web-01]
services = ssh,
  http
ip = 10.0.3.1
# a header below
[w]
archetype = printer
amount = 12
#amount
[db]
services: mysql
#amount=3
hostname: db.lan
[empty]
[one.two]
archetype = linux-server
# 3 of
[grp]
# there are
amount = 3
services=redis
[grp.redis]
password=secret
[alone]
services=telnet
[alone.telnet]
user=
#[off]
[custom-x]
exec=/bin/x -v
[runs-x]
services=x
[runs-x.x]
free=text
[after]
services=ftp
[after.ftp]
  [indented]
  services = ssh
  mutate_interval = 5
  [deeper]
  services = http
[deeper.http]
custom_body =
  <p>
  [x]y = z
  </p>
extra_headers = {\"A\": \"b\"}
[last]
archetype=deaddeck
[general.lan]
services=ssh
# caf\u{e9} \u{20ac}
[z]
services=ssh";

/// What is missing from `bytes` without a word, with all names of the original recorded.
fn lost_in_silence(bytes: &[u8], recorded: &[String]) -> Vec<String> {
    let loaded = load(bytes, &Options::default());
    if !loaded.diagnostics.is_empty() || !removal_warnings(&loaded, recorded).is_empty() {
        return Vec::new();
    }
    let kept: BTreeSet<&str> = loaded.spec.deckies.iter().map(|d| d.name.as_str()).collect();
    recorded.iter().filter(|name| !kept.contains(name.as_str())).cloned().collect()
}

fn every_deletion(text: &str) {
    let loaded = load(text.as_bytes(), &Options::default());
    assert!(!loaded.has_errors(), "{:#?}", loaded.diagnostics);
    let recorded: Vec<String> = loaded.spec.deckies.iter().map(|d| d.name.to_string()).collect();
    for at in 0..text.len() {
        let mut bytes = text.as_bytes().to_vec();
        bytes.remove(at);
        let lost = lost_in_silence(&bytes, &recorded);
        let around = String::from_utf8_lossy(&bytes[at.saturating_sub(20)..(at + 20).min(bytes.len())]);
        assert!(lost.is_empty(), "byte {at}, near {around:?}, takes {lost:?} away");
    }
}

#[test]
fn no_lost_byte_removes_a_decky_in_silence() {
    // Without warnings of its own, or nothing would be proved.
    let text = RICH.replace("[empty]\n", "[empty]\narchetype=printer\n");
    clean(&text);
    every_deletion(&text);
    every_deletion(&text.replace('\n', "\r\n"));
    every_deletion(&text.replace('\n', "\r"));
    every_deletion(&format!("\u{feff}{text}"));
    every_deletion(&text.replace(" = ", ": "));
}

#[test]
fn nor_when_defaults_say_everything() {
    // No section needs keys here, so a swallowed header leaves nothing odd behind but its own text.
    let text = "[DEFAULT]\nservices = ssh\namount = 2\n#\n[a]\n# note\n[b]\n# trailing \n[c]\n[d]\n; x\n[e]\namount=1\n\
                [e.ssh]\npassword = p\n[f]\n[f.ssh]\npassword = q \n[g]\n";
    clean(text);
    every_deletion(text);
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig { cases: 60, failure_persistence: None, ..Default::default() })]

    #[test]
    fn nor_from_any_small_file(
        blocks in proptest::collection::vec(
            ("[a-z]{1,3}(-0[1-3])?", 0..5usize, "(#|; ?|# [a-z]{0,5} ?)?", "[a-z]{0,4} ?", 1..13u8), 1..6),
        defaults in proptest::bool::ANY,
        indent in 0..2usize,
    ) {
        let pad = " ".repeat(indent);
        let mut text = if defaults { "[DEFAULT]\nservices=ssh\n".to_owned() } else { String::new() };
        for (name, form, comment, word, amount) in &blocks {
            if !comment.is_empty() {
                text.push_str(&format!("{comment}\n"));
            }
            text.push_str(&format!("{pad}[{name}]\n"));
            match form {
                0 if defaults => {}
                1 => text.push_str(&format!("{pad}archetype=printer\n{pad}amount={amount}\n")),
                2 => text.push_str(&format!("{pad}services=ssh\n{pad}[{name}.ssh]\n{pad}password={word}\n")),
                3 => text.push_str(&format!("#amount={amount}\n{pad}services:ssh,\n{pad} http\n")),
                _ => text.push_str(&format!("{pad}services=ftp\n\n")),
            }
        }
        let loaded = load(text.as_bytes(), &Options::default());
        // A name drawn twice is another test's matter; so is one that happens to be a slip.
        proptest::prop_assume!(loaded.diagnostics.is_empty());
        every_deletion(&text);
    }
}
